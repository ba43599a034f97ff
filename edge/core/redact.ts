/** A job without what its user wrote or sent: what is left when the user deletes it. Pure. */
import type { JobSpec } from '#schema/job.ts';

/** The same job with its words and files gone; sizes and counts stay, since its price is by them. */
export function redactSpec(spec: JobSpec): JobSpec {
  switch (spec.type) {
    case 'image':
      return {
        ...spec,
        prompt: '',
        negative_prompt: '',
        input_image: null,
        mask: null,
        loras: [],
      };
    case 'video':
      return { ...spec, prompt: '', negative_prompt: '', input_image: null };
    case 'text':
      return { ...spec, messages: [], prompt: null, stop: [] };
    case 'speech':
      return { ...spec, input: '' };
    case 'music':
      return { ...spec, prompt: '', lyrics: '' };
    case 'transcription':
      return { ...spec, file: '' };
  }
}
