/** Pictures for the double: a mosaic in the colours of its seed, and blurred previews of it. */
import sharp from 'sharp';

const TILES = 24;

/** A PNG of `width` x `height`. */
export function drawPicture(
  size: { width: number; height: number },
  seed: number,
): Promise<Buffer> {
  return sharp(Buffer.from(drawSvg(size, seed)))
    .png()
    .toBuffer();
}

/** A small WebP of the same picture, sharper as `fraction` goes to 1. */
export async function drawPreview(picture: Buffer, fraction: number): Promise<Buffer> {
  const blur = Math.max(0.3, 14 * (1 - fraction));
  return sharp(picture)
    .resize({ width: 256, height: 256, fit: 'inside' })
    .blur(blur)
    .webp()
    .toBuffer();
}

function drawSvg(size: { width: number; height: number }, seed: number): string {
  const side = Math.max(size.width, size.height) / TILES;
  const tiles: string[] = [];
  for (let y = 0; y * side < size.height; y += 1) {
    for (let x = 0; x * side < size.width; x += 1) {
      const noise = Math.abs(Math.sin((x * 12.9898 + y * 78.233 + seed) * 43.758)) % 1;
      const ridge = 13 + 3.4 * Math.sin(x / 3.1 + seed) + 2 * Math.sin(x / 1.7);
      const sun = Math.hypot(x - 16, y - 8) < 3.6;
      const hue = y > ridge ? 195 + y * 2 : 40 - y * 4 + (seed % 40);
      const light = y > ridge ? 42 - y + noise * 8 : 46 + y * 2 + noise * 7;
      const fill =
        sun && y < ridge ? `hsl(46 95% ${72 + noise * 12}%)` : `hsl(${hue} 58% ${light}%)`;
      const at = `x="${x * side + 2}" y="${y * side + 2}"`;
      tiles.push(`<rect ${at} width="${side - 4}" height="${side - 4}" rx="3" fill="${fill}"/>`);
    }
  }
  const box = `width="${size.width}" height="${size.height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box}><rect ${box} fill="#10173a"/>${tiles.join('')}</svg>`;
}
