/**
 * What the edge's double keeps of results: whole uploads and uploads in parts, with the checks
 * and the forgetfulness of the real one. It counts every byte of a body that reached it, so that
 * a test can say what was sent twice, and cuts a connection in the middle of a body.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BeginUploadBody, FinishUploadBody, UPLOAD_HEADERS } from '#schema/agent-protocol.ts';
import type { LeaseRef } from '#schema/agent-protocol.ts';
import { artifactKey, ArtifactRole, ContentType } from '#schema/artifact.ts';
import type { ErrorCode } from '#schema/error.ts';
import { UPLOAD_PART_BYTES } from '#schema/limits.ts';

export interface Stored {
  readonly bytes: number;
  readonly sha256: string;
  readonly contentType: string;
}

/** What is answered: an object, or the code of a refusal. */
export type StoreReply = { readonly answer: object } | { readonly code: ErrorCode };

interface OpenUpload {
  readonly key: string;
  readonly parts: Map<number, { readonly etag: string; readonly bytes: Buffer }>;
}

const PATH = /^jobs\/([^/]+)\/artifacts\/(\d+)\/(?:parts\/(\d+)|([^/]+))$/;

export class ArtifactStore {
  readonly stored = new Map<string, Stored>();
  /** Bodies in the order of their arrival, also those that were cut: name and bytes received. */
  readonly bodies: { readonly name: string; readonly bytes: number }[] = [];
  /** Size of a part, as it is told to agents. */
  partBytes = UPLOAD_PART_BYTES;
  /** Reads no more than so many bytes of a body and then cuts it; null: reads on. */
  cutAt: (name: string) => number | null = () => null;
  readonly #holds: (ref: LeaseRef) => boolean;
  readonly #uploads = new Map<string, OpenUpload>();

  constructor(holds: (ref: LeaseRef) => boolean) {
    this.#holds = holds;
  }

  /** Uploads in parts that are neither finished nor given up. */
  get open(): number {
    return this.#uploads.size;
  }

  /** Storage loses what it had of open uploads. */
  forget(): void {
    this.#uploads.clear();
  }

  /** The body of an upload, or null when it was cut. */
  async receive(path: string, request: IncomingMessage): Promise<Buffer | null> {
    const name = nameOf(path);
    const bytesMax = this.cutAt(name);
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of request) {
        chunks.push(chunk as Buffer);
        bytes += (chunk as Buffer).length;
        if (bytesMax !== null && bytes >= bytesMax) return null;
      }
    } finally {
      this.bodies.push({ name, bytes });
    }
    return Buffer.concat(chunks);
  }

  put(path: string, headers: IncomingMessage['headers'], bytes: Buffer): StoreReply {
    const [, jobId = '', index, part, name] = PATH.exec(path) ?? [];
    const contentType = ContentType.safeParse(headers['content-type']).data;
    const role = ArtifactRole.safeParse(part === undefined ? name : 'result').data;
    const fencingToken = Number(headers[UPLOAD_HEADERS.fencingToken]);
    if (!role || !contentType || Number(headers['content-length']) !== bytes.length) {
      return { code: 'invalid_request' };
    }
    const refused = this.#check({ jobId, fencingToken }, headers[UPLOAD_HEADERS.ticket]);
    if (refused) return refused;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (headers[UPLOAD_HEADERS.sha256] !== sha256) return { code: 'hash_mismatch' };
    const key = artifactKey({ jobId, fencingToken, index: Number(index), role, contentType });
    if (part === undefined) {
      const stored = { bytes: bytes.length, sha256, contentType };
      this.stored.set(key, stored);
      return { answer: { key, ...stored } };
    }
    const upload = this.#uploads.get(String(headers[UPLOAD_HEADERS.uploadId]));
    if (upload?.key !== key) return { code: 'upload_lost' };
    const etag = randomUUID();
    upload.parts.set(Number(part), { etag, bytes });
    return { answer: { etag } };
  }

  begin(json: unknown): StoreReply {
    const body = BeginUploadBody.parse(json);
    const refused = this.#check(body, body.uploadTicket);
    if (refused) return refused;
    const key = artifactKey({ ...body, role: 'result' });
    for (const [id, upload] of this.#uploads) if (upload.key === key) this.#uploads.delete(id);
    const uploadId = randomUUID();
    this.#uploads.set(uploadId, { key, parts: new Map() });
    return { answer: { uploadId, partBytes: this.partBytes } };
  }

  finish(json: unknown): StoreReply {
    const { uploadId, etags, contentType, ...body } = FinishUploadBody.parse(json);
    const refused = this.#check(body, body.uploadTicket);
    if (refused) return refused;
    const key = artifactKey({ ...body, contentType, role: 'result' });
    const upload = this.#uploads.get(uploadId);
    if (upload?.key === key) {
      const parts = etags.map((etag, at) => {
        const part = upload.parts.get(at + 1);
        return part?.etag === etag ? part.bytes : null;
      });
      if (parts.includes(null)) return { code: 'upload_lost' };
      const bytes = Buffer.concat(parts.filter((part) => part !== null));
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      this.#uploads.delete(uploadId);
      this.stored.set(key, { bytes: bytes.length, sha256, contentType });
    }
    const made = this.stored.get(key);
    if (!made) return { code: 'upload_lost' };
    if (made.sha256 === body.sha256) return { answer: { key, ...made } };
    this.stored.delete(key);
    return { code: 'hash_mismatch' };
  }

  #check({ jobId, fencingToken }: LeaseRef, ticket: unknown): { code: ErrorCode } | null {
    if (ticket !== `ticket-${jobId}-${fencingToken}`) return { code: 'forbidden' };
    return this.#holds({ jobId, fencingToken }) ? null : { code: 'lease_lost' };
  }
}

/** `0/result`, or `0/parts/2`. */
function nameOf(path: string): string {
  return path.replace(/^jobs\/[^/]+\/artifacts\//, '');
}
