/**
 * Group commit for a Durable Object: while one commit is on its way to the disk, calls gather;
 * then all of them write in one go, which is one commit. A call that finds none under way works
 * at once, so that a quiet object pays nothing, and a busy one syncs once for many calls.
 * Works run in the order of their calls, with nothing awaited between; each has to undo its own
 * writes when it throws. Answers leave only after the commit: the platform's output gate. A commit
 * that wrote nothing is not waited for. When what belongs to a commit fails, the object is
 * restarted: nothing of the commit is kept.
 */
import { logError } from './log.ts';

interface Options {
  /** Runs after the works of a commit, and belongs to it; false when nothing is to be waited for. */
  readonly afterEach: () => boolean;
  /** How long calls gather before the commit that follows one in which calls met. */
  readonly gatherMs?: number;
}

/** What a group needs of its object. */
interface Context {
  readonly storage: Pick<DurableObjectStorage, 'sync'>;
  readonly abort: (reason: string) => void;
}

/** The commits of one object; see above. */
export class CommitGroup {
  readonly #ctx: Context;
  readonly #options: Options;
  #works: (() => void)[] = [];
  #busy = false;

  constructor(ctx: Context, options: Options) {
    this.#ctx = ctx;
    this.#options = options;
  }

  /** Runs `work`, now or after the commit under way; answers what it returns or throws. */
  run<T>(work: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#works.push(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
    });
    if (!this.#busy) void this.#commitAll();
    return promise;
  }

  async #commitAll(): Promise<void> {
    this.#busy = true;
    try {
      while (this.#works.length > 0) {
        const works = this.#works;
        this.#works = [];
        for (const work of works) work();
        if (!this.#finish()) continue;
        // A commit that fails resets the object: its callers learn of that, and no one waits on.
        await this.#ctx.storage.sync().catch(() => {});
        const { gatherMs = 0 } = this.#options;
        const isBusy = works.length + this.#works.length > 1;
        if (isBusy && gatherMs > 0) await new Promise((resolve) => setTimeout(resolve, gatherMs));
      }
    } finally {
      this.#busy = false;
    }
  }

  #finish(): boolean {
    try {
      return this.#options.afterEach();
    } catch (error) {
      logError('commit.fail', error);
      this.#ctx.abort('what belongs to a commit could not be done');
      return true;
    }
  }
}
