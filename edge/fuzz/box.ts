/** A GPU box that serves whatever is asked, at once, so that no request waits in vain. */
import type { LeasedJob } from '#schema/agent-protocol.ts';
import type { Artifact } from '#schema/artifact.ts';
import type { ContentType } from '#schema/artifact.ts';
import { MODELS } from '#schema/model.ts';
import type { HttpAgent, HttpWorld } from '../test/http.ts';
import { makePng, makeWav } from '../test/media.ts';

const TRANSCRIPT = { text: 'The sea.', language: 'en', duration: 1, segments: [] };
/** Longest poll: what is asked in between is served within it. */
const POLL_MS = 1000;

export class Box {
  readonly #agent: HttpAgent;
  #isOver = false;
  #running: Promise<void> = Promise.resolve();

  constructor(agent: HttpAgent) {
    this.#agent = agent;
  }

  static async start(world: HttpWorld): Promise<Box> {
    const box = new Box(await world.newAgent(MODELS.map(({ id }) => id)));
    box.#running = box.#run();
    return box;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const { job } = await this.#agent.acquire(POLL_MS);
      if (job) await this.#serve(job);
    }
  }

  async #serve(job: LeasedJob): Promise<void> {
    const { contentType, bytes } = resultOf(job);
    if (job.spec.type === 'text') await this.#agent.stream(job, 0, 'The sea.');
    const response = await this.#agent.upload(job, { contentType, bytes });
    if (!response.ok) return void (await this.#agent.giveBack(job));
    const stored =
      await response.json<Pick<Artifact, 'key' | 'contentType' | 'bytes' | 'sha256'>>();
    const measures = { width: 64, height: 64, durationS: 1, thumbnailKey: null };
    const artifacts = [{ index: 0, ...stored, ...measures }];
    await this.#agent.tryComplete(job, artifacts);
  }
}

function resultOf({ spec }: LeasedJob): {
  contentType: ContentType;
  bytes: Uint8Array<ArrayBuffer>;
} {
  switch (spec.type) {
    case 'image':
      return { contentType: 'image/png', bytes: makePng(64, 64) };
    case 'video':
      return { contentType: 'video/mp4', bytes: textBytes('no clip, but bytes') };
    case 'speech':
    case 'music':
      return { contentType: 'audio/wav', bytes: makeWav(1) };
    case 'text':
      return { contentType: 'text/plain', bytes: textBytes('The sea.') };
    case 'transcription':
      return {
        contentType: 'application/json',
        bytes: textBytes(JSON.stringify(TRANSCRIPT)),
      };
  }
}

function textBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new TextEncoder().encode(text));
}
