/** Uploads in parts over HTTP, for tests: an agent that keeps what the edge answers. */
import { expect } from 'vitest';
import type {
  BeginUploadAnswer,
  LeasedJob,
  PartAnswer,
  UploadAnswer,
} from '#schema/agent-protocol.ts';
import { UPLOAD_HEADERS } from '#schema/agent-protocol.ts';
import type { ContentType } from '#schema/artifact.ts';
import { hashBytes } from './http.ts';
import type { HttpAgent, HttpWorld } from './http.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that differ everywhere; the same for the same seed. */
export function makeBytes(length: number, seed = 1): Bytes {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let at = 0; at < words.length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** A large result of one lease. */
export class PartedUpload {
  readonly bytes: Bytes;
  readonly #world: HttpWorld;
  readonly #agent: HttpAgent;
  readonly #job: LeasedJob;
  readonly #partBytes: number;
  readonly #contentType: ContentType;

  constructor(
    of: { world: HttpWorld; agent: HttpAgent; job: LeasedJob },
    file: { bytes: Bytes; partBytes: number; contentType?: ContentType },
  ) {
    this.#world = of.world;
    this.#agent = of.agent;
    this.#job = of.job;
    this.bytes = file.bytes;
    this.#partBytes = file.partBytes;
    this.#contentType = file.contentType ?? 'video/mp4';
  }

  get count(): number {
    return Math.ceil(this.bytes.length / this.#partBytes);
  }

  part(number: number): Bytes {
    return this.bytes.slice((number - 1) * this.#partBytes, number * this.#partBytes);
  }

  begin(changes: object = {}): Promise<Response> {
    return this.#post('begin', changes);
  }

  async begun(): Promise<string> {
    const response = await this.begin();
    expect(response.status, await response.clone().text()).toBe(200);
    return (await response.json<BeginUploadAnswer>()).uploadId;
  }

  async put(
    uploadId: string,
    number: number,
    changes: { body?: BodyInit; headers?: Record<string, string>; bearer?: string } = {},
  ): Promise<Response> {
    const bytes = this.part(number);
    const { jobId, fencingToken, uploadTicket } = this.#job;
    return this.#world.call('PUT', `/agent/v1/jobs/${jobId}/artifacts/0/parts/${number}`, {
      bearer: changes.bearer ?? this.#agent.token,
      body: changes.body ?? bytes,
      headers: {
        'content-type': this.#contentType,
        'content-length': String(bytes.length),
        [UPLOAD_HEADERS.fencingToken]: String(fencingToken),
        [UPLOAD_HEADERS.sha256]: await hashBytes(bytes),
        [UPLOAD_HEADERS.ticket]: uploadTicket,
        [UPLOAD_HEADERS.uploadId]: uploadId,
        ...changes.headers,
      },
    });
  }

  /** Puts a part that must be taken; gives its entity tag. */
  async stored(uploadId: string, number: number): Promise<string> {
    const response = await this.put(uploadId, number);
    expect(response.status, await response.clone().text()).toBe(200);
    return (await response.json<PartAnswer>()).etag;
  }

  async storedAll(uploadId: string): Promise<string[]> {
    const etags: string[] = [];
    for (let number = 1; number <= this.count; number += 1) {
      etags.push(await this.stored(uploadId, number));
    }
    return etags;
  }

  finish(uploadId: string, etags: readonly string[], changes: object = {}): Promise<Response> {
    return this.#post('finish', { uploadId, etags, ...changes });
  }

  async finished(uploadId: string, etags: readonly string[]): Promise<UploadAnswer> {
    const response = await this.finish(uploadId, etags);
    expect(response.status, await response.clone().text()).toBe(200);
    return response.json();
  }

  async #post(verb: 'begin' | 'finish', more: object): Promise<Response> {
    const { jobId, fencingToken, uploadTicket } = this.#job;
    const file = {
      index: 0,
      contentType: this.#contentType,
      bytes: this.bytes.length,
      sha256: await hashBytes(this.bytes),
    };
    return this.#agent.call(`uploads/${verb}`, {
      jobId,
      fencingToken,
      uploadTicket,
      ...file,
      ...more,
    });
  }
}
