/**
 * `npm run soak`: jobs under kills, then the books.
 *
 * Starts a system of its own in a temporary folder on a free port, submits small images with
 * idempotency keys (each submit repeated with its key until it is acknowledged) while it kills
 * the agent, workerd and PostgreSQL in turn with SIGKILL, waits for every job to end, and then
 * checks what the queue and the books promise: nothing lost, nothing run twice at a time, every
 * hold settled or released exactly once, the account's figures equal to the ledger's sums. Prints
 * a table; exit code 1 when any promise was broken, when a kill did not happen, or when a check
 * found nothing to check.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { JobView } from '#schema/api.ts';
import { call, insist, isTerminal } from './api.ts';
import { findFreePort } from './port.ts';
import { removePostgresData } from './postgres-home.ts';
import { listGroup } from './process-table.ts';
import { say, tellMs } from './progress.ts';
import { auditBooks, type Finding } from './soak-audit.ts';
import { LocalSystem } from './system.ts';

const SUBMITTERS = 8;
const KILL_EVERY_MS = 4000;
/** How long a victim may be down from the kill before, so that there is nothing to kill. */
const VICTIM_MS = 20_000;
const PATIENCE_MS = 10 * 60_000;
const POLL_MS = 250;

type Victim = 'agent' | 'workerd' | 'postgres';
const VICTIMS: readonly Victim[] = ['agent', 'workerd', 'postgres'];

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '200' },
    kills: { type: 'string', default: '12' },
    keep: { type: 'boolean', default: false },
  },
});
const jobCount = Number(values.jobs);
const killCount = Number(values.kills);
/** Spreads the submits over the kills: accepting a job is what must survive them first. */
const submitEveryMs = (killCount * KILL_EVERY_MS * SUBMITTERS) / Math.max(1, jobCount);
const tally = { retries: 0, kills: { agent: 0, workerd: 0, postgres: 0 } };
const onRetry = () => {
  tally.retries += 1;
};

async function submitAll(system: LocalSystem, count: number): Promise<JobView[]> {
  const { baseUrl, apiKey: bearer } = system.credentials;
  const jobs: JobView[] = [];
  let next = 0;
  const submitter = async () => {
    for (let n = next++; n < count; n = next++) {
      const body = {
        type: 'image',
        prompt: `soak ${n}`,
        width: 256,
        height: 256,
        steps: 4,
        seed: n,
      };
      const headers = { 'idempotency-key': `soak-${n}` };
      const answer = await insist(
        () => call(`${baseUrl}/v1/jobs`, { method: 'POST', bearer, body, headers }),
        onRetry,
      );
      jobs.push(JobView.parse(answer));
      await sleep(submitEveryMs);
    }
  };
  await Promise.all(Array.from({ length: SUBMITTERS }, submitter));
  return jobs;
}

async function waitForAll(system: LocalSystem, ids: readonly string[]): Promise<JobView[]> {
  const { baseUrl, apiKey: bearer } = system.credentials;
  const until = Date.now() + PATIENCE_MS;
  const ended: JobView[] = [];
  for (const id of ids) {
    for (;;) {
      const answer = await insist(() => call(`${baseUrl}/v1/jobs/${id}`, { bearer }), onRetry);
      const job = JobView.parse(answer);
      if (isTerminal(job)) {
        ended.push(job);
        break;
      }
      if (Date.now() > until) return ended;
      await sleep(POLL_MS);
    }
  }
  return ended;
}

/** Kills one process of a part's group by what its command line says; false: none was there. */
function kill(system: LocalSystem, victim: Victim): boolean {
  const { agent, edge, database } = system.parts;
  const group = { agent: agent?.pid, workerd: edge?.pid, postgres: database?.pid }[victim];
  const pattern = { agent: /agent\/main\.ts/, workerd: /workerd serve/, postgres: /postgres -D/ };
  if (group === undefined) return false;
  const found = listGroup(group).find(({ args }) => pattern[victim].test(args));
  try {
    return found !== undefined && process.kill(found.pid, 'SIGKILL');
  } catch {
    return false; // it ended meanwhile
  }
}

/** Kills in turn until `times` or `done`; tells which kills did not happen. */
async function killInTurn(system: LocalSystem, times: number, done: AbortSignal): Promise<Finding> {
  const broken: string[] = [];
  for (let n = 0; n < times; n += 1) {
    const victim = VICTIMS[n % VICTIMS.length] ?? 'agent';
    await sleep(KILL_EVERY_MS, undefined, { signal: done }).catch(() => {});
    const until = Date.now() + VICTIM_MS;
    let killed = false;
    while (!killed && !done.aborted && Date.now() < until) {
      killed = kill(system, victim);
      if (!killed) await sleep(POLL_MS);
    }
    if (killed) tally.kills[victim] += 1;
    else broken.push(`kill ${n + 1}, of ${victim}: ${done.aborted ? 'jobs ended' : 'none found'}`);
  }
  return { claim: 'every kill hit a running process', checked: times, broken };
}

/** Prints what was found; false when anything was broken. */
function printTable(findings: readonly Finding[], totalMs: number): boolean {
  const { kills, retries } = tally;
  say(`\n${tellMs(totalMs)}, ${retries} calls repeated, killed: ${JSON.stringify(kills)}\n`);
  const width = Math.max(...findings.map((finding) => finding.claim.length));
  for (const { claim, checked, broken } of findings) {
    const whole = checked === 0 ? 'NOTHING WAS CHECKED' : 'holds';
    const verdict = broken.length === 0 ? whole : `BROKEN ${broken.length} times`;
    say(`${claim.padEnd(width)}  ${String(checked).padStart(5)} checked  ${verdict}`);
    for (const example of broken.slice(0, 3)) say(`    ${example}`);
  }
  return findings.every(({ checked, broken }) => checked > 0 && broken.length === 0);
}

async function soak(system: LocalSystem): Promise<boolean> {
  await system.start();
  const startedAt = performance.now();
  const done = new AbortController();
  const killing = killInTurn(system, killCount, done.signal);
  try {
    const submitted = await submitAll(system, jobCount);
    say(`· ${submitted.length} jobs acknowledged after ${tellMs(performance.now() - startedAt)}`);
    const ids = submitted.map((job) => job.id);
    const ended = await waitForAll(system, ids);
    done.abort();
    const kills = await killing;
    const findings = await auditBooks(system, ids, ended);
    if (killCount > 0) findings.unshift(kills);
    return printTable(findings, performance.now() - startedAt);
  } finally {
    done.abort();
    await killing;
  }
}

const data = mkdtempSync(join(tmpdir(), 'tessera-soak-'));
const system = new LocalSystem({ data, port: await findFreePort(), site: false, print: say });

async function clear(): Promise<void> {
  await system.stop();
  if (values.keep) say(`kept: ${data}`);
  else {
    removePostgresData(join(data, 'postgres'));
    rmSync(data, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (system.stopSignal.aborted) return;
    void clear().finally(() => process.exit(128 + constants.signals[signal]));
  });
}
try {
  process.exitCode = (await soak(system)) ? 0 : 1;
} catch (error) {
  // Whoever asked to stop clears up and leaves.
  if (!system.stopSignal.aborted) say(String((error as Error).stack ?? error));
  process.exitCode = 1;
}
if (!system.stopSignal.aborted) {
  await clear();
  process.exit();
}
