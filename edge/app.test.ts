import { createExecutionContext } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '#schema/error.ts';
import { app } from './app.ts';
import { expectError, HttpWorld } from './test/http.ts';

describe('every answer', () => {
  it('has a request id of our own and headers that keep browsers from harm', async () => {
    const world = new HttpWorld();
    const response = await world.get('/v1/models', undefined, { 'x-request-id': 'mine' });
    expect(response.headers.get('x-request-id')).toMatch(/^req_[0-9a-z]{26}$/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('to a path that is not there is JSON for the API and its like', async () => {
    const world = new HttpWorld();
    for (const path of ['/v1/nothing', '/admin', '/agent/v1/nothing', '/hooks/x', '/media/']) {
      await expectError(await world.get(path), 'not_found');
    }
  });

  it('to a path of OpenAI that is not here says so, however large its body', async () => {
    const world = new HttpWorld();
    for (const path of ['/v1/responses', '/v1/images/variations']) {
      const headers = { 'content-length': '20000000' };
      const answer = await world.call('POST', path, { body: 'x', headers });
      const { message } = await expectError(answer, 'not_found');
      expect(message).toBe(
        `There is no ${path} here; http://127.0.0.1:8787/docs lists what there is.`,
      );
    }
  });

  it.each([
    ['DELETE', '/v1/jobs', 'GET, HEAD, POST'],
    ['POST', '/v1/models', 'GET, HEAD'],
    ['GET', '/v1/jobs/x/cancel', 'POST'],
    ['GET', '/agent/v1/acquire', 'POST'],
    ['POST', '/media/result/x', 'GET, HEAD'],
    ['PUT', '/openapi.json', 'GET, HEAD'],
  ])('to %s %s says which methods there are', async (method, path, allow) => {
    const response = await new HttpWorld().call(method, path);
    expect(response.headers.get('allow')).toBe(allow);
    await expectError(response, 'method_not_allowed');
  });

  it('to a fault of ours says nothing but the request id', async () => {
    const world = new HttpWorld();
    const broken = {
      getByName: () => {
        throw new Error('secret detail');
      },
    };
    const bindings = { ...world.bindings, ACCOUNT: broken };
    const key = `tsr_01k00000000000000000000000_${'x'.repeat(43)}`;
    const request = new Request('http://x/v1/jobs', {
      headers: { authorization: `Bearer ${key}` },
    });
    const response = await app.fetch(request, bindings, createExecutionContext());
    expect(response.status).toBe(500);
    expect(JSON.stringify(await expectError(response, 'internal'))).not.toContain('secret');
  });

  it('to a Worker without its settings is a fault of ours, with a request id', async () => {
    const { SIGNING_KEY: _, ...bindings } = new HttpWorld().bindings;
    const request = new Request('http://x/v1/models');
    const response = await app.fetch(request, bindings, createExecutionContext());
    expect(JSON.stringify(await expectError(response, 'internal'))).not.toContain('SIGNING_KEY');
  });

  it('to an object that is away asks to try again', async () => {
    const world = new HttpWorld();
    const away = {
      getByName: () => {
        throw Object.assign(new Error('reset'), { retryable: true });
      },
    };
    const bindings = { ...world.bindings, ACCOUNT: away };
    const key = `tsr_01k00000000000000000000000_${'x'.repeat(43)}`;
    const request = new Request('http://x/v1/jobs', {
      headers: { authorization: `Bearer ${key}` },
    });
    const response = await app.fetch(request, bindings, createExecutionContext());
    expect(response.headers.get('retry-after')).toBe('1');
    await expectError(response, 'unavailable');
  });
});

describe('the site', () => {
  it('is served for all other paths', async () => {
    const fetch = async () => new Response('<h1>Tessera</h1>', { status: 200 });
    const world = new HttpWorld({ ASSETS: { fetch } as unknown as Fetcher });
    const response = await world.get('/pricing');
    expect(await response.text()).toBe('<h1>Tessera</h1>');
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
  });
});

describe('GET /openapi.json', () => {
  interface Described {
    openapi: string;
    info: { description: string };
    paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
    components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
  }
  const describeApi = async () => (await new HttpWorld().get('/openapi.json')).json<Described>();

  it('describes every route there is, in OpenAPI 3.1', async () => {
    const described = await describeApi();
    expect(described.openapi).toBe('3.1.0');
    const routes = app.routes
      .filter(({ method, path }) => method !== 'ALL' && path !== '/openapi.json')
      .map(
        ({ method, path }) => `${method} ${path.replace('{.+}', '').replaceAll(/:(\w+)/g, '{$1}')}`,
      );
    const known = Object.entries(described.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(known.toSorted()).toEqual([...new Set(routes)].toSorted());
  });

  it('names its schemas, credentials and every error code', async () => {
    const { info, components, paths } = await describeApi();
    for (const name of ['Job', 'ImageRequest', 'TextRequest', 'Error', 'Account', 'Model']) {
      expect(Object.keys(components.schemas)).toContain(name);
    }
    expect(Object.keys(components.securitySchemes)).toEqual(['apiKey', 'agentToken', 'adminKey']);
    for (const code of ERROR_CODES) expect(info.description).toContain(`\`${code}\``);
    const statuses = Object.keys(paths['/v1/jobs']!['post']!.responses);
    for (const status of ['200', '202', '400', '401', '429', '503'])
      expect(statuses).toContain(status);
    expect(JSON.stringify(paths)).not.toContain('undefined');
  });

  it('refers only to schemas that it has', async () => {
    const described = await describeApi();
    const text = JSON.stringify(described);
    const names = [...text.matchAll(/#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!);
    for (const name of new Set(names)) expect(described.components.schemas).toHaveProperty(name);
  });
});
