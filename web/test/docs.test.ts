import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GUIDES } from '../lib/guides.ts';
import { launchBrowser } from './browser.ts';
import { ensureSite } from './site.ts';
import { serveStatic } from './static-site.ts';

/** A description small enough to read; the address in it is not the page's. */
const DESCRIPTION = {
  openapi: '3.1.0',
  info: {
    title: 'Tessera',
    version: '1',
    description: '| code | status |\n| --- | --- |\n| `x` | 400 |',
  },
  servers: [{ url: 'https://elsewhere.example' }],
  tags: [{ name: 'Models' }],
  paths: {
    '/v1/models/{id}': {
      get: {
        tags: ['Models'],
        summary: 'Show a model',
        security: [{ apiKey: [] }],
        parameters: [
          {
            name: 'id',
            in: 'path',
            required: true,
            schema: { type: 'string', example: 'painter' },
          },
        ],
        responses: {
          200: {
            description: 'It.',
            content: { 'application/json': { example: { id: 'painter' } } },
          },
        },
      },
    },
  },
  components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
};

let server: Server;
let baseUrl: string;
let browser: Browser;
let context: BrowserContext;
/** What was asked of the API: the path and the credential. */
const asked: (readonly [string, string | undefined])[] = [];

beforeAll(async () => {
  const out = await ensureSite();
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    if (pathname === '/openapi.json') return void response.end(JSON.stringify(DESCRIPTION));
    if (!pathname.startsWith('/v1/')) return void serveStatic(out, pathname, response);
    asked.push([pathname, request.headers.authorization]);
    response.setHeader('content-type', 'application/json');
    response.end('{"id":"painter","of":"this origin"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  server.close();
});
afterEach(() => context.close());

/** Opens a page; `complaints` are errors, breaches of the policy and calls of other origins. */
async function open(path: string) {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(baseUrl) && !url.startsWith('data:')) complaints.push(`asks for ${url}`);
  });
  await page.goto(baseUrl + path);
  return { page, complaints };
}

const overflow = `document.documentElement.scrollWidth - document.documentElement.clientWidth`;

describe.each([390, 1280])('at %i px', (width) => {
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width, height: 900 } });
  });

  it('the reference shows every call and runs it here, with the key, under the policy', async () => {
    const { page, complaints } = await open('/docs');
    await page.getByTestId('reference').and(page.locator('[data-state=ready]')).waitFor();
    await page.getByRole('button', { name: 'Authorize' }).click();
    await page.getByLabel('auth-bearer-value').fill('tsr_mine');
    await page.getByRole('button', { name: 'Apply credentials' }).click();
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    await page.getByText('Show a model').click();
    await page.getByPlaceholder('id').fill('painter');
    asked.length = 0;
    await page.getByRole('button', { name: 'Execute' }).click();
    await page.getByText('this origin').first().waitFor();
    expect(asked).toEqual([['/v1/models/painter', 'Bearer tsr_mine']]);
    expect(await page.evaluate(overflow)).toBe(0);
    expect(complaints).toEqual([]);
    const kept = await page.evaluate(
      'JSON.stringify([localStorage, sessionStorage, document.cookie])',
    );
    expect(kept).toBe('[{},{},""]');
  });

  it('every guide has its examples in three languages', async () => {
    const { page, complaints } = await open('/docs/guides');
    for (const { id, title } of GUIDES) {
      await page.locator(`#${id}`).getByRole('heading', { name: title }).waitFor();
    }
    await page.getByRole('tab', { name: 'Python' }).first().click();
    for (const { id, code } of GUIDES) {
      const shown = await page.locator(`#${id} code`).last().textContent();
      expect(shown).toBe(code.python);
    }
    expect(await page.evaluate(overflow)).toBe(0);
    expect(complaints).toEqual([]);
  });
});
