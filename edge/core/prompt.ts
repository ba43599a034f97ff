/**
 * Prompts are data: what an engine or its front end would take for a command is taken out before
 * a job is priced, judged or shown, so that the parameters of a job say what really ran.
 * Of pictures and clips: tags in angle brackets (`<lora:…>`, `<hypernet:…>`, `<random:…>`),
 * embeddings by file name, wildcards (`__x__`) and choices (`{a|b}`), of which the words stay.
 * Of chats: the marks by which a model's template tells the roles apart. Of all texts: characters
 * that nobody sees. Weights (`(word:1.2)`), `AND` and `BREAK` stay: they colour the user's own
 * picture and name no file. A plain completion keeps its marks: its template is its user's. Pure.
 */
import type { JobSpec } from '#schema/job.ts';

/**
 * Invisible but for what scripts and emoji need (joiners, variation selectors): soft hyphens,
 * zero-width spaces, overrides of the writing direction, tags, interlinear marks.
 */
const UNSEEN =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const TAG = /<[a-z][\w-]{0,31}(?:\[[^\]<>]{0,64}\])?:[^<>]*>/giu;
const EMBEDDING = /\bembedding:[\w./\\:-]{1,128}/giu;
const WILDCARD = /__[\w./*-]{1,128}?__/gu;
/** How deep tags and choices may lie in one another; what lies deeper keeps its outer layers. */
const NESTING_MAX = 4;
const ROLE_MARK = /<\|[\w-]{1,32}\|>|<\/?(?:start_of_turn|end_of_turn|s|bos|eos)>|\[\/?INST\]/giu;

/** The spec as an engine may have it. */
export function neutralise(spec: JobSpec): JobSpec {
  switch (spec.type) {
    case 'image':
    case 'video':
      return {
        ...spec,
        prompt: neutralisePrompt(spec.prompt),
        negative_prompt: neutralisePrompt(spec.negative_prompt),
      };
    case 'text':
      return {
        ...spec,
        prompt: spec.prompt === null ? null : showAll(spec.prompt),
        messages: spec.messages.map(({ role, content }) => ({
          role,
          content: showAll(content).replaceAll(ROLE_MARK, breakMark),
        })),
      };
    case 'speech':
      return { ...spec, input: showAll(spec.input) };
    case 'music':
      return { ...spec, prompt: neutralisePrompt(spec.prompt), lyrics: showAll(spec.lyrics) };
    case 'transcription':
      return spec;
  }
}

/** The first text that had words for commands only, or null. */
export function findEmptied(before: JobSpec, after: JobSpec): string | null {
  const [had, has] = [requiredTexts(before), requiredTexts(after)];
  return has.find(({ text }, at) => text === '' && had[at]?.text !== '')?.field ?? null;
}

function requiredTexts(spec: JobSpec): { field: string; text: string }[] {
  switch (spec.type) {
    case 'image':
    case 'video':
    case 'music':
      return [{ field: 'prompt', text: spec.prompt }];
    case 'text':
      return [
        { field: 'prompt', text: spec.prompt ?? '' },
        ...spec.messages.map(({ content }, index) => {
          return { field: `messages[${index}].content`, text: content };
        }),
      ];
    case 'speech':
      return [{ field: 'input', text: spec.input }];
    case 'transcription':
      return [];
  }
}

function neutralisePrompt(text: string): string {
  let plain = showAll(text);
  for (let depth = 0; depth < NESTING_MAX; depth += 1) {
    const next = plain.replaceAll(TAG, ' ').replaceAll(EMBEDDING, ' ').replaceAll(WILDCARD, ' ');
    if (next === plain) break;
    plain = next;
  }
  if (/[{}|]/u.test(plain)) {
    const choices = plain.replaceAll(/[{}]/gu, ' ').split(/\|+/u);
    plain = choices.map((choice) => choice.trim()).join(', ');
  }
  return plain === text ? text : tidy(plain);
}

/** The text without what nobody sees. */
function showAll(text: string): string {
  return text.replaceAll(UNSEEN, '').trim();
}

/** Spaces and commas as they were meant, where something was taken out. */
function tidy(text: string): string {
  return (
    text
      .replaceAll(/[^\S\n]+/gu, ' ')
      .replaceAll(/ ?(?:, ?){2,}/gu, ', ')
      .replaceAll(/ +,/gu, ',')
      .replace(/^[\s,]+/u, '')
      // Looking back keeps it linear: a run of spaces is begun once, not at each space.
      .replace(/(?<![\s,])[\s,]+$/u, '')
  );
}

/** `<|im_start|>` becomes `< |im_start| >`: the same to a reader, no token to a template. */
function breakMark(mark: string): string {
  return `${mark.slice(0, 1)} ${mark.slice(1, -1)} ${mark.slice(-1)}`;
}
