/**
 * What the edge has of a file that is sent in parts, on disk beside the file: written after every
 * part before the next one is sent, so that whoever goes on, this process or the next, sends no
 * part twice but the one that was under way. A receipt that cannot be read is none.
 */
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { BeginUploadAnswer, PartAnswer, UploadAnswer } from '#schema/agent-protocol.ts';
import { Sha256 } from '#schema/artifact.ts';
import { UPLOAD_PARTS_MAX } from '#schema/limits.ts';
import { writeDurably } from './durable.ts';

const Receipt = BeginUploadAnswer.extend({
  version: z.literal(1),
  /** Of the whole file. */
  bytes: z.int().min(1),
  sha256: Sha256,
  /** Of the parts that arrived: the first ones. */
  etags: z.array(PartAnswer.shape.etag).max(UPLOAD_PARTS_MAX),
  /** Once the edge has made the file of its parts. */
  answer: UploadAnswer.nullable(),
}).strict();
export type Receipt = z.infer<typeof Receipt>;

/** Where the receipt of a file is. */
export function receiptOf(file: string): string {
  return `${file}.receipt.json`;
}

/** The receipt of a file, or null when nothing of it has arrived. */
export async function readReceipt(file: string): Promise<Receipt | null> {
  try {
    return Receipt.parse(JSON.parse(await readFile(receiptOf(file), 'utf8')));
  } catch {
    // Absent or spoilt: the upload begins anew, which loses time and nothing else.
    return null;
  }
}

export async function writeReceipt(file: string, receipt: Receipt): Promise<void> {
  await writeDurably(receiptOf(file), JSON.stringify(receipt));
}

export async function removeReceipt(file: string): Promise<void> {
  await rm(receiptOf(file), { force: true });
}
