/**
 * `POST /v1/images/generations` and `/v1/images/edits`: what is taken and what is answered, in the
 * shapes of OpenAI's API. Parameters of ours that theirs lacks are taken beside them.
 */
import { z } from 'zod';
import { SentFile } from '../file.ts';
import {
  CompatibleModel,
  EndUser,
  EpochSeconds,
  FormBoolean,
  formNumber,
  only,
  PictureSize,
} from './parameter.ts';

/** Partial pictures of one stream. */
const PARTIAL_IMAGES_MAX = 3;

/** How much work a picture is worth: this share of its model's own steps, which set the price. */
export const QUALITY_STEPS = {
  auto: 1,
  standard: 1,
  medium: 1,
  low: 0.5,
  high: 1.5,
  hd: 1.5,
} as const;
type Quality = keyof typeof QUALITY_STEPS;

/** Where OpenAI's engines have a choice and ours have less or none. */
const SETTLED = {
  background: only('auto', 'opaque'),
  moderation: only('auto'),
  output_format: only('png').meta({ description: 'Pictures are PNG files.' }),
  output_compression: only<100 | '100'>(100, '100'),
  quality: z
    .enum(Object.keys(QUALITY_STEPS) as [Quality, ...Quality[]])
    .nullish()
    .meta({
      description:
        "`low` takes half of the named model's own steps, `high` and `hd` half as many again, " +
        'and the price with them; all others take its own.',
    }),
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
    safety_identifier: EndUser,
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
    image: SentFile.optional(),
    'image[]': z.array(SentFile).length(1, 'must be one picture').optional(),
    mask: SentFile.optional().meta({
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
    safety_identifier: EndUser,
    negative_prompt: z.string().optional(),
    steps: formNumber(z.number()).optional(),
    guidance: formNumber(z.number()).optional(),
    strength: formNumber(z.number()).optional(),
    seed: formNumber(z.number()).optional(),
  })
  .meta({ id: 'ImageEditRequest' });
export type ImageEditRequest = z.infer<typeof ImageEditRequest>;

/** What a picture's file is; PNG, save what an agent had to make smaller. */
export const PictureFormat = z.enum(['png', 'webp', 'jpeg']);
export type PictureFormat = z.infer<typeof PictureFormat>;

export const ImagesResponse = z
  .object({
    created: EpochSeconds,
    output_format: PictureFormat.optional(),
    size: z.string().optional(),
    data: z.array(z.object({ b64_json: z.string().optional(), url: z.url().optional() })),
  })
  .meta({ id: 'ImagesResponse' });

/** Which of the two routes a stream is of, in the names of its events. */
export type ImageStreamKind = 'image_generation' | 'image_edit';

const EVENT = {
  b64_json: z.string(),
  created_at: EpochSeconds,
  size: z.string(),
  output_format: PictureFormat,
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
