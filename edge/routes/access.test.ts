import { beforeAll, describe, expect, it } from 'vitest';
import { SCOPES } from '#schema/scope.ts';
import type { Scope } from '#schema/scope.ts';
import { expectAuthRefusals, expectError, HttpWorld } from '../test/http.ts';
import { giveKey } from '../test/keys.ts';

const ULID = '01k00000000000000000000000';
const ALL = Object.keys(SCOPES) as Scope[];

interface Operation {
  readonly security?: readonly Record<string, unknown>[];
}
interface Described {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}
type Called = readonly [method: string, path: string];

/** Every route of the description that wants an API key, with ids that name nothing. */
async function findRoutes(world: HttpWorld): Promise<Called[]> {
  const { paths } = await (await world.get('/openapi.json')).json<Described>();
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { security }]) => security?.some((way) => 'apiKey' in way))
      .map(([method]): Called => [method.toUpperCase(), fill(path)]),
  );
}

function fill(path: string): string {
  const job = path.startsWith('/v1/jobs') || path.startsWith('/v1/videos');
  return path.replace('{id}', job ? `job_${ULID}_main` : ULID).replaceAll(/\{[a-z_]+\}/g, ULID);
}

describe('every route that wants an API key', () => {
  const world = new HttpWorld();
  let routes: Called[] = [];
  beforeAll(async () => {
    routes = await findRoutes(world);
  });

  it('is found', () => {
    expect(routes.length).toBeGreaterThan(10);
    expect(routes).toContainEqual(['GET', '/v1/usage']);
    expect(routes).toContainEqual(['POST', '/v1/keys']);
  });

  it('refuses no key, wrong ones, and those of agents and the operator', async () => {
    for (const route of routes) {
      await expectAuthRefusals(world, route, { caller: 'account', ...bodyOf(route) });
    }
  });

  it('refuses keys that have expired, were revoked, or are of a blocked account', async () => {
    const account = await world.newAccount('pro');
    const blocked = await world.newAccount('pro');
    const reason = { reason: 'as a test' };
    await world.admin('POST', `/admin/v1/accounts/${blocked.id}/block`, reason);
    const revoked = await giveKey(account.id);
    await world.admin('DELETE', `/admin/v1/accounts/${account.id}/keys/${revoked.id}`);
    const expired = await giveKey(account.id, { expiresAt: Date.now() - 1000 });
    const bare = await world.newAccount('free');
    for (const [method, path] of routes) {
      const call = (bearer: string) =>
        world.call(method, path, { bearer, ...bodyOf([method, path]) });
      const past = await expectError(await call(expired.apiKey), 'key_expired');
      expect(past.details).toHaveProperty('expired_at');
      await expectError(await call(revoked.apiKey), 'unauthorized');
      await expectError(await call(blocked.api_key), 'account_blocked');
      const poor = await expectError(await call(bare.api_key), 'plan_required');
      expect(poor.details).toMatchObject({
        plan: 'starter',
        upgrade_url: 'http://127.0.0.1:8787/#plans',
      });
    }
  });

  it('wants one scope: a key with all others is refused, any other key is not', async () => {
    const account = await world.newAccount('pro');
    const keys = await Promise.all(
      ALL.map(async (lacking) => {
        const scopes = ALL.filter((scope) => scope !== lacking);
        return { lacking, apiKey: (await giveKey(account.id, { scopes })).apiKey };
      }),
    );
    for (const [method, path] of routes) {
      const refused: Scope[] = [];
      for (const { lacking, apiKey } of keys) {
        const json = bodyOf([method, path]);
        const response = await world.call(method, path, { bearer: apiKey, ...json });
        const { error } = await response
          .json<{ error?: { code: string; details: { scope: string } } }>()
          .catch(() => ({ error: undefined }));
        if (error?.code !== 'scope_required') continue;
        expect(response.status).toBe(403);
        expect(error.details).toEqual({ scope: lacking });
        refused.push(lacking);
      }
      expect(refused, `${method} ${path}`).toHaveLength(1);
    }
  });
});

/** A body that no route takes: nothing is made by it. */
function bodyOf([method]: Called): { json?: unknown } {
  return method === 'POST' || method === 'PATCH' ? { json: { no_such_field: true } } : {};
}
