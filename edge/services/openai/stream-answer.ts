/**
 * Streams an answer made of a job's events to its client. `tell` turns events into the frames of
 * the stream. When the client goes away, or the telling breaks off, the job is cancelled.
 */
import { isTerminal } from '#schema/job.ts';
import type { LiveJob } from '#schema/record.ts';
import type { Env } from '../../env.ts';
import { logError } from '../../io/log.ts';
import type { FollowPace } from '../follow-job.ts';
import { abandonJob } from './abandon-job.ts';
import type { Client } from './abandon-job.ts';
import { followEvents } from './follow-events.ts';
import type { Followed } from './follow-events.ts';

export interface StreamedAnswer {
  readonly job: LiveJob;
  readonly client: Client;
  readonly origin: string;
  readonly tell: (events: AsyncIterable<Followed>) => AsyncIterable<string>;
  /** The last frame when something unforeseen breaks the telling off. */
  readonly lastWords: string;
  readonly pace?: FollowPace | undefined;
}

const ENCODER = new TextEncoder();
/** Opens the stream at once, so that the client knows that it was accepted. */
const OPENING = ': accepted\n\n';
const COMMENT = ': waiting\n\n';

/** The frames, as they come. */
export function streamAnswer(env: Env, answer: StreamedAnswer): ReadableStream<Uint8Array> {
  const { readable, writable } = new IdentityTransformStream();
  void new Telling(env, answer, writable.getWriter()).run();
  return readable;
}

class Telling {
  readonly #env: Env;
  readonly #answer: StreamedAnswer;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #left = new AbortController();
  #hasEnded = false;

  constructor(env: Env, answer: StreamedAnswer, writer: WritableStreamDefaultWriter<Uint8Array>) {
    this.#env = env;
    this.#answer = answer;
    this.#writer = writer;
    writer.closed.catch(() => this.#leave());
    answer.client.signal.addEventListener('abort', () => this.#leave());
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { tell } = this.#answer;
    try {
      await this.#write(OPENING);
      for await (const frame of tell(this.#events())) await this.#write(frame);
      await this.#close();
    } catch (error) {
      if (this.#left.signal.aborted) await this.#writer.abort(error).catch(() => {});
      else await this.#breakOff(error);
    } finally {
      if (!this.#hasEnded) this.#abandon();
    }
  }

  async *#events(): AsyncGenerator<Followed> {
    const { job, origin, pace } = this.#answer;
    const { id: jobId, accountId } = job.record;
    const followed = { jobId, accountId, origin, signal: this.#left.signal, pace };
    for await (const event of followEvents(this.#env, followed)) {
      this.#hasEnded = event.event === 'state' && isTerminal(event.data.status);
      if (event.event === 'comment') await this.#write(COMMENT);
      else yield event;
    }
    // A job whose client has left has no end that anybody would tell of.
    this.#left.signal.throwIfAborted();
  }

  async #breakOff(error: unknown): Promise<void> {
    logError('answer.stream', error, { job_id: this.#answer.job.record.id });
    // The client may leave meanwhile.
    await this.#write(this.#answer.lastWords).catch(() => {});
    await this.#close();
  }

  /** A client that has all it wanted may be the first to close. */
  async #close(): Promise<void> {
    await this.#writer.close().catch(() => {});
  }

  #leave(): void {
    if (this.#left.signal.aborted) return;
    this.#left.abort();
    if (!this.#hasEnded) this.#abandon();
  }

  #abandon(): void {
    const { id: jobId, accountId } = this.#answer.job.record;
    abandonJob(this.#env, this.#answer.client, { jobId, accountId });
  }

  async #write(frame: string): Promise<void> {
    if (frame === '') return;
    try {
      await this.#writer.write(ENCODER.encode(frame));
    } catch (error) {
      this.#leave();
      throw error;
    }
  }
}
