/**
 * What both picture routes share: how their answers are told. Pictures in base64 are read and
 * written one after the other, since an isolate has no room for four large ones at once.
 */
import type { Artifact } from '#schema/artifact.ts';
import type { ImageEvent, ImageStreamKind } from '#schema/openai/image.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Env } from '../../env.ts';
import { findEnd } from '../../services/openai/await-end.ts';
import type { Followed } from '../../services/openai/follow-events.ts';
import { openResult } from '../../services/openai/open-result.ts';
import { viewJob } from '../../services/view-job.ts';
import { toLive } from '../../services/find-job.ts';
import { refuse } from '../wire.ts';
import { toEndWire, toOpenWire } from './outcome.ts';

/** What the client calls the parameters of an image job. */
export const IMAGE_NAMES = {
  width: 'size',
  height: 'size',
  count: 'n',
  input_image: 'image',
} as const;

/** The answer with a signed URL for each picture. */
export async function viewUrls(
  env: Env,
  { record, origin }: { record: JobRecord; origin: string },
) {
  const context = { signingKey: env.signingKey, origin, now: Date.now() };
  const { artifacts } = await viewJob(toLive(record), context);
  return { created: secondsOf(record), data: artifacts.map(({ url }) => ({ url })) };
}

/** The answer with each picture in base64, as a body that is made while it is sent. */
export function writeBase64(env: Env, record: JobRecord): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const parts = tellBase64(env, record);
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: async () => {
      await parts.return(undefined);
    },
  });
}

async function* tellBase64(env: Env, record: JobRecord): AsyncGenerator<string, void> {
  yield `{"created":${secondsOf(record)},"data":[`;
  for (const { index } of record.artifacts) {
    if (index > 0) yield ',';
    yield `{"b64_json":"${await readBase64(env, record, index)}"}`;
  }
  yield ']}';
}

async function readBase64(env: Env, record: JobRecord, index: number): Promise<string> {
  const opened = await openResult(env, record, { index });
  if (!opened.ok) refuse(toOpenWire(opened.error));
  const bytes = await opened.value.object.bytes();
  // The runtime has it; the compiler's library of this year does not know it yet.
  return (bytes as typeof bytes & { toBase64(): string }).toBase64();
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

function formatOf(contentType: string): Shown['output_format'] {
  if (contentType === 'image/webp') return 'webp';
  return contentType === 'image/jpeg' ? 'jpeg' : 'png';
}

function secondsOf({ createdAt }: JobRecord): number {
  return Math.floor(createdAt / 1000);
}
