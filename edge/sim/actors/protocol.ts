/**
 * The agent protocol on both sides of the wire: what the Worker does with each call, by the
 * edge's own verbs, and how the box reads the answer. Bodies and answers pass their schemas.
 */
import {
  AcquireAnswer,
  AcquireBody,
  CompleteBody,
  ControlAnswer,
  ControlBody,
  EndAnswer,
  FailBody,
  RegisterAnswer,
  RegisterBody,
  RenewAnswer,
  RenewBody,
  ReturnBody,
} from '#schema/agent-protocol.ts';
import type { UploadAnswer } from '#schema/agent-protocol.ts';
import type { ErrorCode } from '#schema/error.ts';
import type { Answered, CallFailure, Request, Verb } from '../../../agent/session/state.ts';
import type { Result } from '../../core/result.ts';
import type { Env } from '../../env.ts';
import { acquireJob } from '../../services/acquire-job.ts';
import { readAgentToken } from '../../services/authenticate.ts';
import type { AgentCaller } from '../../services/authenticate.ts';
import { awaitControl } from '../../services/await-control.ts';
import { endAttempt } from '../../services/end-attempt.ts';
import { registerAgent } from '../../services/register-agent.ts';
import { renewLeases } from '../../services/renew-leases.ts';
import { storeArtifact } from '../../services/store-artifact.ts';
import type { Upload } from '../../services/store-artifact.ts';
import { Refused } from '../platform/worker.ts';
import type { Reply } from '../platform/worker.ts';

const ANSWERS = {
  register: RegisterAnswer,
  acquire: AcquireAnswer,
  control: ControlAnswer,
  renew: RenewAnswer,
  complete: EndAnswer,
  fail: EndAnswer,
  return: EndAnswer,
} as const satisfies Record<Verb, unknown>;

/** Answers a call of a box, as the routes do. */
export async function serveAgent(env: Env, token: string, request: Request): Promise<unknown> {
  const caller = await authenticate(env, token);
  const { verb, body } = request;
  switch (verb) {
    case 'register':
      return take(await registerAgent(env, caller, RegisterBody.parse(body)));
    case 'acquire':
      return take(await acquireJob(env, caller, AcquireBody.parse(body)));
    case 'control':
      return take(await awaitControl(env, caller, ControlBody.parse(body)));
    case 'renew': {
      const renewed = await renewLeases(env, caller, RenewBody.parse(body));
      return take(renewed.answer);
    }
    case 'complete':
      return take(await endAttempt(env, caller, { how: verb, body: CompleteBody.parse(body) }));
    case 'fail':
      return take(await endAttempt(env, caller, { how: verb, body: FailBody.parse(body) }));
    case 'return':
      return take(await endAttempt(env, caller, { how: verb, body: ReturnBody.parse(body) }));
  }
}

/** Stores one file of a result. */
export async function serveUpload(
  env: Env,
  token: string,
  upload: Omit<Upload, 'agent' | 'body'>,
): Promise<UploadAnswer> {
  const { agent } = await authenticate(env, token);
  const body = null as unknown as ReadableStream;
  return take(await storeArtifact(env, { ...upload, agent, body }, Date.now()));
}

async function authenticate(env: Env, token: string): Promise<AgentCaller> {
  const caller = await readAgentToken(env, `Bearer ${token}`);
  if (!caller) throw new Refused('unauthorized');
  return caller;
}

type AgentReason =
  | 'unauthorized'
  | 'not_registered'
  | 'lease_lost'
  | 'foreign_artifact'
  | 'bad_ticket'
  | 'artifact_too_large'
  | 'not_a_picture'
  | 'hash_mismatch';

/** As edge/routes/error maps them. */
const CODES: Readonly<Record<AgentReason, ErrorCode>> = {
  unauthorized: 'unauthorized',
  not_registered: 'not_registered',
  lease_lost: 'lease_lost',
  foreign_artifact: 'invalid_request',
  bad_ticket: 'unauthorized',
  artifact_too_large: 'artifact_too_large',
  not_a_picture: 'invalid_request',
  hash_mismatch: 'hash_mismatch',
};

function take<T>(answer: Result<T, { readonly reason: AgentReason }>): T {
  if (answer.ok) return answer.value;
  throw new Refused(CODES[answer.error.reason], answer.error.reason);
}

/** Why a call brought no answer, in the session's words. */
export function toFailure(reply: Extract<Reply, { ok: false }>): CallFailure {
  const { code, detail } = reply;
  if (code === null) return { reason: 'unreachable', detail, retryAfterMs: null };
  return { reason: 'refused', code, detail, retryAfterMs: null };
}

/** What the session is told of a call. */
export function readReply(
  verb: Verb,
  reply: Reply,
): Answered | { readonly verb: null; readonly failure: CallFailure } {
  if (!reply.ok) return { verb: null, failure: toFailure(reply) };
  const parsed = ANSWERS[verb].safeParse(reply.value);
  if (parsed.success) return { verb, answer: parsed.data } as Answered;
  const detail = parsed.error.message;
  return { verb: null, failure: { reason: 'malformed', detail, retryAfterMs: null } };
}
