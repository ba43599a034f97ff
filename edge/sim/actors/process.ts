/**
 * One run of the agent on a box: the real session, and what agent/run does with its actions done
 * here by events: calls, runs of the engine, uploads, the spool. It can be paused for minutes and
 * go on as if nothing had happened. An ended process does nothing more.
 */
import { createHash } from 'node:crypto';
import type { Capabilities } from '#schema/agent-protocol.ts';
import type { Artifact } from '#schema/artifact.ts';
import { DISCOVER_MS } from '../../../agent/limits.ts';
import { createSession, step, wakeAt } from '../../../agent/session.ts';
import type { Session, SessionAction, SessionEvent } from '../../../agent/session.ts';
import type { Grant, Happening, Kept } from '../../../agent/session/state.ts';
import { checkSession } from '../checks/session.ts';
import type { Cancel, Owner } from '../world.ts';
import type { Box } from './box.ts';
import { Engine } from './engine.ts';
import { readReply, serveAgent, serveUpload, toFailure } from './protocol.ts';

const DRAIN_MS = 30_000;
const UPLOAD_TIMEOUT_MS = 20_000;
const SPOOL_MS = 30;
const RESULT_BYTES = 1_500_000;

interface Work {
  readonly grant: Grant;
  readonly uploaded: (Artifact | null)[];
  cancelUpload: Cancel;
}

/** One run of the agent. */
export class Process implements Owner {
  readonly name: string;
  readonly skewMs = 0;
  alive = true;
  session: Session;
  readonly engine: Engine;
  readonly #box: Box;
  readonly #spool: Map<string, Kept>;
  readonly #token: string;
  #pausedUntil = 0;
  readonly #works = new Map<number, Work>();
  readonly #calls = new Map<number, Cancel>();
  #cancelWake: Cancel = () => {};
  #wasAway = false;

  constructor(box: Box, token: string) {
    const { world, faults } = box.around;
    this.#box = box;
    this.#spool = box.spool;
    this.#token = token;
    this.name = `${box.name}/${box.starts}`;
    const { speed } = box.spec;
    this.engine = new Engine(
      { world, faults, owner: this, speed },
      {
        onProgress: (lease, { fraction, loading }) => {
          const stage = loading ? 'loading' : 'running';
          const progress = { fraction, stage, step: null, steps: null } as const;
          const usage = { steps: Math.floor(fraction * 10) };
          this.feed({ type: 'progressed', lease, progress, preview: null, usage });
        },
        onResident: () => this.#observe(),
        onEnd: (lease, outcome) => this.feed({ type: 'run_ended', lease, outcome }),
      },
    );
    const kept = [...box.spool.values()];
    this.session = createSession({
      sessionId: crypto.randomUUID(),
      version: '1',
      capabilities: this.#capabilities(),
      kept,
      drainMs: DRAIN_MS,
      at: box.now(),
    });
    for (const [index, { grant }] of kept.entries()) this.#addWork(index + 1, grant);
  }

  /** Frozen with its box. */
  get frozenUntil(): number {
    return Math.max(this.#pausedUntil, this.#box.frozenUntil);
  }

  pause(until: number): void {
    this.#pausedUntil = until;
  }

  begin(): void {
    this.feed({ type: 'tick' });
    this.#discoverLater();
  }

  end(): void {
    this.alive = false;
    for (const cancel of this.#calls.values()) cancel();
    for (const work of this.#works.values()) work.cancelUpload();
  }

  feed(happening: Happening): void {
    const { world } = this.#box.around;
    if (!this.alive) return;
    const before = this.session;
    const event = {
      ...happening,
      at: this.#box.now(),
      random: world.random.unit(),
    } as SessionEvent;
    const { state, actions } = step(before, event);
    this.session = state;
    checkSession({ world, name: this.name, at: event.at }, state, actions);
    for (const action of actions) this.#perform(action);
    this.#wakeLater();
  }

  #perform(action: SessionAction): void {
    const { world } = this.#box.around;
    if (action.do !== 'log') world.note('does', JSON.stringify(action));
    switch (action.do) {
      case 'call':
        this.#call(action);
        return;
      case 'abort_call':
        this.#calls.get(action.id)?.();
        this.#calls.delete(action.id);
        return;
      case 'start':
        for (const { lease, grant } of action.jobs) this.#addWork(lease, grant);
        this.#wasAway = this.engine.isAway;
        this.engine.start(action.jobs);
        this.#mayDie();
        return;
      case 'stop':
        this.engine.stop(action.lease);
        this.#works.get(action.lease)?.cancelUpload();
        return;
      case 'upload':
        this.#upload(action.lease, action.trying);
        return;
      case 'keep':
        this.#keep(action);
        return;
      case 'drop':
        this.#drop(action.lease);
        return;
      case 'discover':
        world.afterSync(50, { owner: this, what: 'discovers', act: () => this.#discover() });
        return;
      case 'log':
        world.count(`agent ${action.op}`);
        return;
      case 'exit':
        this.end();
        this.#box.onExit(this, action.reason);
    }
  }

  /** A run may take the whole process with it. */
  #mayDie(): void {
    const { world, faults } = this.#box.around;
    if (!faults.killsAgent()) return;
    world.afterSync(world.random.below(20_000), {
      owner: this,
      what: 'dies',
      act: () => this.#die(),
    });
  }

  #die(): void {
    if (this.#box.process === this) this.#box.crash();
    else this.end();
  }

  #call(action: Extract<SessionAction, { do: 'call' }>): void {
    const { id, timeoutMs, verb } = action;
    const request = { verb, body: action.body } as Parameters<typeof serveAgent>[2];
    const text = JSON.stringify(request);
    const token = this.#token;
    const cancel = this.#box.around.worker().request({
      client: this,
      isOffline: this.#box.isOffline,
      name: verb,
      text,
      timeoutMs,
      handle: (env) => serveAgent(env, token, JSON.parse(text) as typeof request),
      hear: (reply) => {
        this.#calls.delete(id);
        const read = readReply(verb, reply);
        if (read.verb === null) this.feed({ type: 'unanswered', id, failure: read.failure });
        else this.feed({ type: 'answered', id, ...read });
      },
    });
    this.#calls.set(id, cancel);
  }

  #addWork(lease: number, grant: Grant): void {
    this.#works.set(lease, { grant, uploaded: [null], cancelUpload: () => {} });
  }

  /** Sends the files that have not arrived, one after another; one failure ends the try. */
  #upload(lease: number, trying: number): void {
    const work = this.#works.get(lease);
    const index = work?.uploaded.findIndex((done) => done === null) ?? -1;
    if (!work || index < 0) {
      const artifacts = work?.uploaded.filter((done) => done !== null) ?? [];
      this.feed({ type: 'upload_ended', lease, trying, outcome: { ok: true, artifacts } });
      return;
    }
    const { grant } = work;
    const { jobId, fencingToken } = grant;
    const file = { index, role: 'result', contentType: 'image/png', bytes: RESULT_BYTES } as const;
    const seed = `${jobId} ${fencingToken} ${index}`;
    const sha256 = createHash('sha256').update(seed).digest('hex');
    const upload = { ...file, jobId, fencingToken, ticket: grant.uploadTicket, sha256 };
    work.cancelUpload = this.#box.around.worker().request({
      client: this,
      isOffline: this.#box.isOffline,
      name: 'upload',
      text: JSON.stringify(upload),
      timeoutMs: UPLOAD_TIMEOUT_MS,
      handle: (env) => serveUpload(env, this.#token, upload),
      hear: (reply) => {
        if (!reply.ok) {
          const outcome = { ok: false, failure: toFailure(reply) } as const;
          this.feed({ type: 'upload_ended', lease, trying, outcome });
          return;
        }
        const { key, bytes } = reply.value as { key: string; bytes: number };
        const size = { width: 64, height: 64, durationS: null, thumbnailKey: null };
        work.uploaded[index] = { index, key, contentType: 'image/png', bytes, sha256, ...size };
        this.#upload(lease, trying);
      },
    });
  }

  #keep(action: Extract<SessionAction, { do: 'keep' }>): void {
    const { grant, usage, loadMs, serviceMs } = action;
    this.#box.around.world.afterSync(SPOOL_MS, {
      owner: this,
      what: 'spools',
      act: () => {
        if (!this.#works.has(action.lease)) return;
        this.#spool.set(keyOf(grant), { grant, usage, loadMs, serviceMs });
      },
    });
  }

  #drop(lease: number): void {
    const work = this.#works.get(lease);
    this.engine.stop(lease);
    if (!work) return;
    work.cancelUpload();
    this.#works.delete(lease);
    this.#spool.delete(keyOf(work.grant));
  }

  #capabilities(): Capabilities {
    const { models, batchMax } = this.#box.spec;
    const present = this.engine.isAway ? [] : [...models];
    return {
      gpu: { name: 'simulated', vramMib: 24_000 },
      engines: [{ engine: 'fake', version: '1', models: present, batchMax }],
    };
  }

  #discover(): void {
    this.feed({ type: 'discovered', capabilities: this.#capabilities() });
    this.#observe();
  }

  #discoverLater(): void {
    this.#box.around.world.afterSync(DISCOVER_MS, {
      owner: this,
      what: 'looks at its engine',
      act: () => {
        if (this.engine.isAway !== this.#wasAway) this.#discover();
        this.#wasAway = this.engine.isAway;
        this.#discoverLater();
      },
    });
  }

  #observe(): void {
    const { resident } = this.engine;
    const health = { status: 'ok', message: null, vramFreeMib: null } as const;
    this.feed({ type: 'observed', resident: [...resident], health });
  }

  #wakeLater(): void {
    this.#cancelWake();
    const at = wakeAt(this.session);
    if (at === null) return;
    this.#cancelWake = this.#box.around.world.afterSync(this.#box.until(at), {
      owner: this,
      what: 'wakes',
      act: () => this.feed({ type: 'tick' }),
    });
  }
}

function keyOf(grant: Grant): string {
  return `${grant.jobId}.${grant.fencingToken}`;
}
