/**
 * The data of a button: an action as a short text and back. Telegram gives 64 bytes, Discord 100
 * characters. It is no secret and no proof: whoever presses is checked against the job's account.
 * With Discord the owner goes along, so that a stranger's press can be answered at once.
 */
import { assert } from '#schema/assert.ts';
import { JobId } from '#schema/id.ts';
import { JOB_DEEDS } from './message.ts';
import type { Action, JobDeed } from './message.ts';

export const TELEGRAM_DATA_BYTES_MAX = 64;
export const DISCORD_DATA_CHARS_MAX = 100;

const LETTERS: Readonly<Record<JobDeed, string>> = {
  cancel: 'c',
  status: 's',
  again: 'a',
  vary: 'v',
  upscale: 'u',
  edit: 'e',
  retry: 'r',
  delete: 'd',
  publish: 'p',
  unpublish: 'P',
};
const DEEDS = new Map(JOB_DEEDS.map((deed) => [LETTERS[deed], deed]));
assert(DEEDS.size === JOB_DEEDS.length, 'each deed has a letter of its own');

const JOB = /^j:([a-zA-Z]):([0-9a-z]{26}_[a-z0-9]{1,16}):(\d)(?::(\d{1,20}))?$/;
const DRAFT = /^d:([0-9a-z]{1,32}):(\d{1,2})(?::(\d{1,20}))?$/;
const OTHER = /^(?:e:(\d)|c:(help|plan|upgrade))(?::(\d{1,20}))?$/;

/** The data of a button; `ownerId` is Discord's. */
export function encodeAction(action: Action, ownerId: string | null): string {
  return ownerId === null ? encode(action) : `${encode(action)}:${ownerId}`;
}

function encode(action: Action): string {
  switch (action.kind) {
    case 'job':
      return `j:${LETTERS[action.deed]}:${action.jobId.slice('job_'.length)}:${action.index}`;
    case 'draft':
      return `d:${action.draftId}:${action.choice}`;
    case 'example':
      return `e:${action.index}`;
    case 'command':
      return `c:${action.name}`;
  }
}

/** The action of a button's data, or null for data that we never made. */
export function decodeAction(data: string): { action: Action; ownerId: string | null } | null {
  const job = JOB.exec(data);
  if (job) {
    const [, letter, id, index, owner] = job;
    const deed = DEEDS.get(letter!);
    const jobId = JobId.safeParse(`job_${id}`);
    if (!deed || !jobId.success) return null;
    const action = { kind: 'job', deed, jobId: jobId.data, index: Number(index) } as const;
    return { action, ownerId: owner ?? null };
  }
  const draft = DRAFT.exec(data);
  if (draft) {
    const action = { kind: 'draft', draftId: draft[1]!, choice: Number(draft[2]) } as const;
    return { action, ownerId: draft[3] ?? null };
  }
  const other = OTHER.exec(data);
  if (!other) return null;
  const [, index, name, owner] = other;
  const ownerId = owner ?? null;
  if (index !== undefined) return { action: { kind: 'example', index: Number(index) }, ownerId };
  return { action: { kind: 'command', name: name as 'help' | 'plan' | 'upgrade' }, ownerId };
}
