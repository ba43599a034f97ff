/**
 * Files that a job brings, made ready for a workflow: decoded here, so that a broken one is known
 * as such, cut to the size of the result, and sent without anything but pixels.
 */
import type { Sharp } from 'sharp';
import { ends } from './failure.ts';
import type { MediaSpec, Names } from './graph.ts';
import { INPUT_PIXELS_MAX } from './limits.ts';
import type { ComfyServer } from './server.ts';

export interface InputParts {
  readonly server: ComfyServer;
  /** Answers where a file of the job lies. */
  readonly openInput: (fileId: string) => Promise<string>;
  readonly promptId: string;
  readonly size: { readonly width: number; readonly height: number } | null;
  readonly signal: AbortSignal;
}

/** Uploads what the job brings; answers the names that the server gave. */
export async function bringInputs(
  spec: MediaSpec,
  parts: InputParts,
): Promise<Pick<Names, 'inputImage' | 'mask'>> {
  if (spec.type === 'music' || spec.input_image === null) return {};
  const inputImage = await bring(spec.input_image, 'image', parts);
  if (spec.type === 'video' || spec.mask === null) return { inputImage };
  const role = spec.mask_by === 'transparency' ? 'holes' : 'mask';
  return { inputImage, mask: await bring(spec.mask, role, parts) };
}

/** A mask is white where it counts; one by its holes is transparent there. */
type Role = 'image' | 'mask' | 'holes';

async function bring(fileId: string, role: Role, parts: InputParts): Promise<string> {
  const { server, openInput, promptId, size, signal } = parts;
  const bytes = await prepare(await openInput(fileId), { role, size });
  signal.throwIfAborted();
  return server.upload({ bytes, name: `tessera-${promptId}-${role}.png` }, signal);
}

async function prepare(
  path: string,
  { role, size }: { role: Role; size: InputParts['size'] },
): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  try {
    // Upright as the camera meant it: the tag that says so is dropped.
    let picture: Sharp = sharp(path, { limitInputPixels: INPUT_PIXELS_MAX }).rotate();
    if (size) picture = picture.resize(size.width, size.height, { fit: 'cover' });
    if (role === 'holes') picture = picture.ensureAlpha().extractChannel('alpha').negate();
    else picture = picture.flatten({ background: role === 'mask' ? '#000' : '#fff' });
    if (role === 'mask') picture = picture.grayscale();
    return await picture.toColourspace('srgb').png({ compressionLevel: 3 }).toBuffer();
  } catch (error) {
    throw ends.unreadable(`the ${role} cannot be read: ${(error as Error).message}`);
  }
}
