/** The whole agent against the edge's double over HTTP; time stands still unless moved. */
import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DRAIN_MS, HEARTBEAT_MS, LEASE_MS, POLL_MS, PROGRESS_MS } from '#schema/limits.ts';
import { errorBody } from './doubles/edge-server.ts';
import { Box } from './doubles/box.ts';
import { IMAGE_SPEC, TEXT_SPEC } from './doubles/spec.ts';
import { ASK_AHEAD_MS_MIN, LEASE_RETRY_MS_MAX, STOP_MS_MAX } from './limits.ts';

let box: Box;
beforeEach(async () => {
  box = await Box.open();
});
afterEach(() => box.close());

describe('an idle agent', () => {
  it('registers what its engines have and holds exactly one parked request', async () => {
    await box.boot();
    await box.idle();
    expect(box.server.calls.map(({ verb }) => verb)).toEqual(['register', 'acquire']);
    expect(box.server.last('register')).toMatchObject({
      capabilities: { engines: [{ engine: 'test', models: ['painter', 'chat'] }] },
    });
    expect([...box.server.userAgents]).toEqual(['tessera-agent/1.2.3']);
  });

  it('leaves with code 2 when its token is refused', async () => {
    await box.boot('tsa_wrong');
    expect(await box.agent.done).toEqual({ code: 2, reason: 'unauthorized' });
  });

  it('comes back by itself when the edge was away', async () => {
    await box.boot();
    await box.idle();
    box.server.trouble = () => ({ do: 'reply', status: 502, body: '<html>bad gateway</html>' });
    box.clock.advance(POLL_MS);
    box.server.wake(true);
    await box.logged('edge.away');
    box.server.trouble = () => undefined;
    box.skip();
    await box.idle();
    box.server.wake(true);
    await box.logged('edge.back');
  });
});

describe('a job', () => {
  it('is run, uploaded with its thumbnail and completed, and leaves no file behind', async () => {
    await box.boot();
    const job = await box.running();
    await box.engine.finish(new Uint8Array(100_000).fill(7));
    await box.logged('job.complete');
    expect(job.status).toBe('completed');
    expect(job.artifacts).toMatchObject([
      {
        index: 0,
        key: `result/${job.id}/1/0.png`,
        bytes: 100_000,
        width: 64,
        contentType: 'image/png',
      },
    ]);
    expect(job.artifacts[0]?.thumbnailKey).toBe(`result/${job.id}/1/0-thumbnail.webp`);
    expect([...box.server.stored.keys()].toSorted()).toEqual([
      `result/${job.id}/1/0-thumbnail.webp`,
      `result/${job.id}/1/0.png`,
    ]);
    await box.idle();
    expect(box.ops()).toEqual(
      expect.arrayContaining(['job.acquire', 'job.start', 'job.upload', 'job.complete']),
    );
    await box.agent.settled();
    expect(await readdir(box.scratch)).toEqual([]);
    expect(JSON.stringify(box.lines)).not.toContain('a red barn');
  });

  it('leaves the engine to the next one while it is uploaded', async () => {
    await box.boot();
    await box.running();
    box.server.trouble = (name) => (name === 'upload' ? { do: 'hang' } : undefined);
    const next = box.submit();
    await box.engine.finish();
    await box.until(() => box.engine.runs === 2);
    expect(next.status).toBe('running');
    expect(box.state().leases.map(({ phase }) => phase)).toEqual(['ending', 'running']);
  });

  it('sends its text in order as it comes, and the rest before it is completed', async () => {
    await box.boot();
    const job = await box.running(TEXT_SPEC);
    const { onText } = box.engine.context();
    box.server.trouble = (name) => (name === 'stream' ? { do: 'drop_answer' } : undefined);
    onText('Once');
    await box.until(() => box.server.parked('control') === 1);
    box.server.trouble = () => undefined;
    onText(' upon');
    onText(' a time');
    await box.engine.finish();
    await box.logged('job.complete');
    expect(box.server.texts.get(job.id)).toBe('Once upon a time');
  });

  it('tells its progress and previews early, and drops what the contract would refuse', async () => {
    await box.boot();
    await box.running();
    const { onProgress, onPreview } = box.engine.context();
    onProgress({ fraction: Number.NaN, stage: 'running', step: 1, steps: 2 });
    onPreview({ content_type: 'image/png', data: 'not base64!' });
    expect(box.server.count('renew')).toBe(0);
    onProgress({ fraction: 0.5, stage: 'running', step: 10, steps: 20 });
    await box.until(() => box.server.count('renew') === 1);
    expect(box.server.last('renew')).toMatchObject({ leases: [{ progress: { fraction: 0.5 } }] });
    await box.until(() => box.state().calls.every(({ verb }) => verb !== 'renew'));
    onPreview({ content_type: 'image/png', data: 'AAAA' });
    box.clock.advance(PROGRESS_MS);
    await box.until(() => box.server.count('renew') === 2);
    expect(box.server.last('renew')).toMatchObject({ leases: [{ preview: { data: 'AAAA' } }] });
  });

  it('that fails is reported, and the engine is not blamed on the user in the log line', async () => {
    await box.boot();
    const job = await box.running();
    box.engine.fail({ code: 'engine_rejected', retryable: false, detail: 'bad size' });
    await box.logged('job.fail');
    expect(job.status).toBe('failed');
    expect(box.server.last('fail')).toMatchObject({ code: 'engine_rejected', detail: 'bad size' });
  });

  it('that is cancelled is stopped at once and returned with the steps that were done', async () => {
    await box.boot();
    const job = await box.running();
    box.engine.context().onProgress({ fraction: 0.5, stage: 'running', step: 10, steps: 20 });
    await box.until(() => box.server.parked('control') === 1);
    box.server.model.cancel(job.id);
    box.server.wake();
    await box.logged('job.return');
    expect(job.status).toBe('cancelled');
    expect(box.server.last('return')).toMatchObject({ reason: 'cancelled', usage: { steps: 10 } });
  });
});

describe('the next job', () => {
  it('is asked for ahead, waits, and starts the moment the engine is free', async () => {
    await box.boot();
    await box.running();
    const { onProgress } = box.engine.context();
    onProgress({ fraction: 0, stage: 'running', step: 0, steps: 2 });
    box.clock.advance(2000);
    onProgress({ fraction: 0.5, stage: 'running', step: 1, steps: 2 });
    const next = box.submit();
    box.clock.advance(2000 - ASK_AHEAD_MS_MIN);
    await box.until(() => box.state().leases.length === 2);
    expect(next.status).toBe('running');
    expect(box.server.last('acquire')).toMatchObject({ busyMs: ASK_AHEAD_MS_MIN });
    // Neither a slow upload nor a slow answer keeps it from the engine.
    box.server.trouble = () => ({ do: 'hang' });
    await box.engine.finish();
    await box.until(() => box.engine.runs === 2);
    const text = await box.metrics.text();
    expect(text).toContain('tessera_agent_asks_total{when="ahead"} 1');
    expect(text).toContain('tessera_agent_granted_total{when="ahead"} 1');
  });
});

describe('a batch', () => {
  const three = () => [box.server.model, box.server.model, box.server.model];

  it('is one run, whose jobs are delivered each as it ends', async () => {
    box.engine.batchMax = 3;
    const jobs = three().map((model) => model.submit(IMAGE_SPEC));
    await box.boot();
    await box.until(() => box.engine.jobs() === 3);
    await box.engine.finish(new Uint8Array([1]), 1);
    await box.logged('job.complete');
    expect(jobs.map(({ status }) => status)).toEqual(['running', 'completed', 'running']);
    await box.engine.finish(new Uint8Array([2]));
    await box.engine.finish(new Uint8Array([3]));
    await box.logged('job.complete', 3);
    expect(box.engine.runs).toBe(1);
    expect(jobs.map(({ artifacts }) => artifacts[0]?.key)).toEqual(
      jobs.map(({ id }) => `result/${id}/1/0.png`),
    );
    await box.agent.settled();
    expect(await readdir(box.scratch)).toEqual([]);
  });

  it('goes on without the one that is cancelled', async () => {
    box.engine.batchMax = 3;
    const jobs = three().map((model) => model.submit(IMAGE_SPEC));
    await box.boot();
    await box.until(() => box.engine.jobs() === 3);
    await box.until(() => box.server.parked('control') === 1);
    box.server.model.cancel(jobs[0]!.id);
    box.server.wake();
    await box.logged('job.return');
    expect(box.engine.jobs()).toBe(2);
    await box.engine.finish();
    await box.engine.finish();
    await box.logged('job.complete', 2);
    expect(jobs.map(({ status }) => status)).toEqual(['cancelled', 'completed', 'completed']);
  });
});

describe('a lease', () => {
  it('is kept by heartbeats for as long as the job runs', async () => {
    await box.boot();
    const job = await box.running();
    for (let n = 1; n <= 6; n++) {
      box.clock.advance(HEARTBEAT_MS);
      await box.until(() => box.server.count('renew') === n);
      await box.until(() => box.state().calls.every(({ verb }) => verb !== 'renew'));
    }
    await box.engine.finish();
    await box.logged('job.complete');
    expect(job.attempt).toBe(1);
  });

  it('that lapsed while the process stood still is given up: nothing is delivered', async () => {
    await box.boot();
    const job = await box.running();
    box.clock.leap(LEASE_MS + 1000);
    await box.engine.finish();
    await box.logged('job.lost');
    expect(box.server.stored.size).toBe(0);
    // The edge gave the job up as well: it is run anew under a new token.
    await box.until(() => box.engine.runs === 2);
    expect(job.token).toBe(2);
    expect(box.server.count('complete') + box.server.count('fail')).toBe(0);
  });

  it('that the edge took away stops the engine', async () => {
    await box.boot();
    const job = await box.running();
    box.server.model.revoke(job.id);
    job.status = 'cancelled';
    box.clock.advance(HEARTBEAT_MS);
    await box.logged('job.lost');
    await box.until(() => !box.engine.busy());
    await box.idle();
    expect(box.server.count('return')).toBe(0);
  });

  it('survives an edge that forgot the session', async () => {
    await box.boot();
    const job = await box.running();
    box.server.model.sessions.clear();
    box.clock.advance(HEARTBEAT_MS);
    await box.until(() => box.server.count('register') === 2);
    expect(box.server.last('register')).toMatchObject({ holding: [{ jobId: job.id }] });
    await box.until(() => box.state().registered);
    await box.engine.finish();
    await box.logged('job.complete');
    expect(job.attempt).toBe(1);
  });

  it('of an engine that does not stop ends the agent', async () => {
    await box.boot();
    const job = await box.running();
    box.engine.stubborn = true;
    await box.until(() => box.server.parked('control') === 1);
    box.server.model.cancel(job.id);
    box.server.wake();
    await box.logged('job.cancel');
    box.clock.advance(STOP_MS_MAX);
    expect(await box.agent.done).toEqual({ code: 1, reason: 'engine_wedged' });
  });
});

describe('delivery', () => {
  it('repeats an upload that was damaged on its way, and sends only what is missing', async () => {
    await box.boot();
    await box.running();
    let uploads = 0;
    box.server.trouble = (name) => {
      if (name !== 'upload') return undefined;
      uploads++;
      const body = errorBody('hash_mismatch');
      return uploads === 1 ? { do: 'reply', status: 422, body } : undefined;
    };
    await box.engine.finish();
    await box.logged('job.keep');
    box.clock.advance(LEASE_RETRY_MS_MAX);
    await box.logged('job.complete');
    expect(uploads).toBe(3);
  });

  it.each(['drop_answer', 'double', 'drop_request'] as const)(
    'completes once when the network does %s',
    async (trouble) => {
      await box.boot();
      const job = await box.running();
      let tries = 0;
      box.server.trouble = (name) =>
        name === 'complete' && tries++ === 0 ? { do: trouble } : undefined;
      await box.engine.finish();
      if (trouble !== 'double') {
        await box.logged('job.keep');
        box.clock.advance(LEASE_RETRY_MS_MAX);
      }
      await box.logged('job.complete');
      expect(job.ends).toEqual([{ verb: 'complete', token: 1 }]);
      await box.until(() => box.state().leases.length === 0);
    },
  );

  it('keeps a result on disk while the edge is away, and delivers it when the lease still holds', async () => {
    await box.boot();
    const job = await box.running();
    await box.until(() => box.server.parked('control') === 1);
    box.server.trouble = () => ({ do: 'drop_request' });
    await box.engine.finish();
    await box.logged('job.keep');
    await box.until(() => box.state().calls.every(({ verb }) => verb === 'control'));
    box.server.trouble = () => undefined;
    box.skip();
    await box.logged('job.complete');
    expect(job).toMatchObject({ status: 'completed', attempt: 1 });
    await box.idle();
    await box.agent.settled();
    expect(await readdir(box.spool)).toEqual([]);
  });

  it('takes a kept result over a restart of the process', async () => {
    await box.boot();
    const job = await box.running();
    box.server.trouble = (name) => (name === 'upload' ? { do: 'drop_request' } : undefined);
    await box.engine.finish(new Uint8Array([4, 5, 6]));
    await box.logged('job.keep');
    await box.until(() => box.server.parked('acquire') === 1);
    await box.agent.settled();
    await box.kill();
    box.server.trouble = () => undefined;
    await box.boot();
    await box.logged('job.complete');
    expect(job).toMatchObject({ status: 'completed', attempt: 1 });
    expect(job.artifacts).toMatchObject([{ bytes: 3 }]);
    expect(box.engine.runs).toBe(1);
  });

  it('drops a kept result whose lease went to another attempt', async () => {
    await box.boot();
    const job = await box.running();
    box.server.trouble = (name) => (name === 'upload' ? { do: 'drop_request' } : undefined);
    await box.engine.finish();
    await box.logged('job.keep');
    await box.until(() => box.server.parked('acquire') === 1);
    await box.agent.settled();
    await box.kill();
    box.server.trouble = () => undefined;
    box.server.model.revoke(job.id);
    job.status = 'cancelled';
    await box.boot();
    await box.logged('job.lost');
    await box.idle();
    await box.agent.settled();
    expect(await readdir(box.spool)).toEqual([]);
    expect(box.server.stored.size).toBe(0);
  });
});

describe('draining', () => {
  it('finishes what runs and leaves', async () => {
    await box.boot();
    const job = await box.running();
    box.agent.drain();
    await box.engine.finish();
    expect(await box.agent.done).toEqual({ code: 0, reason: 'drained' });
    expect(job.status).toBe('completed');
  });

  it('gives back what is not finished in time', async () => {
    await box.boot();
    const job = await box.running();
    box.agent.drain();
    box.clock.advance(DRAIN_MS);
    expect(await box.agent.done).toEqual({ code: 0, reason: 'drained' });
    expect(job.status).toBe('queued');
    expect(box.server.last('return')).toMatchObject({ reason: 'drain', next: null });
  });

  it("is done at once when nothing runs, and at the edge's word", async () => {
    await box.boot();
    await box.idle();
    box.server.model.drain = true;
    box.server.wake();
    expect(await box.agent.done).toEqual({ code: 0, reason: 'drained' });
  });
});

it('does not ask for work that its engine cannot do while that is away', async () => {
  await box.boot();
  const job = await box.running();
  box.engine.away = true;
  box.engine.fail({ code: 'engine_unavailable', retryable: true, detail: 'connection refused' });
  await box.logged('job.return');
  expect(job.status).toBe('queued');
  expect(box.server.last('return')).toMatchObject({ reason: 'engine_away', next: null });
  await box.until(() => !box.state().discovering);
  box.skip();
  await box.until(() => box.server.count('register') === 2);
  expect(box.server.last('register')).toMatchObject({ capabilities: { engines: [] } });
});

it('counts what it did for Prometheus', async () => {
  await box.boot();
  await box.running();
  await box.engine.finish();
  await box.logged('job.complete');
  const text = await box.metrics.text();
  expect(text).toContain('tessera_agent_jobs_total{result="complete"} 1');
  expect(text).toContain('tessera_agent_upload_bytes_total 3');
  expect(text).toContain('tessera_agent_idle_gap_seconds_count 1');
  for (const use of ['run', 'starved', 'idle']) {
    expect(text).toContain(`tessera_agent_engine_seconds_total{use="${use}"} 0`);
  }
  expect(text).toMatch(/process_resident_memory_bytes \d+/);
});
