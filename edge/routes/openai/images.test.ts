import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { Artifact } from '#schema/artifact.ts';
import { ImageEvent } from '#schema/openai/image.ts';
import { expectAuthRefusals, expectError, HttpWorld, PICTURE } from '../../test/http.ts';
import { finishWith, OpenAiWorld, takeSoon } from '../../test/openai.ts';

const ASKED = { model: 'painter', prompt: 'a lighthouse', size: '512x512' as const };
const SECOND = Uint8Array.from([0, 255, 128, 7]);

/** A picture file of the job. */
function picture(bytes: Uint8Array<ArrayBuffer>) {
  return { bytes, contentType: 'image/png' as const };
}

describe('POST /v1/images/generations', () => {
  it('answers each picture in base64', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter']);
    const asking = client.images.generate({ ...ASKED, n: 2, user: 'ada', quality: 'auto' });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({ width: 512, height: 512, count: 2, prompt: 'a lighthouse' });
    await finishWith(agent, job, { files: [picture(PICTURE), picture(SECOND)] });
    const { data, created } = await asking;
    expect(data!.map((one) => atob(one.b64_json!))).toEqual(
      [PICTURE, SECOND].map((bytes) => String.fromCharCode(...bytes)),
    );
    expect(created).toBeGreaterThan(1_700_000_000);
    expect(world.exchanges[0]!.response.headers.get('content-type')).toBe('application/json');
  });

  it('answers URLs that open without a key', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter']);
    const asking = client.images.generate({ ...ASKED, response_format: 'url' });
    await finishWith(agent, await takeSoon(agent), { files: [picture(PICTURE)] });
    const { data } = await asking;
    const { pathname, search } = new URL(data![0]!.url!);
    const file = await world.get(pathname + search);
    expect(await file.bytes()).toEqual(PICTURE);
  });

  it('streams previews as they come, as many as asked for, then the picture', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter']);
    const stream = await client.images.generate({ ...ASKED, stream: true, partial_images: 2 });
    const events: unknown[] = [];
    let wake = (): void => {};
    const reading = (async () => {
      for await (const event of stream) {
        events.push(event);
        wake();
      }
    })();
    const job = await takeSoon(agent);
    for (const [index, step] of [2, 10, 15, 19].entries()) {
      const next = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const progress = { fraction: step / 20, stage: 'running', step, steps: 20 };
      const preview = { content_type: 'image/webp', data: btoa(`preview ${index}`) };
      expect((await agent.renew(job, { progress, preview })).status).toBe(200);
      if (index < 2) await next;
    }
    await finishWith(agent, job, { files: [picture(PICTURE)] });
    await reading;
    const parsed = events.map((event) => ImageEvent.parse(event));
    expect(parsed.map(({ type }) => type)).toEqual([
      'image_generation.partial_image',
      'image_generation.partial_image',
      'image_generation.completed',
    ]);
    expect(parsed.map(({ b64_json }) => atob(b64_json))).toEqual([
      'preview 0',
      'preview 1',
      String.fromCharCode(...PICTURE),
    ]);
    expect(parsed[0]).toMatchObject({ partial_image_index: 0, output_format: 'webp' });
    expect(parsed[2]).toMatchObject({ size: '512x512', output_format: 'png' });
  });

  it('tells a stream why its job failed', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter']);
    const stream = await client.images.generate({ ...ASKED, stream: true });
    await agent.fail(await takeSoon(agent), { code: 'engine_out_of_memory', retryable: false });
    const reading = (async () => {
      for await (const _ of stream) expect.unreachable();
    })();
    await expect(reading).rejects.toMatchObject({ code: 'engine_out_of_memory' });
  });

  it.each([
    [{ style: 'vivid' }, 'style', 'unsupported_parameter'],
    [{ output_format: 'webp' }, 'output_format', 'invalid_request'],
    [{ background: 'transparent' }, 'background', 'invalid_request'],
    [{ moderation: 'low' }, 'moderation', 'invalid_request'],
    [{ output_compression: 50 }, 'output_compression', 'invalid_request'],
    [{ negative_prompt: 'rain' }, 'negative_prompt', 'unsupported_parameter'],
    [{ quality: 'max' }, 'quality', 'invalid_request'],
    [{ quality: 'high', steps: 4 }, 'quality', 'invalid_request'],
    [{ quality: 'low', model: undefined }, 'quality', 'invalid_request'],
    [{ n: 9 }, 'n', 'invalid_request'],
    [{ size: '513x512' }, 'size', 'invalid_request'],
    [{ size: '4096x4096' }, 'size', 'invalid_request'],
    [{ size: 'huge' }, 'size', 'invalid_request'],
    [{ partial_images: 1 }, 'partial_images', 'invalid_request'],
    [{ stream: true, response_format: 'url' }, 'response_format', 'invalid_request'],
    [{ model: 'dall-e-3' }, 'model', 'unknown_model'],
  ])('refuses %j by its name', async (more, param, code) => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['painter']);
    const asking = client.images.generate({ ...ASKED, ...more } as never);
    const error = await asking.then(null, (refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code, param });
  });

  it('says what a size looks like, in words', async () => {
    const world = new OpenAiWorld();
    const { key } = await world.open([]);
    const refused = await world.post('/v1/images/generations', key, { ...ASKED, size: 'huge' });
    const { message } = await expectError(refused, 'invalid_request');
    expect(message).toBe(
      'size must be a width and a height in pixels, such as 1024x1024, or auto.',
    );
  });

  it.each([
    ['low', 10],
    ['medium', 20],
    ['high', 30],
    ['hd', 30],
    ['standard', 20],
  ] as const)('takes the quality %s as that share of the model’s steps', async (quality, steps) => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter']);
    const asking = client.images.generate({ ...ASKED, quality });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({ steps });
    await finishWith(agent, job, { files: [picture(PICTURE)] });
    await asking;
  });

  it('takes what asks for no more than happens anyway, and says what the file is', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter']);
    const asking = client.images.generate({
      ...ASKED,
      ...{ background: 'opaque', moderation: 'auto', output_format: 'png' },
      ...{ output_compression: 100, safety_identifier: 'hashed-7', user: 'ada' },
    });
    const job = await takeSoon(agent);
    await finishWith(agent, job, { files: [picture(PICTURE)] });
    expect(await asking).toMatchObject({ output_format: 'png', size: '512x512' });
  });

  it('answers with the length of its body, byte by byte what the files are', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter']);
    const sizes = [1, 2, 3, 100_001];
    const files = sizes.map((size) =>
      crypto.getRandomValues(new Uint8Array(Math.min(size, 65_536))),
    );
    const asking = client.images.generate({ ...ASKED, n: files.length }).asResponse();
    await finishWith(agent, await takeSoon(agent), { files: files.map(picture) });
    const response = await asking;
    const text = await response.text();
    expect(response.headers.get('content-length')).toBe(String(text.length));
    const { data } = JSON.parse(text) as { data: { b64_json: string }[] };
    const bytes = data.map(({ b64_json }) =>
      Uint8Array.from(atob(b64_json), (c) => c.charCodeAt(0)),
    );
    expect(bytes).toEqual(files);
  });

  it('is an error where a picture is gone before anything was sent', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['painter']);
    const asking = client.images.generate({ ...ASKED, n: 2 }).then(null, (error: unknown) => error);
    const job = await takeSoon(agent);
    const artifacts: Artifact[] = [];
    for (const index of [0, 1]) {
      const stored = await agent.upload(job, { index, bytes: PICTURE });
      const none = { width: null, height: null, durationS: null, thumbnailKey: null };
      artifacts.push({ ...(await stored.json<Artifact>()), ...none, index });
    }
    await world.env.artifacts.delete(artifacts[1]!.key);
    await agent.complete(job, { artifacts });
    const error = await asking;
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ code: 'not_found' });
  });

  it('refuses whoever has no valid key, before anything else', async () => {
    const route = ['POST', '/v1/images/generations'] as const;
    await expectAuthRefusals(new HttpWorld(), route, { caller: 'account', json: { n: 9 } });
  });
});

/** A PNG of 16 by 16 pixels, as far as anybody looks: its header. */
function png(): File {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  view.setUint32(8, 13);
  bytes.set([0x49, 0x48, 0x44, 0x52], 12);
  view.setUint32(16, 512);
  view.setUint32(20, 512);
  bytes.set([8, 6], 24);
  return new File([bytes], 'boat.png', { type: 'image/png' });
}

describe('POST /v1/images/edits', () => {
  it('gives the job the picture and the mask', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['sdxl']);
    const asked = { model: 'sdxl', prompt: 'a red boat', image: png(), mask: png(), n: 1 };
    const asking = client.images.edit({ ...asked, size: '512x512' });
    const job = await takeSoon(agent);
    expect(job.spec).toMatchObject({
      type: 'image',
      prompt: 'a red boat',
      input_image: expect.stringMatching(/^file_/),
      mask: expect.stringMatching(/^file_/),
      mask_by: 'transparency',
    });
    await finishWith(agent, job, { files: [picture(PICTURE)] });
    expect(atob((await asking).data![0]!.b64_json!)).toBe(String.fromCharCode(...PICTURE));
  });

  it('makes one job of a repeat with the same key, although its files come anew', async () => {
    const world = new OpenAiWorld();
    const { client, agent } = await world.open(['sdxl']);
    const ask = (prompt: string) =>
      client.images.edit(
        { model: 'sdxl', prompt, image: [png()], size: '512x512' },
        { headers: { 'idempotency-key': 'once' } },
      );
    const asking = ask('a red boat');
    await finishWith(agent, await takeSoon(agent), { files: [picture(PICTURE)] });
    const first = await asking;
    expect(await ask('a red boat')).toEqual(first);
    expect((await agent.acquire()).job).toBeNull();
    await expect(ask('a blue boat')).rejects.toBeInstanceOf(OpenAI.ConflictError);
  });

  it('refuses what is no picture, and models that take none', async () => {
    const world = new OpenAiWorld();
    const { client } = await world.open(['sdxl', 'flux-schnell']);
    const text = new File(['hello, I am a text of some length'], 'boat.png', { type: 'image/png' });
    const asked = { model: 'sdxl', prompt: 'a red boat', image: text };
    const error = await client.images.edit(asked).then(null, (refusal: unknown) => refusal);
    expect(error).toMatchObject({ status: 415, code: 'unsupported_file', param: 'image' });
    const masked = { model: 'flux-schnell', prompt: 'a boat', image: png(), mask: png() };
    await expect(client.images.edit(masked)).rejects.toMatchObject({ param: 'mask', status: 400 });
    const two = { model: 'sdxl', prompt: 'a boat', image: [png(), png()] };
    await expect(client.images.edit(two)).rejects.toMatchObject({ status: 400 });
    const more = { ...asked, image: png(), input_fidelity: 'high' as const };
    await expect(client.images.edit(more)).rejects.toMatchObject({ param: 'input_fidelity' });
  });

  it('refuses a body that is too large before it is read', async () => {
    const world = new OpenAiWorld();
    const { key } = await world.open(['sdxl']);
    const response = await world.call('POST', '/v1/images/edits', {
      bearer: key,
      body: 'x',
      headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': '30000000' },
    });
    await expectError(response, 'body_too_large');
  });

  it('refuses whoever has no valid key', async () => {
    const route = ['POST', '/v1/images/edits'] as const;
    await expectAuthRefusals(new HttpWorld(), route, { caller: 'account' });
  });
});
