/** `/openapi.json`: the description of the whole HTTP surface, OpenAPI 3.1. */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { ERROR_CODES } from '#schema/error.ts';
import type { AppEnv } from '../env.ts';
import { VERSION } from '../services/check-health.ts';
import { describeErrors } from './error.ts';

const ABOUT = `Images, video, text, speech, music and transcription from one queue.

Send \`authorization: Bearer tsr_…\`. Bodies are JSON. Amounts of tokens are decimal numbers; times
are ISO 8601 in UTC. Every answer has \`x-request-id\`; routes that want a key have
\`RateLimit-Limit\`, \`RateLimit-Remaining\` and \`RateLimit-Reset\` (seconds). Lists take \`cursor\` and
\`limit\` and give \`data\` and \`next_cursor\`.

Errors are \`{ "error": { "code", "message", "request_id", "details" } }\`. 429 and 503 carry
\`Retry-After\` in seconds. Codes never change their meaning:

`;

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
  app.get('/openapi.json', (c) => {
    const document = app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Tessera',
        version: VERSION,
        description: `${ABOUT}${describeErrors()}`,
      },
      servers: [{ url: c.get('origin') }],
      tags: ['Jobs', 'Models', 'Account', 'Media', 'Service', 'Admin', 'Agent'].map((name) => ({
        name,
      })),
    });
    const description = { ...document, 'x-error-codes': ERROR_CODES };
    return c.json(description, 200, { 'cache-control': 'public, max-age=300' });
  });
}
