/** What tests of the whole agent need: the edge's double, and the agent as a process of its own. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { Bell } from './clock.ts';
import { EdgeServer, TOKEN } from './edge-server.ts';

export class AgentBench {
  bell = new Bell();
  edge = this.#newEdge();
  /** The agent's folder. */
  home = '';
  /** All that the processes of a test have said. */
  output = '';
  /** The last that was started; it ends with its test. */
  child: ChildProcess | null = null;
  #url = new URL('http://127.0.0.1');

  constructor() {
    beforeEach(async () => {
      this.bell = new Bell();
      this.edge = this.#newEdge();
      this.#url = await this.edge.start();
      this.output = '';
      this.home = await mkdtemp(join(tmpdir(), 'tessera-agent-'));
    });
    afterEach(async () => {
      const { child } = this;
      if (child && child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }
      this.child = null;
      await this.edge.stop();
      await rm(this.home, { recursive: true, force: true });
    });
  }

  /** The environment of an agent. */
  environment(): Record<string, string> {
    return {
      PATH: '/usr/bin:/bin',
      HOME: this.home,
      TESSERA_URL: this.#url.href,
      TESSERA_AGENT_TOKEN: TOKEN,
      TESSERA_DATA: this.home,
      TESSERA_HEALTH_PORT: '0',
    };
  }

  /** Listens to a process of the agent; answers its exit code. */
  async watch(child: ChildProcess): Promise<number | null> {
    this.child = child;
    const ends = [child.stdout, child.stderr].flatMap((stream) => {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
        this.bell.ring();
      });
      return stream ? [once(stream, 'end')] : [];
    });
    // 'close' does not come once the channel is cut.
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await Promise.all(ends);
    return exit;
  }

  /** Until an agent waits for jobs. */
  readonly idle = (): Promise<void> => this.bell.until(() => this.edge.parked('acquire') === 1);

  /** Until an operation stands in the log. */
  readonly logged = (op: string): Promise<void> =>
    this.bell.until(() => this.output.includes(`"op":"${op}"`));

  #newEdge(): EdgeServer {
    return new EdgeServer(() => performance.now(), this.bell);
  }
}
