/**
 * An image classifier by ONNX Runtime, in a child process; its package, onnxruntime-node, is
 * optional. Any model that takes one picture and answers once for each label will do; the file
 * beside it says how (see settings.ts).
 */
import { access, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Child } from '../engines/child.ts';
import type { ChildOptions } from '../engines/child.ts';
import type { Classifier, Verdict } from './classifier.ts';
import type { OnnxRequest } from './onnx/child.ts';
import { ClassifierCard } from './settings.ts';
import type { ClassifierSettings } from './settings.ts';

const PACKAGE = 'onnxruntime-node';

/** Rejects, in words for the operator, when it could not look at any picture. */
export async function openOnnx(
  { model, home }: ClassifierSettings,
  options?: ChildOptions,
): Promise<Classifier> {
  const from = home === null ? import.meta.url : join(home, 'package.json');
  const path = createRequire(from).resolve(PACKAGE);
  await access(model);
  const card = await readCard(model.replace(/\.onnx$/i, '.json'));
  const child = new Child<OnnxRequest, never, readonly (readonly number[])[]>(
    new URL('./onnx/child.ts', import.meta.url),
    options,
  );
  // Jobs that ran together end together; the child looks at one picture at a time.
  let last: Promise<unknown> = Promise.resolve();
  return {
    classify: async (picture, signal) => {
      const request = { package: path, model, card, path: picture };
      const look = last.then(() => child.run(request, { signal, onEvent: () => {} }));
      last = look.catch(() => undefined);
      const { result } = await orAbort(look, signal);
      const verdicts = result.map((scores) => judge(scores, card));
      return verdicts.find(({ blocked }) => blocked) ?? verdicts[0]!;
    },
    close: () => child.stop(),
  };
}

/** One that waits for its turn does not wait longer than it is wanted. */
function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  return promise;
}

async function readCard(path: string): Promise<ClassifierCard> {
  const parsed = ClassifierCard.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!parsed.success) {
    const { path: where, message } = parsed.error.issues[0]!;
    throw new Error(`${path}: ${where.join('.')}: ${message}`);
  }
  const stranger = Object.keys(parsed.data.blocks).find(
    (label) => !parsed.data.labels.includes(label),
  );
  if (stranger !== undefined) throw new Error(`${path}: blocks.${stranger}: no such label`);
  return parsed.data;
}

/** What the certainties mean: blocked by the label that is furthest beyond its bound. */
export function judge(scores: readonly number[], card: ClassifierCard): Verdict {
  const all = card.labels.map((label, index) => ({ label, score: scores[index]! }));
  const over = all.filter(({ label, score }) => score >= (card.blocks[label] ?? Infinity));
  const [most] = (over.length > 0 ? over : all).toSorted((a, b) => b.score - a.score);
  return { blocked: over.length > 0, ...most! };
}
