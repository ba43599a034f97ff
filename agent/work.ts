/**
 * What one lease has on this box: its folder, its outputs, its upload. What is done with its
 * files is done in turn, never at once. All of it hangs on one AbortSignal.
 */
import { rm } from 'node:fs/promises';
import type { UploadAnswer } from '#schema/agent-protocol.ts';
import type { Output } from './engines/engine.ts';
import type { Inputs } from './input.ts';
import type { Log } from './log.ts';
import type { Grant, Kept, UploadOutcome } from './session/state.ts';
import type { Spool, SpoolEntry } from './spool.ts';
import type { TextStream } from './text-stream.ts';
import { hasLarge, uploadOutputs } from './upload.ts';
import type { UploadEdge } from './upload.ts';

interface SpoolParts {
  readonly spool: Spool;
  readonly log: Log;
}

export class Work {
  readonly grant: Grant;
  /** Folder of its run; empty when it comes from the spool. */
  readonly directory: string;
  outputs: readonly Output[];
  /** Whether an engine has it. */
  running = false;
  /** Whether its lease is over. */
  dropped = false;
  text: TextStream | null = null;
  /** What the job brings, as long as that is of use. */
  inputs: Inputs | null = null;
  readonly #uploaded = new Map<string, UploadAnswer>();
  #abort = new AbortController();
  #spooled: SpoolEntry | null;
  /** The last thing done with its files; the next waits for it. */
  #files: Promise<unknown> = Promise.resolve();

  constructor(
    grant: Grant,
    from: { readonly directory: string } | { readonly spooled: SpoolEntry },
  ) {
    this.grant = grant;
    this.directory = 'directory' in from ? from.directory : '';
    this.#spooled = 'spooled' in from ? from.spooled : null;
    this.outputs = this.#spooled?.outputs ?? [];
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  abort(why: string): void {
    this.#abort.abort(new Error(why));
  }

  /** Fetches what the job brings; resolves when that is here, or will not come. */
  fetch(): Promise<void> {
    return this.#next(async () => this.inputs?.fetchAll());
  }

  /** Its run is over: what it brought is not needed any more. */
  discardInputs(): Promise<void> {
    const { inputs } = this;
    inputs?.stop();
    return this.#next(async () => {
      await inputs?.remove();
      this.inputs = null;
    });
  }

  /** Resolves when nothing is being done with its files. */
  async settled(): Promise<void> {
    await this.#files;
  }

  /** Sends the rest of its text and its files; a large result is put into the spool before. */
  upload(
    kept: Kept,
    { edge, ...parts }: { readonly edge: UploadEdge } & SpoolParts,
  ): Promise<UploadOutcome> {
    // A result that was finished in the moment of a stop is still to be delivered.
    if (this.signal.aborted) this.#abort = new AbortController();
    const { signal, grant } = this;
    return this.#next(async () => {
      await this.text?.finish();
      if (await hasLarge(this.outputs)) await this.#spool(kept, parts);
      return uploadOutputs({ edge, grant, outputs: this.outputs, done: this.#uploaded, signal });
    });
  }

  /** Moves its result into the spool; logs when it cannot. */
  keep(kept: Kept, parts: SpoolParts): Promise<void> {
    return this.#next(() => this.#spool(kept, parts));
  }

  /** Removes its files; logs when it cannot. */
  remove({ spool, log }: SpoolParts): Promise<void> {
    this.abort('the lease is over');
    return this.#next(async () => {
      try {
        if (this.#spooled) await spool.drop(this.#spooled);
        else if (this.directory) await rm(this.directory, { recursive: true, force: true });
      } catch (error) {
        log.warn('scratch.remove', { jobId: this.grant.jobId, detail: error });
      }
    });
  }

  async #spool(kept: Kept, { spool, log }: SpoolParts): Promise<void> {
    const { jobId } = this.grant;
    if (this.#spooled) return;
    try {
      const entry = await spool.keep(kept, this);
      if (!entry) {
        log.warn('spool.full', { jobId });
        return;
      }
      this.#spooled = entry;
      this.outputs = entry.outputs;
    } catch (error) {
      // The result stays in the scratch folder: it is lost only if the agent ends too.
      log.error('spool.failed', { jobId, detail: error });
    }
  }

  #next<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#files.then(act);
    this.#files = done.catch(() => undefined);
    return done;
  }
}
