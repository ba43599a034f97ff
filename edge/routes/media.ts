/** `/media/*`: results, at signed URLs that expire. */
import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { AppEnv } from '../env.ts';
import { serveMedia } from '../services/serve-media.ts';
import { errors } from './describe.ts';
import { toMediaWire } from './error.ts';
import { refuse } from './wire.ts';

export const mediaRoutes = new OpenAPIHono<AppEnv>();

mediaRoutes.openAPIRegistry.registerPath({
  method: 'get',
  path: '/media/{key}',
  tags: ['Media'],
  summary: 'Fetch a result',
  description:
    'At the URL that a job gives, as it is: its signature is the credential. Ranges, `ETag` and ' +
    '`If-None-Match` work.',
  request: {
    params: z.object({ key: z.string().openapi({ description: 'May contain slashes.' }) }),
    query: z.object({ expires: z.string(), signature: z.string() }),
    headers: z.object({ range: z.string().optional(), 'if-none-match': z.string().optional() }),
  },
  responses: {
    200: { description: 'The file, in its own content type.' },
    206: { description: 'A part of it.' },
    304: { description: 'You have it already.' },
    ...errors('media_forbidden', 'media_expired', 'not_found', 'range_not_satisfiable'),
  },
});

mediaRoutes.get('/media/:key{.+}', async (c) => {
  const isHead = c.req.method === 'HEAD';
  const served = await serveMedia(c.get('env'), {
    key: c.req.param('key'),
    expires: c.req.query('expires') ?? '',
    signature: c.req.query('signature') ?? '',
    range: isHead ? null : (c.req.header('range') ?? null),
    ifRange: c.req.header('if-range') ?? null,
    ifNoneMatch: c.req.header('if-none-match') ?? null,
    now: Date.now(),
  });
  if (!served.ok) refuse(toMediaWire(served.error));
  const { status, headers, body } = served.value;
  if (isHead) await body?.cancel();
  return new Response(isHead ? null : body, { status, headers });
});
