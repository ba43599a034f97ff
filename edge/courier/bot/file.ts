/** A result's files for an upload, read from R2 as they are sent; or as links, where they are not. */
import type { Media, Reply, Span } from '../../chat/message.ts';
import type { ChatFault } from '../../core/fault.ts';
import { fail, ok } from '../../core/result.ts';
import type { Result } from '../../core/result.ts';
import type { Env } from '../../env.ts';
import type { FormFile } from '../../io/multipart.ts';
import { getObject } from '../../io/r2.ts';
import { signMedia } from '../../io/token.ts';

/** Opens the files, in their order; each must be read or cancelled. */
export async function openFiles(
  env: Env,
  media: readonly Media[],
): Promise<Result<readonly FormFile[], ChatFault>> {
  const opened = await Promise.all(
    media.map(({ artifact }) =>
      getObject(env.artifacts, artifact.key, { range: null, ifNoneMatch: null }),
    ),
  );
  const files: FormFile[] = [];
  for (const [index, found] of opened.entries()) {
    if (found.kind !== 'body') continue;
    const { name, artifact } = media[index]!;
    files.push({
      field: `file${index}`,
      name,
      contentType: artifact.contentType,
      bytes: found.object.size,
      body: found.object.body,
    });
  }
  if (files.length === media.length) return ok(files);
  for (const { body } of files) if (body instanceof ReadableStream) await body.cancel();
  return fail({ reason: 'media_missing' });
}

/** The reply with a link to each of these files; `isLost`: they may be in the chat already. */
export async function withLinks(
  env: Env,
  reply: Reply,
  { links, isLost, now }: { links: readonly Media[]; isLost: boolean; now: number },
): Promise<Reply> {
  const { publicUrl } = env;
  if (links.length === 0 || publicUrl === null) return reply;
  const spans = await Promise.all(
    links.map(async ({ name, artifact }, index): Promise<Span[]> => {
      const { path } = await signMedia(env.signingKey, artifact.key, now);
      const link = { kind: 'link', text: name, url: `${publicUrl}${path}` } as const;
      return index === 0 ? [link] : [', ', link];
    }),
  );
  const head = isLost
    ? '\n\nIn case they did not arrive here, for an hour: '
    : '\n\nToo large for this chat, so here for an hour: ';
  return { ...reply, text: [...reply.text, head, ...spans.flat()] };
}
