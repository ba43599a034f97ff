/** A sound file for tests, small and well-formed. */

/** A second of silence: 8 kHz, 8 bits, mono. */
export function silence(): Uint8Array<ArrayBuffer> {
  const samples = 8000;
  const wav = new Uint8Array(44 + samples).fill(128, 44);
  const view = new DataView(wav.buffer);
  const write = (at: number, text: string) =>
    wav.set(
      Uint8Array.from(text, (char) => char.charCodeAt(0)),
      at,
    );
  write(0, 'RIFF');
  view.setUint32(4, 36 + samples, true);
  write(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, 8000, true);
  view.setUint32(28, 8000, true);
  view.setUint16(32, 1, true);
  view.setUint16(34, 8, true);
  write(36, 'data');
  view.setUint32(40, samples, true);
  return wav;
}
