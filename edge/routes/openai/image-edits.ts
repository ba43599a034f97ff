/** `POST /v1/images/edits`: a picture, and where it is to change, as OpenAI's clients send them. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { ImageEditRequest } from '#schema/openai/image.ts';
import { endUserOf, parseSize } from '#schema/openai/parameter.ts';
import type { AppEnv } from '../../env.ts';
import { authenticated } from '../access.ts';
import { BY_API_KEY, errors } from '../describe.ts';
import { toFieldWire } from '../error.ts';
import { refuse } from '../wire.ts';
import { onUnsupported, SUBMIT_ERRORS, SubmitHeaders, submitFor, WAIT_ERRORS } from './caller.ts';
import { answerPictures, checkStream, PICTURE_ANSWER } from './images.ts';
import { IMAGE_NAMES, toSteps } from './picture.ts';
import { FORM_ERRORS, hashForm, keepFile, limited } from './upload.ts';

const editRoute = createRoute({
  method: 'post',
  path: '/v1/images/edits',
  tags: ['OpenAI-compatible'],
  summary: 'Change a picture by a prompt',
  description:
    'As the official OpenAI clients send and expect it, for one picture; `x-job-id` names the ' +
    'job. With a mask, only what it leaves transparent changes; `strength` says how much.',
  security: BY_API_KEY,
  middleware: [authenticated('jobs:write'), limited] as const,
  request: {
    headers: SubmitHeaders,
    body: { content: { 'multipart/form-data': { schema: ImageEditRequest } }, required: true },
  },
  responses: { 200: PICTURE_ANSWER, ...errors(...SUBMIT_ERRORS, ...FORM_ERRORS, ...WAIT_ERRORS) },
});

export const imageEditRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onUnsupported }).openapi(
  editRoute,
  async (c) => {
    const form = c.req.valid('form');
    const image = form.image ?? form['image[]']?.[0];
    if (!image) refuse(toFieldWire({ field: 'image', message: 'is missing' }));
    if (form.image && form['image[]']) {
      refuse(toFieldWire({ field: 'image', message: 'must be one picture' }));
    }
    checkStream(form);
    const { model, prompt, n, negative_prompt, guidance, strength, seed } = form;
    const steps = toSteps(form);
    const [input, mask] = await Promise.all([
      keepFile(c, { file: image, field: 'image', purpose: 'image' }),
      form.mask && keepFile(c, { file: form.mask, field: 'mask', purpose: 'image' }),
    ]);
    const request = {
      type: 'image',
      ...{ model, prompt, negative_prompt, steps, guidance, strength, seed },
      ...parseSize(form.size),
      count: n,
      input_image: input.id,
      mask: mask?.id,
      mask_by: mask && 'transparency',
      metadata: endUserOf(form),
    };
    const fingerprint = await hashForm(request, [input, mask]);
    const job = await submitFor(c, { request, sent: form, names: IMAGE_NAMES, fingerprint });
    return answerPictures(c, { job, kind: 'image_edit', asked: form });
  },
);
