/** `POST /v1/audio/transcriptions` and `/v1/audio/translations`, as OpenAI's clients send them. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { modelsOf } from '#schema/model.ts';
import {
  Transcription,
  TranscriptionEvent,
  TranscriptionRequest,
  TranslationRequest,
  VerboseTranscription,
} from '#schema/openai/audio.ts';
import type { AppEnv } from '../../env.ts';
import { authenticated } from '../access.ts';
import { BY_API_KEY, errors } from '../describe.ts';
import { toFieldWire } from '../error.ts';
import { refuse } from '../wire.ts';
import type { AdmittedCall, Call } from './caller.ts';
import { onUnsupported, SUBMIT_ERRORS, SubmitHeaders, submitFor, WAIT_ERRORS } from './caller.ts';
import { readAnswer, tellTranscript } from './transcript.ts';
import type { Wanted } from './transcript.ts';
import { FORM_ERRORS, hashForm, keepFile, limited } from './upload.ts';
import { streamEvents, waitForEnd } from './wait.ts';

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
    return streamEvents(c, { job, tell: (events) => tellTranscript(env, job.record, events) });
  })
  .openapi(translationRoute, async (c) => {
    const form = c.req.valid('form');
    const format = form.response_format ?? 'json';
    checkTranslator(form.model);
    const wanted: Wanted = { task: 'translate', format, granularities: [] };
    const job = await submitRecording(c, { form, wanted, language: undefined });
    return answer(c, { job, wanted });
  });

/** Refuses a model that writes down, but only in the language that is spoken. */
function checkTranslator(id: string | null | undefined): void {
  const models = modelsOf('transcription');
  const named = models.find((model) => model.id === id);
  if (!named || named.accepts.includes('translate')) return;
  const able = models.filter(({ accepts }) => accepts.includes('translate'));
  const limit = able.map((model) => model.id);
  const message = `must be one that translates: ${limit.join(', ')}`;
  refuse(toFieldWire({ field: 'model', limit, value: id, message }));
}

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
  const record = await waitForEnd(c, job);
  const { text, contentType } = await readAnswer(c.var.env, record, wanted);
  return c.body(text, 200, { 'content-type': contentType });
}
