/** Small real files for tests: a picture of a given size, a recording of a given length. */

/** A WAV of 16 kHz mono silence. */
export function makeWav(seconds: number): Uint8Array<ArrayBuffer> {
  const data = Math.round(seconds * 16_000) * 2;
  const bytes = new Uint8Array(44 + data);
  const view = new DataView(bytes.buffer);
  write(bytes, 0, 'RIFF');
  view.setUint32(4, 36 + data, true);
  write(bytes, 8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, 16_000, true);
  view.setUint32(28, 32_000, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(bytes, 36, 'data');
  view.setUint32(40, data, true);
  return bytes;
}

/** A PNG whose header tells this size; there are no pixels behind it. */
export function makePng(width: number, height: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(45);
  const view = new DataView(bytes.buffer);
  write(bytes, 0, '\u0089PNG\r\n\u001a\n');
  view.setUint32(8, 13);
  write(bytes, 12, 'IHDR');
  view.setUint32(16, width);
  view.setUint32(20, height);
  bytes.set([8, 2], 24);
  write(bytes, 37, 'IEND');
  return bytes;
}

function write(bytes: Uint8Array, at: number, text: string): void {
  for (let index = 0; index < text.length; index += 1) bytes[at + index] = text.charCodeAt(index);
}
