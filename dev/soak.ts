/**
 * `npm run soak`: jobs under kills, then the books.
 *
 * Starts a system of its own in a temporary folder on a free port, submits small images with
 * idempotency keys (each submit repeated with its key until it is acknowledged) while it kills
 * the agent, workerd and PostgreSQL in turn with SIGKILL, waits for every job to end, and then
 * checks what ARCHITECTURE promises: nothing lost, nothing run twice at a time, every hold settled
 * or released exactly once, the account's figures equal to the ledger's sums. Prints a table;
 * exit code 1 when any promise was broken.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { JobView } from '#schema/api.ts';
import { call, CallError, isTerminal } from './api.ts';
import { findFreePort } from './port.ts';
import { removePostgresData } from './postgres-home.ts';
import { say, tellMs } from './progress.ts';
import { auditBooks, type Finding } from './soak-audit.ts';
import { LocalSystem } from './system.ts';

const SUBMITTERS = 8;
const KILL_EVERY_MS = 4000;
/** Spreads the submits over several kills: accepting a job is what must survive them first. */
const SUBMIT_EVERY_MS = 800;
const PATIENCE_MS = 10 * 60_000;
const POLL_MS = 250;
const RETRY_MS = 200;

type Victim = 'agent' | 'workerd' | 'postgres';
const VICTIMS: readonly Victim[] = ['agent', 'workerd', 'postgres'];

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '200' },
    kills: { type: 'string', default: '12' },
    keep: { type: 'boolean', default: false },
  },
});
const tally = { retries: 0, kills: { agent: 0, workerd: 0, postgres: 0 } };

/** Repeats a call until it is answered; gives up on a refusal that repeating cannot change. */
async function insist<T>(act: () => Promise<T>): Promise<T> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      const isFinal = error instanceof CallError && error.status < 500 && error.status !== 429;
      if (isFinal || Date.now() > until) throw error;
      tally.retries += 1;
      await sleep(RETRY_MS);
    }
  }
}

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
      const answer = await insist(() =>
        call(`${baseUrl}/v1/jobs`, { method: 'POST', bearer, body, headers }),
      );
      jobs.push(JobView.parse(answer));
      await sleep(SUBMIT_EVERY_MS);
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
      const job = JobView.parse(await insist(() => call(`${baseUrl}/v1/jobs/${id}`, { bearer })));
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

/** Kills one process of a part's group by what its command line says. */
function kill(system: LocalSystem, victim: Victim): void {
  const { agent, edge, database } = system.parts;
  const group = { agent: agent?.pid, workerd: edge?.pid, postgres: database?.pid }[victim];
  const pattern = { agent: /agent\/main\.ts/, workerd: /workerd serve/, postgres: /postgres -D/ };
  const listed = spawnSync('ps', ['-eo', 'pid=,pgid=,args='], { encoding: 'utf8' }).stdout;
  for (const line of listed.split('\n')) {
    const [, pid, pgid, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    if (Number(pgid) !== group || !pattern[victim].test(args ?? '')) continue;
    process.kill(Number(pid), 'SIGKILL');
    tally.kills[victim] += 1;
    return;
  }
}

async function killInTurn(system: LocalSystem, times: number, done: AbortSignal): Promise<void> {
  for (let n = 0; n < times && !done.aborted; n += 1) {
    await sleep(KILL_EVERY_MS, undefined, { signal: done }).catch(() => {});
    if (!done.aborted) kill(system, VICTIMS[n % VICTIMS.length] ?? 'agent');
  }
}

function printTable(findings: readonly Finding[], totalMs: number): void {
  const { kills, retries } = tally;
  say(`\n${tellMs(totalMs)}, ${retries} calls repeated, killed: ${JSON.stringify(kills)}\n`);
  const width = Math.max(...findings.map((finding) => finding.claim.length));
  for (const { claim, checked, broken } of findings) {
    const verdict = broken.length === 0 ? 'holds' : `BROKEN ${broken.length} times`;
    say(`${claim.padEnd(width)}  ${String(checked).padStart(5)} checked  ${verdict}`);
    for (const example of broken.slice(0, 3)) say(`    ${example}`);
  }
}

const data = mkdtempSync(join(tmpdir(), 'tessera-soak-'));
const system = new LocalSystem({ data, port: await findFreePort(), site: false, print: say });
process.on('SIGINT', () => void system.stop().finally(() => process.exit(130)));
try {
  await system.start();
  const startedAt = performance.now();
  const done = new AbortController();
  const killing = killInTurn(system, Number(values.kills), done.signal);
  const submitted = await submitAll(system, Number(values.jobs));
  say(`· ${submitted.length} jobs acknowledged after ${tellMs(performance.now() - startedAt)}`);
  const ids = submitted.map((job) => job.id);
  const ended = await waitForAll(system, ids);
  done.abort();
  await killing;
  const findings = await auditBooks(system, ids, ended);
  printTable(findings, performance.now() - startedAt);
  process.exitCode = findings.some((finding) => finding.broken.length > 0) ? 1 : 0;
} finally {
  await system.stop();
  if (values.keep) say(`kept: ${data}`);
  else {
    removePostgresData(join(data, 'postgres'));
    rmSync(data, { recursive: true, force: true });
  }
}
