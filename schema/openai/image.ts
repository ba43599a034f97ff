/**
 * `POST /v1/images/generations` and `/v1/images/edits`: what is taken and what is answered, in the
 * shapes of OpenAI's API. Parameters of ours that theirs lacks are taken beside them.
 */
import { z } from 'zod';
import {
  CompatibleModel,
  EndUser,
  EpochSeconds,
  FormBoolean,
  FormFile,
  formNumber,
  only,
  PictureSize,
} from './parameter.ts';

/** Partial pictures of one stream. */
const PARTIAL_IMAGES_MAX = 3;

/** Where OpenAI's engines have a choice and ours have none. */
const SETTLED = {
  background: only('auto', 'opaque'),
  moderation: only('auto'),
  quality: only('auto', 'standard'),
};

const PartialImages = z.int().min(0).max(PARTIAL_IMAGES_MAX);
const ResponseFormat = z.enum(['url', 'b64_json']).meta({
  description: '`b64_json` when left out; a `url` works for an hour at least.',
});

export const ImageGenerationRequest = z
  .strictObject({
    ...SETTLED,
    model: CompatibleModel,
    prompt: z.string(),
    n: z.number().nullish(),
    size: PictureSize,
    response_format: ResponseFormat.nullish(),
    stream: z.boolean().nullish(),
    partial_images: PartialImages.nullish().meta({
      description: 'Previews that a stream may show, at most.',
    }),
    user: EndUser,
    negative_prompt: z.string().optional(),
    steps: z.number().optional(),
    guidance: z.number().optional(),
    seed: z.number().optional(),
  })
  .meta({ id: 'ImageGenerationRequest' });
export type ImageGenerationRequest = z.infer<typeof ImageGenerationRequest>;

export const ImageEditRequest = z
  .strictObject({
    ...SETTLED,
    model: CompatibleModel,
    image: FormFile.optional(),
    'image[]': z.array(FormFile).length(1, 'must be one picture').optional(),
    mask: FormFile.optional().meta({
      description:
        'A picture of the same size: where it is transparent, the image is painted anew.',
    }),
    prompt: z.string(),
    n: formNumber(z.number()).optional(),
    size: PictureSize,
    response_format: ResponseFormat.optional(),
    stream: FormBoolean.optional(),
    partial_images: formNumber(PartialImages).optional(),
    user: EndUser,
    negative_prompt: z.string().optional(),
    steps: formNumber(z.number()).optional(),
    guidance: formNumber(z.number()).optional(),
    strength: formNumber(z.number()).optional(),
    seed: formNumber(z.number()).optional(),
  })
  .meta({ id: 'ImageEditRequest' });
export type ImageEditRequest = z.infer<typeof ImageEditRequest>;

export const ImagesResponse = z
  .object({
    created: EpochSeconds,
    data: z.array(z.object({ b64_json: z.string().optional(), url: z.url().optional() })),
  })
  .meta({ id: 'ImagesResponse' });

/** Which of the two routes a stream is of, in the names of its events. */
export type ImageStreamKind = 'image_generation' | 'image_edit';

const EVENT = {
  b64_json: z.string(),
  created_at: EpochSeconds,
  size: z.string(),
  output_format: z.enum(['png', 'webp', 'jpeg']),
  quality: z.literal('auto'),
  background: z.literal('opaque'),
};

export const ImageEvent = z
  .union([
    z.object({
      type: z.enum(['image_generation.partial_image', 'image_edit.partial_image']),
      partial_image_index: z.int(),
      ...EVENT,
    }),
    z.object({
      type: z.enum(['image_generation.completed', 'image_edit.completed']),
      ...EVENT,
    }),
  ])
  .meta({ id: 'ImageEvent' });
export type ImageEvent = z.infer<typeof ImageEvent>;
