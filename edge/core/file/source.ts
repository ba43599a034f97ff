/** A file as the readers of its header see it: any part of it, wherever it lies. */

export interface Source {
  readonly size: number;
  /** Up to `length` bytes from `offset`; fewer at the end, none behind it. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A file in memory. */
export function inMemory(bytes: Uint8Array): Source {
  return {
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  };
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
