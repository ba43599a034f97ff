/**
 * The agent protocol over one WebSocket, `GET /agent/v1/socket`: the same calls with the same
 * bodies and answers as agent-protocol.ts, in JSON messages instead of requests, for less work on
 * both sides. It is a faster way and no other: what it carries may come by HTTPS at any time, and
 * does whenever there is no socket.
 *
 *   agent   {"id": 7, "verb": "acquire", "body": {…}}     a call; ids rise
 *   agent   {"id": 7, "verb": "end"}                      this parked poll is over
 *   edge    {"id": 7, "answer": {…}}                      once per call
 *   edge    {"id": 7, "error": {"code": "…", "message": "…"}}
 *   agent   ping                                          answered `pong` without waking anyone
 */
import { z } from 'zod';
import {
  AcquireBody,
  CompleteBody,
  ControlBody,
  FailBody,
  RenewBody,
  ReturnBody,
} from './agent-protocol.ts';
import { ErrorCode } from './error.ts';

export const SOCKET_PATH = '/agent/v1/socket';
export const PING = 'ping';
export const PONG = 'pong';

const CallId = z.int().min(1);

/** What an agent sends: a call, or the end of one that is parked. */
export const SocketCall = z.discriminatedUnion('verb', [
  z.strictObject({ id: CallId, verb: z.literal('acquire'), body: AcquireBody }),
  z.strictObject({ id: CallId, verb: z.literal('control'), body: ControlBody }),
  z.strictObject({ id: CallId, verb: z.literal('renew'), body: RenewBody }),
  z.strictObject({ id: CallId, verb: z.literal('complete'), body: CompleteBody }),
  z.strictObject({ id: CallId, verb: z.literal('fail'), body: FailBody }),
  z.strictObject({ id: CallId, verb: z.literal('return'), body: ReturnBody }),
  z.strictObject({ id: CallId, verb: z.literal('end') }),
]);
export type SocketCall = z.infer<typeof SocketCall>;

/** Enough of a call to answer that it is wrong. */
export const SocketCallId = z.object({ id: CallId });

/** What the edge sends: `answer` is that of the call's verb. */
export const SocketAnswer = z.union([
  z.object({ id: CallId, answer: z.unknown() }),
  z.object({ id: CallId, error: z.object({ code: ErrorCode, message: z.string() }) }),
]);
export type SocketAnswer = z.infer<typeof SocketAnswer>;
