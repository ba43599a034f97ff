/** Categories of content that Tessera does not make. */
import { z } from 'zod';

export const CONTENT_CATEGORIES = {
  sexual_minors: 'Sexual content with minors.',
  sexual: 'Sexual content and nudity.',
  violence: 'Gore, and instructions to harm others.',
  hate: 'Hatred of peoples and groups.',
  self_harm: 'Methods of self-harm.',
} as const;
export const ContentCategory = z.enum(
  Object.keys(CONTENT_CATEGORIES) as [
    keyof typeof CONTENT_CATEGORIES,
    ...(keyof typeof CONTENT_CATEGORIES)[],
  ],
);
export type ContentCategory = z.infer<typeof ContentCategory>;
