import { describe, expect, it } from 'vitest';
import { makeAgentShow, makeEdgeShow } from './show.ts';

const show = (fields: object) => makeAgentShow()(JSON.stringify(fields));

describe('a line of the agent', () => {
  it('says why a token was refused, and what to do', () => {
    const line = {
      level: 'error',
      op: 'agent.exit',
      code: 1,
      reason: 'unauthorized',
      help: 'the edge refused TESSERA_AGENT_TOKEN',
    };
    expect(show(line)).toBe('agent.exit: unauthorized: the edge refused TESSERA_AGENT_TOKEN');
  });

  it('says how an engine failed, without the stack', () => {
    const line = {
      level: 'warn',
      op: 'engine.fail',
      code: 'engine_error',
      detail: 'no RAM\n  at x',
    };
    expect(show(line)).toBe('engine.fail: engine_error: no RAM');
  });

  it('is not shown when it is no warning', () => {
    expect(show({ level: 'info', op: 'agent.start' })).toBeUndefined();
  });
});

it('shows the message of an error that the Worker logged', () => {
  const line = { level: 'error', op: 'outbox.fail', error: { message: 'connection lost' } };
  expect(makeEdgeShow()(JSON.stringify(line))).toBe('outbox.fail: connection lost');
});
