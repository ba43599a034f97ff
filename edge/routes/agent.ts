/** `/agent/v1/*`: the protocol of the GPU boxes, see schema/agent-protocol.ts. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import {
  AcquireAnswer,
  AcquireBody,
  CompleteBody,
  ControlAnswer,
  ControlBody,
  EndAnswer,
  FailBody,
  LeaveAnswer,
  LeaveBody,
  RegisterAnswer,
  RegisterBody,
  RenewAnswer,
  RenewBody,
  ReturnBody,
  StreamAnswer,
  StreamBody,
} from '#schema/agent-protocol.ts';
import { SOCKET_PATH } from '#schema/agent-socket.ts';
import type { ErrorCode } from '#schema/error.ts';
import type { Result } from '../core/result.ts';
import type { AppEnv } from '../env.ts';
import type { AgentRefusal } from '../rpc/scheduler.ts';
import { acquireJob } from '../services/acquire-job.ts';
import { appendText } from '../services/append-text.ts';
import { awaitControl } from '../services/await-control.ts';
import { endAttempt } from '../services/end-attempt.ts';
import { leavePool } from '../services/leave-pool.ts';
import { openSocket } from '../services/open-socket.ts';
import { registerAgent } from '../services/register-agent.ts';
import { renewLeases } from '../services/renew-leases.ts';
import { fromAgent, onInvalid } from './access.ts';
import { BY_AGENT, errors, json } from './describe.ts';
import { toAgentWire, toEndWire, toTicketWire } from './error.ts';
import { refuse } from './wire.ts';

const ERRORS_OF_ALL = [
  'invalid_request',
  'invalid_json',
  'unsupported_media_type',
  'body_too_large',
  'unauthorized',
  'unavailable',
  'internal',
] as const satisfies ErrorCode[];

/** A call of the protocol: JSON in, JSON out. */
function call<Path extends string, Body extends z.ZodType, Answer extends z.ZodType>(spec: {
  path: Path;
  summary: string;
  body: Body;
  answer: Answer;
  refusals: ErrorCode[];
}) {
  return createRoute({
    method: 'post',
    path: spec.path,
    tags: ['Agent'],
    summary: spec.summary,
    security: BY_AGENT,
    middleware: fromAgent,
    request: { body: { content: json(spec.body), required: true } },
    responses: {
      200: { description: 'The answer.', content: json(spec.answer) },
      ...errors(...ERRORS_OF_ALL, ...spec.refusals),
    },
  });
}

const LEASED: ErrorCode[] = ['not_registered', 'lease_lost'];
const registerRoute = call({
  path: '/agent/v1/register',
  summary: 'Announce a session and what it can run',
  body: RegisterBody,
  answer: RegisterAnswer,
  refusals: [],
});
const acquireRoute = call({
  path: '/agent/v1/acquire',
  summary: 'Long poll for a job',
  body: AcquireBody,
  answer: AcquireAnswer,
  refusals: ['not_registered'],
});
const renewRoute = call({
  path: '/agent/v1/renew',
  summary: 'Heartbeat: extend leases, report progress',
  body: RenewBody,
  answer: RenewAnswer,
  refusals: ['not_registered'],
});
const controlRoute = call({
  path: '/agent/v1/control',
  summary: 'Long poll for orders beside a running job',
  body: ControlBody,
  answer: ControlAnswer,
  refusals: ['not_registered'],
});
const streamRoute = call({
  path: '/agent/v1/stream',
  summary: "Append generated text to the job's events",
  body: StreamBody,
  answer: StreamAnswer,
  refusals: [],
});
const completeRoute = call({
  path: '/agent/v1/complete',
  summary: 'End an attempt with its result',
  body: CompleteBody,
  answer: EndAnswer,
  refusals: LEASED,
});
const failRoute = call({
  path: '/agent/v1/fail',
  summary: 'End an attempt that failed',
  body: FailBody,
  answer: EndAnswer,
  refusals: LEASED,
});
const returnRoute = call({
  path: '/agent/v1/return',
  summary: 'Give a job back, uncounted',
  body: ReturnBody,
  answer: EndAnswer,
  refusals: LEASED,
});
const leaveRoute = call({
  path: '/agent/v1/leave',
  summary: 'Say goodbye',
  body: LeaveBody,
  answer: LeaveAnswer,
  refusals: ['not_registered'],
});

const socketRoute = createRoute({
  method: 'get',
  path: SOCKET_PATH,
  tags: ['Agent'],
  summary: 'The same calls over one WebSocket',
  security: BY_AGENT,
  middleware: fromAgent,
  responses: {
    101: { description: 'The socket is open.' },
    ...errors('unauthorized', 'invalid_request', 'unavailable', 'internal'),
  },
});

export const agentRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid })
  .openapi(registerRoute, async (c) => {
    const answer = await registerAgent(c.get('env'), c.get('caller'), c.req.valid('json'));
    return c.json(take(answer), 200);
  })
  .openapi(acquireRoute, async (c) => {
    const answer = await acquireJob(c.get('env'), c.get('caller'), c.req.valid('json'));
    return c.json(take(answer), 200);
  })
  .openapi(controlRoute, async (c) => {
    const answer = await awaitControl(c.get('env'), c.get('caller'), c.req.valid('json'));
    return c.json(take(answer), 200);
  })
  .openapi(renewRoute, async (c) => {
    const renewed = await renewLeases(c.get('env'), c.get('caller'), c.req.valid('json'));
    c.executionCtx.waitUntil(renewed.passedOn);
    return c.json(take(renewed.answer), 200);
  })
  .openapi(streamRoute, async (c) => {
    const { agent } = c.get('caller');
    const answer = await appendText(c.get('env'), { agent, body: c.req.valid('json') }, Date.now());
    if (!answer.ok) refuse(toTicketWire());
    return c.json(answer.value, 200);
  })
  .openapi(completeRoute, async (c) => {
    const end = { how: 'complete', body: c.req.valid('json') } as const;
    return c.json(takeEnd(await endAttempt(c.get('env'), c.get('caller'), end)), 200);
  })
  .openapi(failRoute, async (c) => {
    const end = { how: 'fail', body: c.req.valid('json') } as const;
    return c.json(takeEnd(await endAttempt(c.get('env'), c.get('caller'), end)), 200);
  })
  .openapi(returnRoute, async (c) => {
    const end = { how: 'return', body: c.req.valid('json') } as const;
    return c.json(takeEnd(await endAttempt(c.get('env'), c.get('caller'), end)), 200);
  })
  .openapi(leaveRoute, async (c) =>
    c.json(take(await leavePool(c.get('env'), c.get('caller'), c.req.valid('json'))), 200),
  )
  .openapi(socketRoute, async (c) => {
    if (c.req.header('upgrade')?.toLowerCase() !== 'websocket') {
      refuse({ code: 'invalid_request', message: 'Send `Upgrade: websocket`.' });
    }
    const opened = await openSocket(c.get('env'), c.get('caller'));
    return opened ?? refuse({ code: 'unauthorized' });
  });

function takeEnd(answer: Awaited<ReturnType<typeof endAttempt>>): EndAnswer {
  if (!answer.ok) refuse(toEndWire(answer.error));
  return answer.value;
}

function take<T>(answer: Result<T, AgentRefusal>): T {
  if (!answer.ok) refuse(toAgentWire(answer.error));
  return answer.value;
}
