/**
 * The command layer of all bots: what a message means, whichever platform it came by. Slash
 * commands, and plain English: requests for work, questions about the service, small talk. What
 * is not understood becomes a question, never a charge. Pure.
 */
import { JobId } from '#schema/id.ts';
import { JOB_TYPES } from '#schema/model.ts';
import type { JobType } from '#schema/model.ts';
import { nearest } from '#schema/near.ts';
import type { Draft, Fields } from './command/draft.ts';
import { dropAsking, readLead } from './command/lead.ts';
import { readRequest } from './command/request.ts';

export type Command =
  | {
      readonly kind:
        | 'start'
        | 'help'
        | 'models'
        | 'plan'
        | 'upgrade'
        | 'link'
        | 'thanks'
        | 'greeting';
    }
  | { readonly kind: 'status' | 'cancel'; readonly jobId: string | null }
  /** As if the button under the result that is meant were pressed. */
  | { readonly kind: 'deed'; readonly deed: 'again' | 'vary' | 'upscale' | 'retry' }
  | { readonly kind: 'bad_job_id'; readonly said: string }
  | { readonly kind: 'request'; readonly draft: Draft }
  /** The chat's own rule: whether our bots, or those of a type, may be used in it. */
  | { readonly kind: 'rule'; readonly allow: boolean; readonly type: JobType | null }
  | { readonly kind: 'rule_help' }
  | { readonly kind: 'unknown_command'; readonly said: string; readonly near: string | null };

export interface Context {
  /** What the bot makes. */
  readonly type: JobType;
  /** What came with the message. */
  readonly file: 'picture' | 'sound' | null;
  /** Said in a group about a message of ours: most such words are a remark, not a request. */
  readonly isRemark?: boolean;
  /** Said about a picture of ours: it asks for another one, or for nothing. */
  readonly isChange?: boolean;
}

type Plain = Exclude<
  Command['kind'],
  'status' | 'cancel' | 'deed' | 'bad_job_id' | 'request' | 'rule' | 'rule_help' | 'unknown_command'
>;
type Verb = Plain | 'status' | 'cancel' | 'generate' | 'tessera';

/** Every command, and what else it is called. */
const VERBS: Readonly<Record<Verb, readonly string[]>> = {
  start: [],
  generate: [
    'gen',
    'imagine',
    'draw',
    'image',
    'video',
    'create',
    'make',
    'paint',
    'music',
    'say',
    'ask',
    'transcribe',
  ],
  status: ['job', 'queue'],
  cancel: ['stop'],
  models: ['model'],
  plan: ['my_plan', 'myplan', 'my-plan', 'balance', 'tokens'],
  upgrade: ['plans', 'pricing', 'buy'],
  link: ['account'],
  help: ['commands'],
  tessera: ['bot'],
  thanks: [],
  greeting: [],
};
const BY_NAME = new Map<string, Verb>(
  Object.entries(VERBS).flatMap(([verb, names]) =>
    [verb, ...names].map((name) => [name, verb as Verb] as const),
  ),
);
/** What a near miss is compared with. */
const NAMES = [...BY_NAME.keys()].filter((name) => name !== 'thanks' && name !== 'greeting');

const SLASH = /^\/([A-Za-z0-9_-]{1,32})(?:@[A-Za-z0-9_]{1,64})?(?:\s+([\s\S]*))?$/;

/** What a text means. */
export function readCommand(text: string, context: Context): Command {
  const trimmed = text.trim();
  const slash = SLASH.exec(trimmed);
  if (slash) return readSlash(slash[1]!, slash[2] ?? '', context);
  return readPlain(trimmed, context);
}

/** What a command with its words and, from a form, its fields means. */
export function readSlash(
  name: string,
  words: string,
  context: Context & { readonly fields?: Fields },
): Command {
  const verb = BY_NAME.get(name.toLowerCase());
  switch (verb) {
    case undefined: {
      const [near] = nearest(name.toLowerCase(), NAMES);
      return { kind: 'unknown_command', said: name, near: near ?? null };
    }
    case 'generate':
      return request(words, context);
    case 'status':
    case 'cancel':
      return readJob(verb, words);
    case 'tessera':
      return readRule(words);
    case 'start':
    case 'models':
    case 'plan':
    case 'upgrade':
    case 'link':
    case 'help':
    case 'thanks':
    case 'greeting':
      return { kind: verb };
  }
}

function request(words: string, context: Context & { readonly fields?: Fields }): Command {
  const draft = readRequest(words, context.type, context.fields);
  return { kind: 'request', draft: context.file === null ? withoutFile(draft) : draft };
}

/** A recording is what a transcription is made of. */
function withoutFile(draft: Draft): Draft {
  if (draft.type !== 'transcription') return draft;
  const about = { reason: 'no_file', type: draft.type } as const;
  return { ...draft, doubts: [{ about, choices: [] }, ...draft.doubts] };
}

function readJob(kind: 'status' | 'cancel', words: string): Command {
  const said = words.trim().split(/\s+/)[0] ?? '';
  if (said === '') return { kind, jobId: null };
  const id = JobId.safeParse(said.toLowerCase());
  return id.success ? { kind, jobId: id.data } : { kind: 'bad_job_id', said: said.slice(0, 60) };
}

const RULE = /^(on|off|allow|block|enable|disable)(?:\s+([a-z]+?)s?)?$/i;

function readRule(words: string): Command {
  const match = RULE.exec(words.trim());
  if (!match) return { kind: 'rule_help' };
  const allow = /^(?:on|allow|enable)$/i.test(match[1]!);
  const type = match[2]?.toLowerCase();
  if (type === undefined || type === 'all') return { kind: 'rule', allow, type: null };
  const known = JOB_TYPES.find((one) => one === (type === 'picture' ? 'image' : type));
  return known ? { kind: 'rule', allow, type: known } : { kind: 'rule_help' };
}

/** Whole messages that ask for no work, without their punctuation. */
const PHRASES: readonly (readonly [RegExp, Command])[] = [
  [
    /^(?:hi+|hello|hey+|hiya|yo|hallo|good (?:morning|evening|afternoon|day)|howdy)(?: (?:there|bot|tessera))?$/,
    { kind: 'greeting' },
  ],
  [
    /^(?:(?:ok|okay|no|yes|great|perfect),? )?(?:thanks?(?: you)?|thank you|thx|ty|cheers)(?: (?:so|very) much| a lot| bot)?$/,
    { kind: 'thanks' },
  ],
  [
    /^(?:nice|great|cool|awesome|wow|perfect|amazing|love it|beautiful|good (?:job|bot))$/,
    { kind: 'thanks' },
  ],
  [
    /^(?:help|help me|what can (?:you|i) do|what do you do|who are you|what are you|how (?:does (?:this|it) work|do (?:i|you) (?:use|do) (?:this|it|you)|to use(?: this| it)?)|commands|info|menu|start)$/,
    { kind: 'help' },
  ],
  [
    /^(?:(?:what(?:'s| is) )?my (?:plan|balance|limit)|how (?:many|much) tokens?(?: do i have| are)?(?: left)?|(?:tokens?|balance|plan) left|plan|balance|tokens|account)$/,
    { kind: 'plan' },
  ],
  [
    /^(?:(?:(?:show|list|see|tell|give|what|which)(?: me| are)?(?: all| the| your)* )?(?:available )?models?(?: (?:list|please|available))?|(?:what|which) models? (?:(?:do|can) (?:you|i) (?:have|use|know|offer|support)|are (?:there|available|on)|is (?:there|on))|how many models(?: are there| do you have)?)$/,
    { kind: 'models' },
  ],
  [
    /^(?:upgrade(?: me| my plan)?|pricing|prices?|plans|how much (?:is it|is (?:pro|starter)|does (?:it|this|pro|starter) cost)|(?:i want|get|buy) (?:pro|starter|more tokens))$/,
    { kind: 'upgrade' },
  ],
  [
    /^(?:status|progress|(?:is it )?(?:ready|done)(?: yet)?|how long(?: (?:will it take|left|more))?|where(?:'s| is) (?:my|the) (?:picture|image|video|job|song|result)|how(?:'s| is) it going|what(?:'s| is) (?:the|my) status)$/,
    { kind: 'status', jobId: null },
  ],
  [
    /^(?:cancel|stop|abort|nevermind|never mind|forget it)(?: (?:it|that|this|please|the (?:job|picture|image|video)|my (?:job|picture|image|video)))?$/,
    { kind: 'cancel', jobId: null },
  ],
  [/^link(?: my)?(?: account)?$/, { kind: 'link' }],
  [
    /^(?:(?:and |once |do (?:it|that) )?again|(?:one|once) more(?: time)?|another(?: one)?|more(?: of (?:this|that|it))?|(?:the )?same again|redo(?: it| that)?|repeat(?: it| that)?)$/,
    { kind: 'deed', deed: 'again' },
  ],
  [/^(?:vary(?: it| this| that)?|(?:a )?variations?)$/, { kind: 'deed', deed: 'vary' }],
  [/^(?:upscale|enlarge)(?: it| this| that)?$/, { kind: 'deed', deed: 'upscale' }],
  [/^(?:retry|try (?:it |that )?again)$/, { kind: 'deed', deed: 'retry' }],
];
const QUESTION =
  /^(?:what|why|how|who|when|where|which|is|are|do|does|did|can|could|will|would|should|may)\b[\s\S]*\?\s*$/i;
/** The same without its mark, which many leave out. */
const UNMARKED =
  /^(?:(?:what|why|how|who|when)(?:'s)?|where(?:'s| is| are| can| do)|(?:is|are|was|does|do|did|has|have|should|may) (?:i|it|you|we|this|that|there|they))\b/;
/** About a result, as one talks of it: nothing that can be seen on a picture of its own. */
const ABOUT_IT =
  /^(?:(?:do|make|try|turn|keep|show|give|put|take|change|fix|edit|remove|delete|share|publish|upscale|enlarge|vary|redo|repeat|undo|retry|save|send|get) )?(?:me )?(?:it|this|that|them|these|those)\b|^(?:not|don't|do not) /;
/** How one begins who wants a picture changed. */
const CHANGE =
  /^(?:please )?(?:with|without|as|in|at|on|but|and|now|more|less|add|remove|change|replace|turn|make|put|give)\b/;
const NO_SCENE =
  /^(?:(?:do |try |once |and )?again(?: .*)?|(?:one |some |once )?more|another(?: one)?|same(?: again)?|bigger|larger|smaller|darker|brighter|lighter|better|next|upscale|enlarge|vary|variations?|redo|repeat|undo|retry|edit|change|delete|remove|publish|share|public|private|settings|random|surprise me|nothing|bye|goodbye|good ?night|sorry|refund|bug|error)$/;
/** Answers to something that nobody asked, or that we no longer know of. */
const ANSWER =
  /^(?:y|yes|yeah|yep|yup|no|nope|n|ok|okay|sure|maybe|k|test|testing|lol|haha+|hm+|\?+|!+|\.+)$/;

function readPlain(text: string, context: Context): Command {
  const said = text
    .toLowerCase()
    .replaceAll(/[’]/g, "'")
    .replaceAll(/[\s]+/g, ' ')
    .replace(/[\s.!?,]+$/, '')
    .replace(/^(?:please|pls) | (?:please|pls)$/, '')
    .trim();
  const known = PHRASES.find(([phrase]) => phrase.test(said));
  if (known && !takesAll(context, known[1])) return known[1];
  const job = /^(status|cancel|stop)(?: of| job)*[ :#]+(job_\S+)$/.exec(said);
  if (job) return readJob(job[1] === 'status' ? 'status' : 'cancel', job[2]!);
  if (text === '' && context.file === null) return { kind: 'help' };
  const command = request(text, context);
  if (command.kind !== 'request' || !needsAsking(text, said, context)) return command;
  // Settings alone: it is asked for words anyway.
  const { prompt, ...settings } = command.draft.fields;
  if (prompt === undefined && Object.keys(settings).length > 0) return command;
  const { type } = context;
  const isAbout = (type === 'image' || type === 'video') && ABOUT_IT.test(said);
  const about = { reason: 'is_it_a_prompt', said: text.slice(0, 200), type, isAbout } as const;
  const { draft } = command;
  const doubt = { about, choices: [{ label: YES[context.type], fields: {} }] };
  return { kind: 'request', draft: { ...draft, doubts: [doubt, ...draft.doubts] } };
}

const YES: Readonly<Record<JobType, string>> = {
  image: 'Yes, make a picture',
  video: 'Yes, make a video',
  text: 'Yes, answer it',
  speech: 'Yes, say it',
  music: 'Yes, make music',
  transcription: 'Yes',
};

/** A talker is talked to: for it small talk is a request like any other; words aloud are words. */
function takesAll({ type }: Context, command: Command): boolean {
  if (command.kind === 'deed') {
    const isScene = type === 'image' || type === 'video' || type === 'music';
    return !isScene || (command.deed === 'upscale' && type !== 'image');
  }
  return type === 'text' && (command.kind === 'greeting' || command.kind === 'thanks');
}

/** Whether a message is too little, or too much of a question, to be charged for. */
function needsAsking(text: string, said: string, context: Context): boolean {
  const { type, file, isRemark, isChange } = context;
  if (type === 'text' || type === 'transcription') return false;
  const letters = said.match(/\p{L}/gu)?.length ?? 0;
  if (letters < 3 || ANSWER.test(said)) return true;
  if (type === 'speech') return isRemark === true;
  if (isChange === true) return !CHANGE.test(said) && !dropAsking(text).asks;
  // With a picture, "make it darker" is all that has to be said.
  if (file === null && (ABOUT_IT.test(said) || NO_SCENE.test(said))) return true;
  if (dropAsking(text).asks || readLead(text, type).asks) return false;
  if (isRemark === true || QUESTION.test(text) || UNMARKED.test(said)) return true;
  return /^https?:\/\/\S+$/.test(said);
}
