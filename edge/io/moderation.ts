/**
 * A moderation server that speaks OpenAI's `POST /moderations` (platform.openai.com/docs/
 * api-reference/moderations). Only categories that Tessera blocks count: a battle is flagged as
 * violence there and is welcome here, and so is somebody's despair. Never throws: a server that
 * is slow, away or makes no sense is `away`.
 */
import { z } from 'zod';
import { MODERATION_ANSWER_BYTES_MAX, MODERATION_MS_MAX } from '#schema/limits.ts';
import type { ContentCategory } from '#schema/moderation.ts';
import type { ModerationServer } from '../env.ts';
import { logWarn } from './log.ts';

/** What the server says of several texts: the first of them that it flags. */
export type ServerVerdict =
  | { readonly kind: 'clean' }
  | {
      readonly kind: 'flagged';
      readonly index: number;
      readonly category: ContentCategory;
      /** As the server names it. */
      readonly name: string;
    }
  | { readonly kind: 'away' };

/** The gravest first. */
const CATEGORIES: readonly (readonly [string, ContentCategory])[] = [
  ['sexual/minors', 'sexual_minors'],
  ['sexual', 'sexual'],
  ['hate/threatening', 'hate'],
  ['hate', 'hate'],
  ['self-harm/instructions', 'self_harm'],
  ['violence/graphic', 'violence'],
  ['illicit/violent', 'violence'],
];

const Answer = z.object({
  results: z.array(
    z.object({
      flagged: z.boolean(),
      categories: z.record(z.string(), z.boolean().nullable()),
    }),
  ),
});

/** Asks about all texts in one request. `send` is `fetch`. */
export async function askModeration(
  server: ModerationServer,
  texts: readonly string[],
  send: typeof fetch = fetch,
): Promise<ServerVerdict> {
  try {
    const response = await send(`${server.url}/moderations`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(server.key === null ? {} : { authorization: `Bearer ${server.key}` }),
      },
      body: JSON.stringify({ model: server.model, input: texts }),
      redirect: 'manual',
      signal: AbortSignal.timeout(MODERATION_MS_MAX),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`HTTP ${response.status}`);
    }
    const { results } = Answer.parse(JSON.parse(await readText(response)));
    if (results.length !== texts.length) throw new Error(`${results.length} results`);
    return findFlagged(results);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    logWarn('moderation.away', { message });
    return { kind: 'away' };
  }
}

function findFlagged(results: z.infer<typeof Answer>['results']): ServerVerdict {
  for (const [name, category] of CATEGORIES) {
    const index = results.findIndex(
      ({ flagged, categories }) => flagged && categories[name] === true,
    );
    if (index >= 0) return { kind: 'flagged', index, category, name };
  }
  return { kind: 'clean' };
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MODERATION_ANSWER_BYTES_MAX) throw new Error('an answer too long');
    chunks.push(chunk);
  }
  return new Blob(chunks).text();
}
