import { describe, expect, it } from 'vitest';
import type { JobView } from '#schema/api.ts';
import { MEDIA_URL_MS } from '#schema/limits.ts';
import { signMedia } from '../io/token.ts';
import { parseRange } from '../services/serve-media.ts';
import { expectError, HttpWorld, PICTURE } from '../test/http.ts';

const SIZE = PICTURE.length;

async function open() {
  const world = new HttpWorld();
  const [{ api_key: key }, agent] = await Promise.all([world.newAccount(), world.newAgent()]);
  const { id } = await world.newJob(key);
  const artifact = await agent.finish(await agent.take());
  const job = await (await world.get(`/v1/jobs/${id}`, key)).json<JobView>();
  const { pathname, search } = new URL(job.artifacts[0]!.url);
  const path = pathname + search;
  const read = (headers: Record<string, string> = {}, method = 'GET') =>
    world.call(method, path, { headers });
  return { world, id, key: artifact.key, path, read, view: job.artifacts[0]! };
}

describe('a signed URL', () => {
  it.each(['text/html', 'image/svg+xml', 'application/javascript', 'text/html; charset=utf-8'])(
    'gives no %s, whatever an object says of itself',
    async (contentType) => {
      const { world, key, read } = await open();
      await world.env.artifacts.put(key, '<script>alert(1)</script>', {
        httpMetadata: { contentType, contentDisposition: 'inline; filename=x.html' },
      });
      const { headers } = await read();
      expect(headers.get('content-type')).toBe('application/octet-stream');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain('sandbox');
    },
  );

  it('gives the file, harmless wherever it is opened', async () => {
    const { id, read, view } = await open();
    const response = await read();
    expect(response.status).toBe(200);
    expect(new Uint8Array(await response.clone().arrayBuffer())).toEqual(PICTURE);
    const { headers } = response;
    expect(headers.get('content-type')).toBe('image/png');
    expect(headers.get('content-length')).toBe(String(SIZE));
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe("sandbox; default-src 'none'");
    expect(headers.get('content-disposition')).toBe(`inline; filename="${id}-0.png"`);
    const maxAge = Number(/^private, max-age=(\d+)/.exec(headers.get('cache-control')!)?.[1]);
    expect(maxAge).toBeGreaterThan(MEDIA_URL_MS / 1000 - 60);
    expect(Date.parse(view.url_expires_at) - Date.now()).toBeGreaterThanOrEqual(
      maxAge * 1000 - 1000,
    );
  });

  it('answers HEAD without a body and 304 to who has the file', async () => {
    const { read } = await open();
    const head = await read({}, 'HEAD');
    expect(head.status).toBe(200);
    expect(head.headers.get('content-length')).toBe(String(SIZE));
    expect(await head.text()).toBe('');
    const etag = head.headers.get('etag')!;
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const unchanged = await read({ 'if-none-match': tag });
      expect(unchanged.status, tag).toBe(304);
      expect(unchanged.headers.get('etag')).toBe(etag);
      expect(await unchanged.text()).toBe('');
    }
    for (const tag of ['"other"', '"open', 'bare', '', ',', '"a" "b"']) {
      expect((await read({ 'if-none-match': tag })).status, tag).toBe(200);
    }
  });

  it.each([
    ['bytes=0-3', 0, 4],
    ['bytes=5-', 5, SIZE],
    ['bytes=-6', SIZE - 6, SIZE],
    ['bytes=30-9999', 30, SIZE],
    ['bytes=-9999', 0, SIZE],
  ])('gives the part %s', async (range, start, end) => {
    const { read } = await open();
    const response = await read({ range });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${SIZE}`);
    expect(response.headers.get('content-length')).toBe(String(end - start));
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(PICTURE.slice(start, end));
  });

  it('gives the whole for ranges it does not know and a part of something else', async () => {
    const { read } = await open();
    for (const range of ['bytes=0-1,4-5', 'lines=1-2', 'bytes=9-3', 'bytes=-']) {
      expect((await read({ range })).status, range).toBe(200);
    }
    const changed = await read({ range: 'bytes=0-3', 'if-range': '"other"' });
    expect(changed.status).toBe(200);
    expect(new Uint8Array(await changed.arrayBuffer())).toEqual(PICTURE);
    const etag = changed.headers.get('etag')!;
    expect((await read({ range: 'bytes=0-3', 'if-range': etag })).status).toBe(206);
  });

  it('refuses a range outside the file and tells its size', async () => {
    const { read } = await open();
    const response = await read({ range: `bytes=${SIZE}-` });
    expect(response.headers.get('content-range')).toBe(`bytes */${SIZE}`);
    await expectError(response, 'range_not_satisfiable');
  });

  it('opens nothing else: no other key, no other time, no other signature', async () => {
    const { world, path, key } = await open();
    const { env } = world;
    const signed = await signMedia(env.signingKey, key, Date.now());
    const wrong = [
      `/media/${key}`,
      path.replace('0.png', '1.png'),
      path.replace(/expires=\d/, 'expires=9'),
      path.replace(/.$/, (char) => (char === 'A' ? 'B' : 'A')),
      path.replace(/signature=.*/, 'signature='),
      `${signed.path}x`,
      '/media/../v1/jobs',
    ];
    for (const other of wrong) {
      const response = await world.get(other);
      expect([401, 403, 404], other).toContain(response.status);
      expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    }
    const other = await signMedia('another key of thirty-two characters', key, Date.now());
    await expectError(await world.get(other.path), 'media_forbidden');
  });

  it('expires', async () => {
    const { world, key } = await open();
    const then = await signMedia(world.env.signingKey, key, Date.now() - 2 * MEDIA_URL_MS);
    await expectError(await world.get(then.path), 'media_expired');
  });

  it('says that a file is gone', async () => {
    const { world, key, read } = await open();
    await world.env.artifacts.delete(key);
    await expectError(await read(), 'not_found');
  });

  it('stays the same for a while, so that caches work', async () => {
    const { signingKey } = new HttpWorld().env;
    const grid = Math.ceil(Date.now() / 600_000) * 600_000;
    const [first, second] = await Promise.all([
      signMedia(signingKey, 'result/x', grid + 1000),
      signMedia(signingKey, 'result/x', grid + 500_000),
    ]);
    expect(first).toEqual(second);
    expect(first.expiresAt).toBeGreaterThanOrEqual(grid + 500_000 + MEDIA_URL_MS);
  });
});

it.each([
  ['bytes=0-0', { offset: 0, length: 1 }],
  ['bytes=10-', { offset: 10 }],
  ['bytes=-5', { suffix: 5 }],
  ['bytes=-0', null],
  ['bytes=1-0', null],
  ['bytes= 1-2', null],
  [null, null],
])('reads the range %s as %j', (header, range) => {
  expect(parseRange(header)).toEqual(range);
});
