import { eq, sql } from 'drizzle-orm';
import { beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '#schema/api.ts';
import { GalleryEntry, GalleryPage } from '#schema/gallery.ts';
import { artifact, audit, galleryEntry, job } from '#schema/tables/index.ts';
import { openDb } from '../io/db.ts';
import { expectAuthRefusals, expectError, HttpWorld, PAINTING } from '../test/http.ts';
import type { HttpAgent } from '../test/http.ts';

let world: HttpWorld;
let agent: HttpAgent;
let key: string;

beforeAll(async () => {
  world = new HttpWorld();
  agent = await world.newAgent();
  key = (await world.newAccount()).api_key;
});

/** A completed picture that the history knows. */
async function newPicture(apiKey = key, request: object = PAINTING): Promise<JobView> {
  const made = await world.newJob(apiKey, request);
  await agent.finish(await agent.take());
  await expect.poll(() => inHistory(made.id), { timeout: 10_000 }).toBe(true);
  return made;
}

async function inHistory(jobId: string): Promise<boolean> {
  return openDb(world.env, async (db) => {
    const rows = await db.select().from(artifact).where(eq(artifact.jobId, jobId));
    return rows.length > 0;
  });
}

const publish = (jobId: string, body: object = { public: true }, apiKey = key) =>
  world.call('PUT', `/v1/jobs/${jobId}/gallery`, { bearer: apiKey, json: body });
const withdraw = (jobId: string, apiKey = key) =>
  world.call('DELETE', `/v1/jobs/${jobId}/gallery`, { bearer: apiKey });
const remove = (jobId: string, reason = 'a face without consent') =>
  world.admin('DELETE', `/admin/v1/gallery/${jobId}?reason=${encodeURIComponent(reason)}`);

async function list(query = ''): Promise<GalleryPage> {
  const response = await world.get(`/v1/gallery${query}`);
  expect(response.status, await response.clone().text()).toBe(200);
  return GalleryPage.parse(await response.json());
}
const shown = async (jobId: string) =>
  (await list('?limit=100')).data.find(({ job_id }) => job_id === jobId);

function auditOf(jobId: string) {
  return openDb(world.env, async (db) => {
    const rows = await db.select().from(audit).where(eq(audit.target, jobId));
    return rows.filter(({ action }) => action.startsWith('gallery.'));
  });
}

describe('PUT /v1/jobs/:id/gallery', () => {
  it('shows the picture to everybody, with URLs that open, and without its prompt', async () => {
    const { id } = await newPicture();
    expect(await shown(id)).toBeUndefined();
    const response = await publish(id);
    expect(response.status, await response.clone().text()).toBe(200);
    const entry = GalleryEntry.parse(await response.json());
    expect(entry).toMatchObject({ job_id: id, type: 'image', model: 'painter', prompt: null });
    const seen = await shown(id);
    expect(seen).toMatchObject({ job_id: id, prompt: null, published_at: entry.published_at });
    const { pathname, search } = new URL(seen!.artifacts[0]!.url);
    expect((await world.get(pathname + search)).status).toBe(200);
    expect((await auditOf(id)).map(({ action }) => action)).toEqual(['gallery.publish']);
  });

  it('shows the prompt when its owner wishes, and hides it again', async () => {
    const { id } = await newPicture();
    const first = await (
      await publish(id, { public: true, show_prompt: true })
    ).json<GalleryEntry>();
    expect((await shown(id))?.prompt).toBe(PAINTING.prompt);
    const second = await (await publish(id)).json<GalleryEntry>();
    expect((await shown(id))?.prompt).toBeNull();
    expect(second.published_at).toBe(first.published_at);
  });

  it('refuses a job that has not ended, or makes no picture', async () => {
    const waiting = await world.newJob(key);
    const error = await expectError(await publish(waiting.id), 'not_publishable');
    expect(error.details).toEqual({ type: 'image', status: 'queued' });
    await world.call('POST', `/v1/jobs/${waiting.id}/cancel`, { bearer: key });
    await expectError(await publish(waiting.id), 'not_publishable');
  });

  it('judges the prompt by the rules of today', async () => {
    const { id } = await newPicture();
    await openDb(world.env, (db) =>
      db
        .update(job)
        .set({ spec: sql`jsonb_set(spec, '{prompt}', '"a naked dancer"')` })
        .where(eq(job.id, id)),
    );
    await expect.poll(() => publish(id).then(({ status }) => status)).toBe(422);
    await expectError(await publish(id), 'content_blocked');
    expect(await shown(id)).toBeUndefined();
  });

  it('wants to hear that it is meant', async () => {
    const { id } = await newPicture();
    for (const body of [{}, { public: false }, { public: true, title: 'x' }]) {
      await expectError(await publish(id, body), 'invalid_request');
    }
  });

  it('finds no job of another account', async () => {
    const { id } = await newPicture();
    const { api_key: other } = await world.newAccount();
    await expectError(await publish(id, { public: true }, other), 'not_found');
    await publish(id);
    await expectError(await withdraw(id, other), 'not_found');
    expect(await shown(id)).toBeDefined();
  });

  it('says when the history is away', async () => {
    const { id } = await newPicture();
    const away = { ...world.bindings, DATABASE_WS_PROXY: '127.0.0.1:9/v1' };
    const blind = new HttpWorld({ ...away, POOLS: world.pool });
    const response = await blind.call('PUT', `/v1/jobs/${id}/gallery`, {
      bearer: key,
      json: { public: true },
    });
    await expectError(response, 'history_unavailable');
    await expectError(await blind.get('/v1/gallery'), 'history_unavailable');
  });

  it('opens to no credential but a valid key', async () => {
    const route = `/v1/jobs/job_01k00000000000000000000000_${world.pool}/gallery`;
    const json = { public: true };
    await expectAuthRefusals(world, ['PUT', route], { caller: 'account', json });
    await expectAuthRefusals(world, ['DELETE', route], { caller: 'account' });
  });
});

describe('DELETE /v1/jobs/:id/gallery', () => {
  it('takes it out, once, and it can be shown again', async () => {
    const { id } = await newPicture();
    await publish(id);
    expect((await withdraw(id)).status).toBe(204);
    expect(await shown(id)).toBeUndefined();
    await expectError(await withdraw(id), 'not_found');
    expect((await publish(id)).status).toBe(200);
    expect(await shown(id)).toBeDefined();
  });
});

describe('GET /v1/gallery', () => {
  it('gives pages, newest first, with nothing twice or left out', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      const { id } = await newPicture();
      await publish(id);
      ids.unshift(id);
    }
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const page: GalleryPage = await list(
        `?limit=2&type=image${cursor ? `&cursor=${cursor}` : ''}`,
      );
      found.push(...page.data.map(({ job_id }) => job_id));
      cursor = page.next_cursor;
    } while (cursor);
    expect(found.filter((id) => ids.includes(id))).toEqual(ids);
    expect(new Set(found).size).toBe(found.length);
    expect((await list('?type=video')).data).toEqual([]);
  });

  it('loses an entry with the results of its job', async () => {
    const { id } = await newPicture();
    await publish(id);
    await openDb(world.env, (db) =>
      db
        .update(artifact)
        .set({ expiresAt: new Date(0) })
        .where(eq(artifact.jobId, id)),
    );
    expect(await shown(id)).toBeUndefined();
  });

  it.each(['?limit=0', '?limit=101', '?type=text', '?colour=red', '?cursor=nonsense'])(
    'refuses %s',
    async (query) => {
      await expectError(await world.get(`/v1/gallery${query}`), 'invalid_request');
    },
  );

  it('tells nothing of the owner', async () => {
    const { api_key, id: accountId } = await world.newAccount();
    const { id } = await newPicture(api_key);
    await publish(id, { public: true }, api_key);
    const text = await (await world.get('/v1/gallery?limit=100')).text();
    expect(text).toContain(id);
    expect(text).not.toContain(accountId);
  });
});

describe('DELETE /admin/v1/gallery/:id', () => {
  it('removes for good, says why to the owner, and is audited', async () => {
    const { id } = await newPicture();
    await publish(id, { public: true, show_prompt: true });
    expect((await remove(id)).status).toBe(204);
    expect(await shown(id)).toBeUndefined();
    const error = await expectError(await publish(id), 'removed_by_operator');
    expect(error.details).toEqual({ reason: 'a face without consent' });
    await expectError(await withdraw(id), 'not_found');
    await expectError(await publish(id), 'removed_by_operator');
    const entries = await auditOf(id);
    expect(entries.find(({ action }) => action === 'gallery.remove')).toMatchObject({
      actor: 'admin',
      detail: { reason: 'a face without consent' },
    });
    const [row] = await openDb(world.env, (db) =>
      db.select().from(galleryEntry).where(eq(galleryEntry.jobId, id)),
    );
    expect(row?.prompt).toBeNull();
  });

  it('wants a reason and an entry', async () => {
    const { id } = await newPicture();
    await expectError(await remove(id), 'not_found');
    await expectError(await remove(id, ' '), 'invalid_request');
    await expectError(await world.admin('DELETE', `/admin/v1/gallery/${id}`), 'invalid_request');
  });

  it('opens to the admin key alone', async () => {
    const id = `job_01k00000000000000000000000_${world.pool}`;
    await expectAuthRefusals(world, ['DELETE', `/admin/v1/gallery/${id}?reason=x`], {
      caller: 'admin',
    });
  });
});
