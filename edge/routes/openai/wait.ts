/**
 * How a request waits for the job that it made: for its end, or for its answer as it comes. A
 * client that goes away leaves its job behind, as `Client` says.
 */
import type { JobRecord, LiveJob } from '#schema/record.ts';
import { awaitEnd } from '../../services/openai/await-end.ts';
import { streamAnswer } from '../../services/openai/stream-answer.ts';
import type { StreamedAnswer } from '../../services/openai/stream-answer.ts';
import { refuse } from '../wire.ts';
import { clientOf } from './caller.ts';
import type { Call } from './caller.ts';
import { lastWords, STREAM_HEADERS, toEndWire, withRefusals } from './outcome.ts';

/** The job once it is completed; refuses when it ends otherwise, or not in time. */
export async function waitForEnd(c: Call, job: LiveJob): Promise<JobRecord> {
  const ended = await awaitEnd(c.var.env, { job, client: clientOf(c), origin: c.var.origin });
  if (!ended.ok) refuse(toEndWire(ended.error));
  return ended.value;
}

/** Server-sent events, which `tell` makes of the job's; a refusal among them is the last one. */
export function streamEvents(
  c: Call,
  { job, tell }: { readonly job: LiveJob; readonly tell: StreamedAnswer['tell'] },
) {
  const { env, origin, requestId } = c.var;
  const stream = streamAnswer(env, {
    ...{ job, client: clientOf(c), origin },
    tell: (events) => withRefusals(tell(events), requestId),
    lastWords: lastWords(requestId),
  });
  return c.body(stream, 200, STREAM_HEADERS);
}
