/**
 * `tessera-agent status` and `drain`: find the agent that runs on this machine by its data folder,
 * ask it how it does, or tell it to leave and wait until it has.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fetch } from 'undici';
import { z } from 'zod';
import { holderOf } from '../data-lock.ts';
import { DISPATCHER } from '../dispatcher.ts';
import { CALL_MS_MAX } from '../limits.ts';
import { printable } from './finding.ts';

/** Where the agent that runs tells of itself. */
export const RUNNING_FILE = 'running.json';
const LOOK_MS = 200;

const Running = z.object({ pid: z.int(), healthUrl: z.url() });
const Health = z.object({
  status: z.string(),
  version: z.string(),
  pools: z.array(
    z.object({ pool: z.string(), registered: z.boolean(), left: z.string().nullable() }),
  ),
  engines: z.array(
    z.object({
      name: z.string(),
      up: z.boolean(),
      away: z.boolean(),
      trouble: z.string().nullable(),
    }),
  ),
  jobs: z.array(z.object({ id: z.string(), phase: z.string(), fraction: z.number() })),
  spooled: z.number(),
  memoryBytes: z.number(),
  uptimeS: z.number(),
});
type Health = z.infer<typeof Health>;

type Print = (line: string) => void;

/** Prints how the agent does; 0 when it is well, 1 when it is not, 3 when none runs. */
export async function status(data: string, print: Print): Promise<number> {
  const pid = await holderOf(resolve(data));
  if (pid === null) {
    print(`no agent runs with ${resolve(data)}; start it by: tessera-agent run`);
    return 3;
  }
  const health = await askHealth(data, pid);
  if (!health) {
    const help = 'it starts its engines first, which may take minutes; else see its log';
    print(`an agent runs (process ${pid}), but does not tell how it does: ${help}`);
    return 1;
  }
  for (const line of linesOf(health, pid)) print(line);
  return health.status === 'ok' ? 0 : 1;
}

/** Tells the agent to finish what it does and leave, and waits for that. */
export async function drain(data: string, print: Print): Promise<number> {
  const folder = resolve(data);
  const pid = await holderOf(folder);
  if (pid === null) {
    print(`no agent runs with ${folder}`);
    return 3;
  }
  const isLeaving = (await askHealth(data, pid))?.status === 'draining';
  try {
    // A second wish would end it at once, in the middle of its job.
    if (!isLeaving) process.kill(pid, 'SIGTERM');
  } catch (error) {
    print(`process ${pid} cannot be told: ${String(error)}; call as the user who started it`);
    return 1;
  }
  const what = isLeaving ? 'leaves already' : 'was told to leave';
  print(`process ${pid} ${what}; it finishes or gives back what it runs`);
  // The agent itself bounds its drain.
  while ((await holderOf(folder)) === pid) await setTimeout(LOOK_MS);
  print('it has left');
  return 0;
}

async function askHealth(data: string, holder: number): Promise<Health | null> {
  try {
    const file: unknown = JSON.parse(await readFile(join(data, RUNNING_FILE), 'utf8'));
    const { pid, healthUrl } = Running.parse(file);
    // Left behind by one that was killed: its port may be another agent's by now.
    if (pid !== holder) return null;
    const response = await fetch(healthUrl, {
      signal: AbortSignal.timeout(CALL_MS_MAX),
      dispatcher: DISPATCHER,
    });
    return Health.parse(await response.json());
  } catch {
    // It is just starting, or it hangs: either way there is nothing to show.
    return null;
  }
}

function* linesOf(health: Health, pid: number): Generator<string> {
  const { version, uptimeS, memoryBytes, spooled } = health;
  const memory = Math.round(memoryBytes / 1024 ** 2);
  yield `${health.status}: agent ${version}, process ${pid}, up ${uptimeS} s, ${memory} MiB`;
  for (const { pool, registered, left } of health.pools) {
    yield `pool    ${pool}: ${left ?? (registered ? 'registered' : 'not registered')}`;
  }
  for (const { name, up, away, trouble } of health.engines) {
    const words = up ? 'there' : away ? 'away' : 'cannot run here';
    yield printable(`engine  ${name}: ${trouble ?? words}`);
  }
  for (const { id, phase, fraction } of health.jobs) {
    yield `job     ${id}: ${phase}, ${Math.round(fraction * 100)} %`;
  }
  if (spooled > 0) yield `spool   ${spooled} results wait to be delivered`;
}
