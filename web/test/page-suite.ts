/**
 * What the first page must do in a real browser, against any origin that serves it: the double
 * here, the real system in the end-to-end tests. It needs a key and one image model online.
 */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launchBrowser } from './browser.ts';

export interface PageTarget {
  readonly baseUrl: string;
  readonly apiKey: string;
}

/** An open page and what it complained about. */
export interface OpenPage {
  readonly page: Page;
  readonly complaints: string[];
  /** Addresses outside the origin that it asked for. */
  readonly strangers: string[];
}

const WIDTHS = [320, 390, 1280];
const JOB_MS = 60_000;

/** Opens the first page in a context of its own. */
export async function openPage(context: BrowserContext, target: PageTarget): Promise<OpenPage> {
  const page = await context.newPage();
  const complaints: string[] = [];
  const strangers: string[] = [];
  page.on('console', (message) => {
    // A refused API call is logged by the browser itself; the page tells it in words.
    const isRefusal = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isRefusal) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(target.baseUrl) && !url.startsWith('data:')) strangers.push(url);
  });
  await page.goto(target.baseUrl);
  return { page, complaints, strangers };
}

/** Enters the key and waits for the form. */
export async function enterKey(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Use this key' }).click();
  await page.getByLabel('What should it show?').waitFor();
}

/** Fills a small, quick picture and waits for its price. */
export async function fillPicture(page: Page): Promise<void> {
  await page.getByLabel('What should it show?').fill('A sunset over mountains');
  await page.getByRole('radio', { name: '512' }).check();
  await page.getByTestId('price').getByText('0.25 tokens', { exact: true }).waitFor();
}

export function describePage(name: string, start: () => Promise<PageTarget>): void {
  describe(name, () => {
    let browser: Browser;
    let target: PageTarget;
    let context: BrowserContext;

    beforeAll(async () => {
      target = await start();
      browser = await launchBrowser();
    });
    afterAll(() => browser?.close());
    beforeEach(async () => {
      context = await browser.newContext();
    });
    afterEach(() => context.close());

    it('says what it is, whether a GPU is online, the plans and the models', async () => {
      const { page, complaints, strangers } = await openPage(context, target);
      await page.getByTestId('service-status').getByText('online').waitFor();
      expect(await page.getByRole('heading', { level: 1 }).textContent()).toContain('GPU');
      const plans = await page.getByTestId('plans').textContent();
      for (const text of ['Free', '$0', 'Starter', '$5', 'Pro', '$12'])
        expect(plans).toContain(text);
      const model = page.locator('[data-model="painter"]');
      await model.waitFor();
      expect(await model.textContent()).toMatch(/Loaded|Ready|Offline/);
      expect(complaints).toEqual([]);
      expect(strangers).toEqual([]);
    });

    it('makes a picture: price, submit, progress, result, cost', async () => {
      const { page, complaints, strangers } = await openPage(context, target);
      await enterKey(page, target.apiKey);
      await fillPicture(page);
      await page.getByLabel('Seed', { exact: true }).fill('7');
      await page.getByRole('button', { name: 'Make the picture' }).click();
      const picture = page.getByTestId('picture');
      await picture.waitFor({ timeout: JOB_MS });
      const width = () => picture.evaluate((image: HTMLImageElement) => image.naturalWidth);
      await expect.poll(width).toBe(512);
      const facts = (await page.getByTestId('facts').textContent()) ?? '';
      for (const text of ['512 × 512', 'Seed7', 'Cost0.25 tokens']) expect(facts).toContain(text);
      const download = page.waitForEvent('download');
      await page.getByTestId('download').click();
      expect((await download).suggestedFilename()).toMatch(/\.(png|webp|jpg)$/);
      expect(complaints).toEqual([]);
      expect(strangers).toEqual([]);
    });

    it('keeps the key in memory only', async () => {
      const { page } = await openPage(context, target);
      await enterKey(page, target.apiKey);
      const kept = await page.evaluate(() => ({
        local: localStorage.length,
        session: sessionStorage.length,
        cookie: document.cookie,
        address: location.href,
      }));
      expect(kept).toEqual({ local: 0, session: 0, cookie: '', address: `${target.baseUrl}/` });
      await page.reload();
      expect(await page.getByLabel('API key').inputValue()).toBe('');
    });

    it('tells a wrong key by a sentence, a code and advice', async () => {
      const { page } = await openPage(context, target);
      await page.getByLabel('API key').fill('sk-not-ours');
      await page.keyboard.press('Enter');
      await page.getByText('malformed_key').waitFor();
      await page.getByLabel('API key').fill(`tsr_${'0'.repeat(26)}_${'x'.repeat(43)}`);
      await page.keyboard.press('Enter');
      await page.getByRole('alert').getByText('unauthorized').waitFor();
    });

    it('answers an unknown path with its own page', async () => {
      const page = await context.newPage();
      const response = await page.goto(`${target.baseUrl}/no/such/page`);
      expect(response?.status()).toBe(404);
      await page.getByRole('link', { name: 'To the first page' }).click();
      await page.getByTestId('service-status').waitFor();
    });

    it.each(WIDTHS)('fits a screen of %i px', async (width) => {
      const { page } = await openPage(context, target);
      await page.setViewportSize({ width, height: 800 });
      await enterKey(page, target.apiKey);
      const over = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(await over()).toBeLessThanOrEqual(0);
    });

    it('can be reached by keyboard from the first key on', async () => {
      const { page } = await openPage(context, target);
      await page.keyboard.press('Tab');
      expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Skip');
      await page.keyboard.press('Enter');
      expect(page.url()).toContain('#main');
    });
  });
}
