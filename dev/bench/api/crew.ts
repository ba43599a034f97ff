/**
 * Test agents that end every job they get, at once and without results, and write down which ends
 * the Worker acknowledged: what the history says of a job can be held against it.
 */
import type { LeasedJob } from '#schema/agent-protocol.ts';
import { CallError } from '../../api.ts';
import type { Stand } from '../stand.ts';
import { acquireJob, completeJob, registerAgent, type TestAgent } from '../tessera.ts';

export class Crew {
  /** How many ends were acknowledged, by job. */
  readonly ends = new Map<string, number>();
  readonly #agents: readonly TestAgent[];
  readonly #work: Promise<unknown>;
  #isStopped = false;

  private constructor(agents: readonly TestAgent[]) {
    this.#agents = agents;
    this.#work = Promise.all(agents.map((agent) => this.#serve(agent)));
    // Looked at in stop(); a failure before shows as jobs that never end.
    this.#work.catch(() => {});
  }

  /** So many agents, each with all of these models. */
  static async start(stand: Stand, count: number, models: readonly string[]): Promise<Crew> {
    const agents: TestAgent[] = [];
    for (let n = 0; n < count; n += 1) {
      agents.push(await registerAgent(stand.url, await stand.issueAgent(), models));
    }
    return new Crew(agents);
  }

  /** Call when no job is under way: whatever an agent holds then stays with it. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#agents.map(({ edge }) => edge.close()));
    await this.#work;
  }

  async #serve(agent: TestAgent): Promise<void> {
    let job: LeasedJob | null = null;
    while (!this.#isStopped) {
      try {
        job = job === null ? await acquireJob(agent) : await this.#end(agent, job);
      } catch (error) {
        if (this.#isStopped) return;
        throw error;
      }
    }
  }

  /** Ends a job; the next one when there is one. */
  async #end(agent: TestAgent, job: LeasedJob): Promise<LeasedJob | null> {
    try {
      const next = await completeJob(agent, { job, last: false });
      this.ends.set(job.jobId, (this.ends.get(job.jobId) ?? 0) + 1);
      return next;
    } catch (error) {
      // Refused: the job was cancelled meanwhile.
      if (error instanceof CallError && error.status === 409) return null;
      throw error;
    }
  }
}
