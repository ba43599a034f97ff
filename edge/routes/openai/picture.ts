/**
 * What both picture routes share: how their answers are told. Pictures in base64 are read and
 * written as their bytes come, since an isolate has no room for four large ones at once.
 */
import type { Artifact } from '#schema/artifact.ts';
import { findModel } from '#schema/model.ts';
import { QUALITY_STEPS } from '#schema/openai/image.ts';
import type { ImageEvent, ImageStreamKind, PictureFormat } from '#schema/openai/image.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Env } from '../../env.ts';
import { findEnd } from '../../services/openai/await-end.ts';
import type { Followed } from '../../services/openai/follow-events.ts';
import { openResult } from '../../services/openai/open-result.ts';
import { viewJob } from '../../services/view-job.ts';
import { toLive } from '../../services/find-job.ts';
import { toFieldWire } from '../error.ts';
import { refuse } from '../wire.ts';
import { toEndWire, toOpenWire } from './outcome.ts';

/** What the client calls the parameters of an image job. */
export const IMAGE_NAMES = {
  width: 'size',
  height: 'size',
  count: 'n',
  input_image: 'image',
} as const;

/** The steps that a request asks for in its own word or by its quality; nothing for the model's. */
export function toSteps(request: {
  readonly model?: string | null | undefined;
  readonly steps?: number | undefined;
  readonly quality?: keyof typeof QUALITY_STEPS | null | undefined;
}): number | undefined {
  const { quality, steps } = request;
  const share = QUALITY_STEPS[quality ?? 'auto'];
  if (share === 1) return steps;
  if (steps !== undefined) {
    refuse(toFieldWire({ field: 'quality', value: quality, message: 'must be auto beside steps' }));
  }
  const model = findModel(request.model ?? '');
  // A model that is unknown is refused for that.
  if (model) return Math.min(model.stepsMax, Math.max(1, Math.round(model.steps * share)));
  if (request.model) return undefined;
  const message = 'is only for a model that is named, or auto';
  refuse(toFieldWire({ field: 'quality', value: quality, message }));
}

/** The answer with a signed URL for each picture. */
export async function viewUrls(
  env: Env,
  { record, origin }: { record: JobRecord; origin: string },
) {
  const context = { signingKey: env.signingKey, origin, now: Date.now() };
  const { artifacts } = await viewJob(toLive(record), context);
  return { ...headOf(record), data: artifacts.map(({ url }) => ({ url })) };
}

function headOf(record: JobRecord) {
  const [first = null] = record.artifacts;
  const output_format = formatOf(first?.contentType ?? '');
  return { created: secondsOf(record), output_format, size: sizeOf(record, first) };
}

/** All pictures of the job, opened but not read: a file that is gone is an error of the answer. */
export async function openPictures(env: Env, record: JobRecord): Promise<readonly R2ObjectBody[]> {
  const opened = await Promise.all(
    record.artifacts.map(({ index }) => openResult(env, record, { index })),
  );
  const gone = opened.find((one) => !one.ok);
  if (!gone || gone.ok) return opened.flatMap((one) => (one.ok ? [one.value.object] : []));
  for (const one of opened) if (one.ok) await one.value.object.body.cancel();
  refuse(toOpenWire(gone.error));
}

/** The answer with each picture in base64, as a body that is made while it is sent. */
export function writeBase64(
  record: JobRecord,
  pictures: readonly R2ObjectBody[],
): { body: ReadableStream<Uint8Array>; bytes: number } {
  const head = `${JSON.stringify(headOf(record)).slice(0, -1)},"data":[`;
  const frame = `${head}]}`.length + Math.max(0, pictures.length - 1);
  const entries = pictures.map(({ size }) => '{"b64_json":""}'.length + 4 * Math.ceil(size / 3));
  const bytes = entries.reduce((sum, entry) => sum + entry, frame);
  const encoder = new TextEncoder();
  const parts = tellBase64(head, pictures);
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: async () => {
      await parts.return(undefined);
    },
  });
  // So that a body which breaks off is seen to, also where it would parse.
  return { body: body.pipeThrough(new FixedLengthStream(bytes)), bytes };
}

async function* tellBase64(
  head: string,
  pictures: readonly R2ObjectBody[],
): AsyncGenerator<string, void> {
  yield head;
  for (const [index, { body }] of pictures.entries()) {
    yield `${index > 0 ? ',' : ''}{"b64_json":"`;
    yield* encodeBase64(body);
    yield '"}';
  }
  yield ']}';
}

/** Base64 as the bytes come: each piece but the last is of whole groups of three. */
async function* encodeBase64(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  let rest = new Uint8Array();
  for await (const chunk of body) {
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    const whole = bytes.length - (bytes.length % 3);
    rest = bytes.slice(whole);
    if (whole > 0) yield toBase64(bytes.subarray(0, whole));
  }
  if (rest.length > 0) yield toBase64(rest);
}

function toBase64(bytes: Uint8Array): string {
  // The runtime has it; the compiler's library of this year does not know it yet.
  return (bytes as typeof bytes & { toBase64(): string }).toBase64();
}

async function readBase64(env: Env, record: JobRecord, index: number): Promise<string> {
  const opened = await openResult(env, record, { index });
  if (!opened.ok) refuse(toOpenWire(opened.error));
  return toBase64(await opened.value.object.bytes());
}

export interface PictureStream {
  readonly record: JobRecord;
  readonly kind: ImageStreamKind;
  /** Previews that are told at most. */
  readonly partials: number;
}

/** The frames: previews, spread over the work as far as they come, then each picture. */
export async function* tellPictures(
  env: Env,
  { record, kind, partials }: PictureStream,
  events: AsyncIterable<Followed>,
): AsyncGenerator<string> {
  let told = 0;
  let fraction = 0;
  const size = sizeOf(record, null);
  for await (const event of events) {
    if (event.event === 'progress') fraction = event.data.fraction;
    if (event.event !== 'preview' || told >= partials) continue;
    if (fraction < told / (partials + 1)) continue;
    const { data, content_type: type } = event.data;
    const shown = { b64_json: data, size, output_format: formatOf(type) };
    yield toFrame({ type: `${kind}.partial_image`, partial_image_index: told, ...eventOf(shown) });
    told += 1;
  }
  const ended = await findEnd(env, { jobId: record.id, accountId: record.accountId });
  if (!ended.ok) refuse(toEndWire(ended.error));
  for (const artifact of ended.value.artifacts) {
    const b64_json = await readBase64(env, ended.value, artifact.index);
    const made = { b64_json, size: sizeOf(record, artifact) };
    const output_format = formatOf(artifact.contentType);
    yield toFrame({ type: `${kind}.completed`, ...eventOf({ ...made, output_format }) });
  }
}

type Shown = Pick<ImageEvent, 'b64_json' | 'size' | 'output_format'>;

function eventOf(shown: Shown) {
  const created_at = Math.floor(Date.now() / 1000);
  return { ...shown, created_at, quality: 'auto' as const, background: 'opaque' as const };
}

function toFrame(event: ImageEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function sizeOf({ spec }: JobRecord, artifact: Artifact | null): string {
  if (artifact?.width && artifact.height) return `${artifact.width}x${artifact.height}`;
  return spec.type === 'image' ? `${spec.width}x${spec.height}` : 'auto';
}

function formatOf(contentType: string): PictureFormat {
  if (contentType === 'image/webp') return 'webp';
  return contentType === 'image/jpeg' ? 'jpeg' : 'png';
}

function secondsOf({ createdAt }: JobRecord): number {
  return Math.floor(createdAt / 1000);
}
