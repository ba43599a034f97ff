/**
 * Frames of ComfyUI's WebSocket as events. Pure. What is unknown, malformed or of no use here
 * becomes null: the socket only hints, the truth is the server's history.
 * Binary frames are big-endian: event 1 is a preview, event 4 a preview that names its prompt.
 */
import { z } from 'zod';
import { Exception } from './failure.ts';

export type ComfyEvent =
  | { readonly kind: 'started'; readonly promptId: string }
  /** The node that is executed now; null: the prompt is over, whatever came of it. */
  | { readonly kind: 'node'; readonly promptId: string | null; readonly node: string | null }
  | {
      readonly kind: 'progress';
      readonly promptId: string;
      readonly node: string;
      readonly value: number;
      readonly max: number;
    }
  | {
      readonly kind: 'preview';
      readonly promptId: string | null;
      readonly contentType: 'image/jpeg' | 'image/png';
      readonly bytes: Uint8Array;
    }
  /** The prompt is over; history tells how. */
  | { readonly kind: 'over'; readonly promptId: string };

const Text = z.object({ type: z.string(), data: z.record(z.string(), z.unknown()) });
const PromptId = z.string().min(1);
const Step = z.object({
  prompt_id: PromptId,
  node: z.string(),
  value: z.number().min(0),
  max: z.number().positive(),
});

/** A text frame. */
export function readText(frame: string): ComfyEvent | null {
  const { type, data } = Text.safeParse(parseJson(frame)).data ?? { type: '', data: {} };
  const promptId = PromptId.safeParse(data['prompt_id']).data ?? null;
  switch (type) {
    case 'execution_start':
      return promptId ? { kind: 'started', promptId } : null;
    case 'executing': {
      const node = z.string().nullable().safeParse(data['node']);
      return node.success ? { kind: 'node', promptId, node: node.data } : null;
    }
    case 'progress': {
      const step = Step.safeParse(data).data;
      return step
        ? {
            kind: 'progress',
            promptId: step.prompt_id,
            node: step.node,
            value: Math.min(step.value, step.max),
            max: step.max,
          }
        : null;
    }
    case 'execution_success':
    case 'execution_error':
    case 'execution_interrupted':
      return promptId ? { kind: 'over', promptId } : null;
    default:
      return null;
  }
}

const PREVIEW = 1;
const PREVIEW_OF_PROMPT = 4;
const Metadata = z.object({ prompt_id: PromptId.optional() });

/** A binary frame. */
export function readBinary(frame: Uint8Array): ComfyEvent | null {
  if (frame.length < 8) return null;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const second = view.getUint32(4);
  switch (view.getUint32(0)) {
    case PREVIEW:
      return preview(null, frame.subarray(8));
    case PREVIEW_OF_PROMPT: {
      if (second > frame.length - 8) return null;
      const text = new TextDecoder().decode(frame.subarray(8, 8 + second));
      const metadata = Metadata.safeParse(parseJson(text)).data;
      return metadata ? preview(metadata.prompt_id ?? null, frame.subarray(8 + second)) : null;
    }
    default:
      return null;
  }
}

/** By the picture's own first bytes: the frame's word for its format is not needed. */
function preview(promptId: string | null, bytes: Uint8Array): ComfyEvent | null {
  const jpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  const png = bytes[0] === 0x89 && bytes[1] === 0x50;
  if (!jpeg && !png) return null;
  return { kind: 'preview', promptId, contentType: jpeg ? 'image/jpeg' : 'image/png', bytes };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not for us: null fits no schema.
    return null;
  }
}

const Message = z.tuple([z.string(), z.record(z.string(), z.unknown())]);
const Item = z.object({
  filename: z.string().min(1),
  subfolder: z.string().catch(''),
  type: z.string().catch('output'),
});
/** A file that the server made, by which it can be asked for. */
export type ComfyFile = z.infer<typeof Item>;

/** One entry of `/history`. */
export const HistoryEntry = z.object({
  status: z
    .object({
      status_str: z.string().catch(''),
      completed: z.boolean().catch(false),
      messages: z.array(z.unknown()).catch([]),
    })
    .nullish(),
  outputs: z.record(z.string(), z.record(z.string(), z.unknown())).catch({}),
});
export type HistoryEntry = z.infer<typeof HistoryEntry>;

/** How an execution ended, as its messages tell: the status alone calls an interrupt an error. */
export function endOf(
  entry: HistoryEntry,
): { how: 'success' | 'interrupted' } | { how: 'error'; exception: Exception } {
  const messages = (entry.status?.messages ?? []).flatMap((one) => {
    const message = Message.safeParse(one).data;
    return message ? [message] : [];
  });
  const error = messages.find(([event]) => event === 'execution_error');
  if (error) return { how: 'error', exception: Exception.parse(error[1]) };
  if (messages.some(([event]) => event === 'execution_interrupted')) return { how: 'interrupted' };
  if (entry.status?.status_str === 'error') {
    return { how: 'error', exception: Exception.parse({}) };
  }
  return { how: 'success' };
}

/** The kept files of a node, whatever key it tells them under; previews are none. */
export function filesOf(entry: HistoryEntry, node: string): readonly ComfyFile[] {
  return Object.values(entry.outputs[node] ?? {})
    .flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []))
    .flatMap((one) => {
      const item = Item.safeParse(one).data;
      return item && item.type === 'output' ? [item] : [];
    });
}
