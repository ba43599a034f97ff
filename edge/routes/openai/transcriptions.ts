/** `POST /v1/audio/transcriptions` and `/v1/audio/translations`, as OpenAI's clients send them. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import {
  Transcription,
  TranscriptionEvent,
  TranscriptionRequest,
  TranslationRequest,
  VerboseTranscription,
} from '#schema/openai/audio.ts';
import type { AppEnv } from '../../env.ts';
import { awaitEnd } from '../../services/openai/await-end.ts';
import { streamAnswer } from '../../services/openai/stream-answer.ts';
import { authenticated } from '../access.ts';
import { BY_API_KEY, errors } from '../describe.ts';
import { toFieldWire } from '../error.ts';
import { refuse } from '../wire.ts';
import type { AdmittedCall, Call } from './caller.ts';
import {
  clientOf,
  onUnsupported,
  SUBMIT_ERRORS,
  SubmitHeaders,
  submitFor,
  WAIT_ERRORS,
} from './caller.ts';
import { lastWords, STREAM_HEADERS, toEndWire, withRefusals } from './outcome.ts';
import { readAnswer, tellTranscript } from './transcript.ts';
import type { Wanted } from './transcript.ts';
import { FORM_ERRORS, hashForm, keepFile, limited } from './upload.ts';

const TEXT = { schema: { type: 'string' } } as const;
const WRITTEN = {
  ...{ 'text/plain': TEXT, 'application/x-subrip': TEXT, 'text/vtt': TEXT },
  'application/json': { schema: Transcription.or(VerboseTranscription) },
};
const ERRORS = errors(...SUBMIT_ERRORS, ...FORM_ERRORS, ...WAIT_ERRORS);
const ABOUT =
  'As the official OpenAI clients send and expect it; `x-job-id` names the job. Of `verbose_json` ' +
  'it has what the engine tells: times of segments and words, no probabilities. ';

const transcriptionRoute = createRoute({
  method: 'post',
  path: '/v1/audio/transcriptions',
  tags: ['OpenAI-compatible'],
  summary: 'Write down a recording',
  description: `${ABOUT}A stream is kept open until the whole text is there.`,
  security: BY_API_KEY,
  middleware: [authenticated('jobs:write'), limited] as const,
  request: {
    headers: SubmitHeaders,
    body: { content: { 'multipart/form-data': { schema: TranscriptionRequest } }, required: true },
  },
  responses: {
    200: {
      description: 'The text, in the format that was asked for.',
      content: { ...WRITTEN, 'text/event-stream': { schema: TranscriptionEvent } },
    },
    ...ERRORS,
  },
});

const translationRoute = createRoute({
  method: 'post',
  path: '/v1/audio/translations',
  tags: ['OpenAI-compatible'],
  summary: 'Write down a recording in English',
  description: ABOUT,
  security: BY_API_KEY,
  middleware: [authenticated('jobs:write'), limited] as const,
  request: {
    headers: SubmitHeaders,
    body: { content: { 'multipart/form-data': { schema: TranslationRequest } }, required: true },
  },
  responses: {
    200: { description: 'The text, in the format that was asked for.', content: WRITTEN },
    ...ERRORS,
  },
});

export const transcriptionRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onUnsupported })
  .openapi(transcriptionRoute, async (c) => {
    const form = c.req.valid('form');
    const { response_format: format = 'json' } = form;
    const granularities = form['timestamp_granularities[]'];
    if (granularities && format !== 'verbose_json') {
      const message = 'is only for the response_format verbose_json';
      refuse(toFieldWire({ field: 'timestamp_granularities[]', message }));
    }
    if (form.stream && format !== 'json' && format !== 'text') {
      refuse(
        toFieldWire({ field: 'response_format', message: 'must be json or text for a stream' }),
      );
    }
    const wanted: Wanted = { task: 'transcribe', format, granularities: granularities ?? [] };
    const job = await submitRecording(c, { form, wanted, language: form.language });
    if (!form.stream) return answer(c, { job, wanted });
    const env = c.get('env');
    const requestId = c.get('requestId');
    const stream = streamAnswer(env, {
      ...{ job, client: clientOf(c), origin: c.get('origin') },
      tell: (events) => withRefusals(tellTranscript(env, job.record, events), requestId),
      lastWords: lastWords(requestId),
    });
    return c.body(stream, 200, STREAM_HEADERS);
  })
  .openapi(translationRoute, async (c) => {
    const form = c.req.valid('form');
    const format = form.response_format ?? 'json';
    const wanted: Wanted = { task: 'translate', format, granularities: [] };
    const job = await submitRecording(c, { form, wanted, language: undefined });
    return answer(c, { job, wanted });
  });

type Job = Awaited<ReturnType<typeof submitFor>>;

interface Recording {
  readonly form: TranslationRequest;
  readonly wanted: Wanted;
  readonly language: string | undefined;
}

async function submitRecording(
  c: AdmittedCall,
  { form, wanted, language }: Recording,
): Promise<Job> {
  const { file, model } = form;
  const kept = await keepFile(c, { file, field: 'file', purpose: 'audio' });
  const request = {
    type: 'transcription',
    ...{ model, language },
    file: kept.id,
    translate: wanted.task === 'translate' ? true : undefined,
    timestamps: timestampsOf(wanted),
    format: wanted.format === 'verbose_json' ? 'json' : wanted.format,
  };
  const fingerprint = await hashForm({ ...request, format: wanted.format }, [kept]);
  return submitFor(c, { request, sent: form, names: { format: 'response_format' }, fingerprint });
}

function timestampsOf({ format, granularities }: Wanted): 'none' | 'segment' | 'word' {
  if (granularities.includes('word')) return 'word';
  return format === 'json' || format === 'text' ? 'none' : 'segment';
}

async function answer(c: Call, { job, wanted }: { job: Job; wanted: Wanted }) {
  const { env, origin } = c.var;
  const ended = await awaitEnd(env, { job, client: clientOf(c), origin });
  if (!ended.ok) refuse(toEndWire(ended.error));
  const { text, contentType } = await readAnswer(env, ended.value, wanted);
  return c.body(text, 200, { 'content-type': contentType });
}
