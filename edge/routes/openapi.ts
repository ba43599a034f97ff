/** `/openapi.json`: the description of the whole HTTP surface, OpenAPI 3.1. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { ERROR_CODES, ERRORS } from '#schema/error.ts';
import type { AppEnv } from '../env.ts';
import { VERSION } from '../services/check-health.ts';
import { describeErrors } from './error.ts';
import { makeExample } from './example.ts';
import type { SchemaNode } from './example.ts';
import { toErrorAnswer } from './wire.ts';

const ABOUT = `Images, video, text, speech, music and transcription from one queue.

Send \`authorization: Bearer tsr_…\`. Bodies are JSON. Amounts of tokens are decimal numbers; times
are ISO 8601 in UTC. Every answer has \`x-request-id\`; routes that want a key have
\`RateLimit-Limit\`, \`RateLimit-Remaining\` and \`RateLimit-Reset\` (seconds). Lists take \`cursor\` and
\`limit\` and give \`data\` and \`next_cursor\`.

Errors are \`{ "error": { "code", "message", "request_id", "details" } }\`. 429 and 503 carry
\`Retry-After\` in seconds. Codes never change their meaning:

`;

const TAGS = [
  ['Jobs', 'Submit, follow, cancel and delete.'],
  ['Files', 'Pictures and recordings for jobs to work on.'],
  ['Gallery', 'What users show to everybody.'],
  ['Models', 'What there is, with its price and limits.'],
  ['Account', 'Balance and usage.'],
  ['Keys', 'API keys with scopes, budgets and expiry.'],
  ['Webhooks', 'Endpoints that are told, and what they were sent.'],
  ['OpenAI-compatible', "As OpenAI's clients send and expect it."],
  ['Media', 'Results, at signed URLs.'],
  ['Service', 'How it stands.'],
  ['Webhooks of chat platforms', 'What Telegram and Discord call.'],
  ['Admin', "The operator's calls."],
  ['Agent', 'The protocol of GPU boxes.'],
] as const;
const EXAMPLE_REQUEST = 'req_01kc5y8f3m7w2q9r4t6v8x0z1b';

/** Adds the description to an app that has all its routes. */
export function serveOpenApi(app: OpenAPIHono<AppEnv>): void {
  const registry = app.openAPIRegistry;
  registry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: "A user's key, `tsr_…`.",
  });
  registry.registerComponent('securitySchemes', 'agentToken', {
    type: 'http',
    scheme: 'bearer',
    description: 'The token of a GPU box, `tsa_…`.',
  });
  registry.registerComponent('securitySchemes', 'adminKey', {
    type: 'http',
    scheme: 'bearer',
    description: "The operator's key.",
  });
  for (const code of ERROR_CODES) {
    const { body: value } = toErrorAnswer({ code }, EXAMPLE_REQUEST);
    registry.registerComponent('examples', code, { summary: code, value });
  }
  app.get('/openapi.json', (c) => {
    const document = app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Tessera',
        version: VERSION,
        description: `${ABOUT}${describeErrors()}`,
      },
      servers: [{ url: c.get('origin') }],
      tags: TAGS.map(([name, text]) => ({ name, description: text })),
    });
    addExamples(document);
    const codes = Object.entries(ERRORS).map(([code, { status, help: meaning }]) => {
      return [code, { status, meaning }];
    });
    const description = { ...document, 'x-error-codes': Object.fromEntries(codes) as unknown };
    return c.json(description, 200, { 'cache-control': 'public, max-age=300' });
  });
}

type Document = ReturnType<OpenAPIHono<AppEnv>['getOpenAPI31Document']>;

/** What a request or an answer holds, by its type. */
interface Body {
  readonly content?: Record<
    string,
    { readonly schema?: SchemaNode; example?: unknown; readonly examples?: unknown }
  >;
}

const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

/** An example for every JSON body, sent or answered, that has none of its own. */
function addExamples({ components, paths }: Document): void {
  const items = Object.values(paths ?? {});
  const operations = items.flatMap((item) => METHODS.flatMap((method) => item[method] ?? []));
  for (const { requestBody, responses } of operations) {
    const sent = requestBody && 'content' in requestBody ? [requestBody] : [];
    const bodies: readonly Body[] = [...sent, ...Object.values(responses ?? {})];
    for (const { content } of bodies) {
      const json = content?.['application/json'];
      if (!json?.schema || json.example !== undefined || json.examples !== undefined) continue;
      json.example = makeExample(components?.schemas ?? {}, json.schema);
    }
  }
}
