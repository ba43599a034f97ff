/**
 * The process of the ONNX classifier: makes a picture into what the model wants, runs it, and
 * answers a certainty for each label, of an animated picture for several of its frames. Inputs
 * are one picture, channels first; outputs logits or certainties.
 */
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { assert } from '#schema/assert.ts';
import { serve } from '../../engines/serve.ts';
import type { ClassifierCard } from '../settings.ts';

/** What we use of onnxruntime-node (https://onnxruntime.ai/docs/api/js), version 1. */
export interface OnnxPackage {
  readonly Tensor: new (
    type: 'float32',
    data: Float32Array,
    dims: readonly number[],
  ) => { readonly data: Float32Array };
  readonly InferenceSession: {
    create(
      path: string,
      options: { readonly intraOpNumThreads: number },
    ): Promise<{
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      run(
        feeds: Readonly<Record<string, object>>,
      ): Promise<Readonly<Record<string, { readonly data: Float32Array }>>>;
    }>;
  };
}

export interface OnnxRequest {
  /** Where the package's code is. */
  readonly package: string;
  readonly model: string;
  readonly card: ClassifierCard;
  readonly path: string;
}

/** The GPU's job goes before: one core is enough for one picture. */
const THREADS = 1;
/** Decoded pixels; larger than any picture that an engine here makes. */
const PIXELS_MAX = 64_000_000;
/** Frames of an animated picture that are looked at. */
const PAGES_MAX = 12;

type Session = Awaited<ReturnType<OnnxPackage['InferenceSession']['create']>>;
let opened: { readonly code: OnnxPackage; readonly session: Session } | null = null;

async function open(request: OnnxRequest) {
  const loaded = (await import(pathToFileURL(request.package).href)) as OnnxPackage & {
    default?: OnnxPackage;
  };
  // A CommonJS package has all it exports under `default`.
  const code = loaded.default ?? loaded;
  const options = { intraOpNumThreads: THREADS };
  return { code, session: await code.InferenceSession.create(request.model, options) };
}

/** Which of a picture's frames are looked at: of one that moves, some, the first and the last too. */
async function pagesOf(path: string): Promise<readonly number[]> {
  const { pages = 1 } = await sharp(path, { limitInputPixels: PIXELS_MAX }).metadata();
  const looks = Math.min(pages, PAGES_MAX);
  const step = looks > 1 ? (pages - 1) / (looks - 1) : 0;
  return Array.from({ length: looks }, (_, index) => Math.round(index * step));
}

/** The picture as the model wants it: resized to a square, normalised, channels first. */
async function read(
  path: string,
  page: number,
  { sidePx, mean, std }: ClassifierCard,
): Promise<Float32Array> {
  const rgb = await sharp(path, { page, limitInputPixels: PIXELS_MAX })
    .resize(sidePx, sidePx, { fit: 'fill' })
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer();
  const plane = sidePx * sidePx;
  assert(rgb.length === plane * 3, 'a picture has three channels');
  const data = new Float32Array(plane * 3);
  for (let pixel = 0; pixel < plane; pixel++) {
    for (let k = 0; k < 3; k++) {
      data[k * plane + pixel] = (rgb[pixel * 3 + k]! / 255 - mean[k]!) / std[k]!;
    }
  }
  return data;
}

function softmax(values: readonly number[]): number[] {
  const most = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - most));
  const sum = powers.reduce((all, power) => all + power, 0);
  return powers.map((power) => power / sum);
}

serve<OnnxRequest, never, readonly (readonly number[])[]>({
  load: () => Promise.resolve(),
  handle: async (request) => {
    opened ??= await open(request);
    const { code, session } = opened;
    const { card, path } = request;
    const { sidePx, labels, isProbability } = card;
    const scores: (readonly number[])[] = [];
    for (const page of await pagesOf(path)) {
      const tensor = new code.Tensor('float32', await read(path, page, card), [
        1,
        3,
        sidePx,
        sidePx,
      ]);
      const answers = await session.run({ [session.inputNames[0]!]: tensor });
      const values = [...answers[session.outputNames[0]!]!.data];
      assert(values.length === labels.length, 'the model answers once for each label');
      scores.push(isProbability ? values : softmax(values));
    }
    return scores;
  },
});
