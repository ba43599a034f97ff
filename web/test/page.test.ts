import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApiDouble } from './api-double.ts';
import type { ApiDouble } from './api-double.ts';
import { launchBrowser } from './browser.ts';
import { describePage, enterKey, fillPicture, openPage } from './page-suite.ts';
import { ensureSite } from './site.ts';

let double: ApiDouble;

beforeAll(async () => {
  double = await startApiDouble(await ensureSite());
});
afterAll(() => double.close());
afterEach(() => double.reset());

describePage('the first page, against the double', () => Promise.resolve(double));

describe('the first page in every state of the service', () => {
  let browser: Browser;
  let context: BrowserContext;

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    context = await browser.newContext();
  });
  afterEach(() => context.close());

  async function start() {
    const opened = await openPage(context, double);
    await enterKey(opened.page, double.apiKey);
    await fillPicture(opened.page);
    return opened.page;
  }
  const press = 'Make the picture';

  it('shows the place in the queue and its reason, then live previews', async () => {
    double.world.pace.queueMs = 400;
    const page = await start();
    await page.getByRole('button', { name: press }).click();
    await page.getByText('Number 2 in the queue').waitFor();
    expect(await page.getByTestId('queue-reason').textContent()).toContain('earlier');
    const source = await page.getByTestId('preview').getAttribute('src');
    expect(source).toMatch(/^data:image\/webp;base64,/);
    await page.getByText(/Step \d+ of 30/).waitFor();
    await page.getByTestId('picture').waitFor();
  });

  it('resumes a cut stream after the last event', async () => {
    double.world.cutStreamsAfter = 2;
    double.world.pace.queueMs = 600;
    const page = await start();
    await page.getByRole('button', { name: press }).click();
    await page.getByTestId('picture').waitFor();
    const { lastEventIds } = double.world.seen;
    expect(lastEventIds[0]).toBe('');
    expect(lastEventIds[1]).toBe('2');
  });

  it('falls back to polling when there is no stream', async () => {
    double.world.refuseStreams = true;
    double.world.pace.queueMs = 600;
    const page = await start();
    await page.getByRole('button', { name: press }).click();
    await page.getByText('asks every few seconds').waitFor();
    await page.getByTestId('picture').waitFor();
  });

  it('makes one job of a submit whose answer was lost', async () => {
    double.world.loseSubmitAnswers = 2;
    const page = await start();
    await page.getByRole('button', { name: press }).click();
    await page.getByTestId('picture').waitFor();
    expect(double.world.seen.submits).toHaveLength(3);
    expect(new Set(double.world.seen.submits).size).toBe(1);
    expect(double.world.seen.jobs.size).toBe(1);
  });

  it('cancels a running job and gives back what was not used', async () => {
    double.world.pace.stepMs = 500;
    const page = await start();
    await page.getByRole('button', { name: press }).click();
    await page.getByTestId('preview').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByTestId('job').getByText('Cancelled').waitFor();
    await page.getByText('It cost 0.063 tokens').waitFor();
    await page.getByRole('button', { name: press }).waitFor();
  });

  it('tells why a job failed and that it cost nothing', async () => {
    double.world.pace.failWith = 'engine_out_of_memory';
    const page = await start();
    await page.getByRole('button', { name: press }).click();
    await page.getByRole('alert').getByText('engine_out_of_memory').waitFor();
    await page.getByText('It cost nothing.').waitFor();
  });

  it('shows a refusal before anything is submitted', async () => {
    double.world.spentMillitokens = 119_900;
    const page = await start();
    await page.getByText('tokens_exhausted').waitFor();
    expect(await page.getByRole('button', { name: press }).isDisabled()).toBe(true);
    expect(double.world.seen.submits).toEqual([]);
  });

  it('says when no GPU is online and what is down', async () => {
    Object.assign(double.world, { agentsOnline: 0, databaseUp: false });
    const { page } = await openPage(context, double);
    await page.getByText('No GPU is online just now.').waitFor();
    await page.getByText('Not working just now: the history.').waitFor();
    await page.locator('[data-model="painter"]').getByText('Offline').waitFor();
  });

  it('shows pictures whose makers chose to, with the prompt only where they did', async () => {
    const page = await start();
    expect(await page.getByTestId('gallery').count()).toBe(0);
    await page.getByRole('button', { name: press }).click();
    await page.getByTestId('picture').waitFor();
    const [jobId = ''] = double.world.seen.jobs.values();
    double.world.shown.set(jobId, 'A sunset over mountains');
    await page.reload();
    const shown = page.getByTestId('gallery').getByRole('img', { name: 'A sunset over mountains' });
    await shown.scrollIntoViewIfNeeded();
    const width = () => shown.evaluate((image: HTMLImageElement) => image.naturalWidth);
    await expect.poll(width).toBeGreaterThan(0);
    double.world.shown.set(jobId, null);
    await page.reload();
    await page.getByRole('img', { name: /^A picture by / }).waitFor();
    expect(await page.getByTestId('gallery').textContent()).not.toContain('sunset');
  });

  it('offers no size beyond the plan', async () => {
    const page = await start();
    expect(await page.getByRole('radio', { name: '1536' }).isEnabled()).toBe(true);
    expect(await page.getByRole('radio', { name: '2048' }).isDisabled()).toBe(true);
  });
});
