/**
 * What a bot says when it is not about one job: the first words, help, plans, questions about
 * what was not understood. Words of jobs are in reply/job.ts, of refusals in reply/refusal.ts.
 * Pure; the same for all platforms.
 */
import type { Bot } from '#schema/chat.ts';
import { modelsOf } from '#schema/model.ts';
import type { JobType } from '#schema/model.ts';
import { PlanId, planIncludes, PLANS } from '#schema/plan.ts';
import type { Doubt, DoubtReason } from './command/draft.ts';
import { nameField } from './command/setting.ts';
import type { Button, Reply, Span } from './message.ts';
import { formatSpan, formatTokens, PLURAL, shorten, THING } from './reply/format.ts';
import { BEGIN, BEGIN_DISCORD, COMMANDS, EXAMPLES, MAKES, SETTINGS, WORDS } from './reply/words.ts';

/** Choices that one question offers: Discord has five rows of five. */
const CHOICES_MAX = 8;
const ROW_MAX = 2;
const LABEL_CHARS_MAX = 40;

/** How an account stands, as far as its user is told. Amounts are millitokens. */
export interface Balance {
  readonly plan: PlanId;
  readonly limitMillitokens: number;
  readonly availableMillitokens: number;
  readonly renewsInMs: number;
  readonly jobsOpen: number;
}

/** A button that opens a page, if there is one. */
export function linkButtons(label: string, url: string | null): Button[][] {
  return url === null ? [] : [[{ label, url }]];
}

/** Words with nothing else. */
export function sayReply(text: readonly Span[] | string, more: Partial<Reply> = {}): Reply {
  const spans = typeof text === 'string' ? [text] : text;
  return { text: spans, buttons: [], media: [], isPrivate: false, ownerId: null, ...more };
}

/** What the words depend on of a bot. */
type Speaker = Pick<Bot, 'type' | 'platform'>;

/** The first words, in three lines, with something to press. */
export function startReply(
  { type, platform }: Speaker,
  name: string,
  { plan, limitMillitokens }: Balance,
): Reply {
  const tokens = formatTokens(limitMillitokens);
  const needed = planNeeded(type, plan);
  const head = plan === 'free' && !needed ? 'It is free' : `You are on ${PLANS[plan].title}`;
  const price = needed
    ? `${PLURAL[type]} need ${PLANS[needed].title}, $${PLANS[needed].priceCents / 100} a month`
    : PRICE[type];
  const hello = name === '' ? 'Hello!' : `Hello ${shorten(name, 40)}!`;
  return sayReply(
    [
      `${hello} ${MAKES[type]}.\n`,
      `${head}: ${tokens} a day, new at 00:00 UTC; ${price}.\n`,
      { kind: 'bold', text: platform === 'discord' ? BEGIN_DISCORD[type] : BEGIN[type] },
    ],
    {
      buttons: needed
        ? [[{ label: WORDS.seePlans, action: { kind: 'command', name: 'upgrade' } }]]
        : exampleButtons(type),
    },
  );
}

/** The least plan that has a model of the type, or null when this one has. */
function planNeeded(type: JobType, plan: PlanId): PlanId | null {
  const plans = modelsOf(type).map((model) => model.plan);
  if (plans.some((one) => planIncludes(plan, one))) return null;
  return PlanId.options.find((one) => plans.includes(one)) ?? null;
}

const PRICE: Readonly<Record<JobType, string>> = {
  image: 'a 1024x1024 picture costs 1, a 512x512 one 0.25',
  video: '5 seconds of 720p video cost 3',
  text: '500 tokens of text cost 0.5',
  speech: '1,000 characters cost 0.5',
  music: 'a minute of music costs 2',
  transcription: 'a recording costs 1',
};

function exampleButtons(type: JobType): Button[][] {
  return EXAMPLES[type].map((example, index) => [
    { label: shorten(example, LABEL_CHARS_MAX), action: { kind: 'example', index } },
  ]);
}

/** All that can be said to the bot. */
export function helpReply({ type, platform }: Speaker): Reply {
  const isDiscord = platform === 'discord';
  const list = COMMANDS.map(
    ([name, does]) => `/${isDiscord && name === 'plan' ? 'my-plan' : name} – ${does}`,
  ).join('\n');
  const settings = isDiscord ? BEGIN_DISCORD[type] : SETTINGS[type];
  return sayReply([{ kind: 'bold', text: `${MAKES[type]}.` }, ` ${settings}\n\n${list}`], {
    buttons: exampleButtons(type).slice(0, 1),
  });
}

/** Plan, tokens left, renewal. */
export function balanceReply(balance: Balance): Reply {
  const { plan, limitMillitokens, availableMillitokens, renewsInMs, jobsOpen } = balance;
  const jobs = jobsOpen === 1 ? '1 job is' : `${jobsOpen} jobs are`;
  const text: Span[] = [
    { kind: 'bold', text: `${PLANS[plan].title} plan` },
    `\n${formatTokens(availableMillitokens)} left of today's ${formatTokens(limitMillitokens)}, ` +
      `new in ${formatSpan(renewsInMs)} (00:00 UTC).`,
    jobsOpen === 0 ? '' : `\n${jobs} under way.`,
  ];
  const canRise = plan === 'free' || plan === 'starter';
  const buttons: Button[][] = canRise
    ? [[{ label: WORDS.seePlans, action: { kind: 'command', name: 'upgrade' } }]]
    : [];
  return sayReply(text, { buttons, isPrivate: true });
}

/** What the plans offer; `url` is the plan page. */
export function upgradeReply(plan: PlanId, url: string | null): Reply {
  const rows = (['free', 'starter', 'pro'] as const).map((id) => {
    const { title, priceCents, dailyMillitokens, sidePxMax } = PLANS[id];
    const price = priceCents === 0 ? 'free' : `$${priceCents / 100} a month`;
    const here = id === plan ? ' (yours)' : '';
    return `${title}${here}: ${price}, ${formatTokens(dailyMillitokens)} a day, up to ${sidePxMax}x${sidePxMax}`;
  });
  const text: Span[] = [
    { kind: 'bold', text: 'Plans' },
    `\n${rows.join('\n')}\n\nHigher plans go first in the queue; Starter adds all picture models, Pro video too.`,
  ];
  return sayReply(text, { buttons: linkButtons(WORDS.seePlans, url), isPrivate: true });
}

/** The operator gave a plan. */
export function planReply(plan: PlanId): Reply {
  const { title, dailyMillitokens, sidePxMax } = PLANS[plan];
  const facts =
    `${formatTokens(dailyMillitokens)} a day, sizes up to ${sidePxMax}x${sidePxMax}, ` +
    `and your place in the queue is that of ${title}.`;
  const button: Button = { label: WORDS.myPlan, action: { kind: 'command', name: 'plan' } };
  return sayReply([{ kind: 'bold', text: `You are on ${title} now.` }, ` ${facts}`], {
    buttons: [[button]],
    isPrivate: true,
  });
}

/** Few tokens are left. */
export function lowReply(
  { plan, availableMillitokens, renewsInMs }: Balance,
  url: string | null,
): Reply {
  const left = formatTokens(availableMillitokens);
  const buttons = plan === 'free' || plan === 'starter' ? linkButtons(WORDS.seePlans, url) : [];
  return sayReply(`${left} left for today; new ones come in ${formatSpan(renewsInMs)}.`, {
    buttons,
    isPrivate: true,
  });
}

/** Which account this is; accounts are not joined yet. */
export function linkReply(accountId: string, url: string | null): Reply {
  return sayReply(
    [
      'Your account, with all our bots here: ',
      { kind: 'code', text: accountId },
      '.\nIt cannot be joined with another one yet.',
    ],
    { buttons: linkButtons('Open the site', url), isPrivate: true },
  );
}

/** A command that is none. */
export function unknownReply(said: string, near: string | null): Reply {
  const head = [`I do not know /${said}.`];
  const guess = near === null ? ' /help lists what I know.' : ` Did you mean /${near}?`;
  return sayReply([...head, guess], {
    buttons: [[{ label: WORDS.help, action: { kind: 'command', name: 'help' } }]],
  });
}

/** A job id that is none. */
export function badJobReply(said: string): Reply {
  return sayReply([
    { kind: 'code', text: said },
    ' is no job id: those look like job_01k…_main. Without one I take your last job.',
  ]);
}

/** What the chat's own rule is now; `command` is how this bot is commanded in a group. */
export function ruleReply(
  { off, offTypes }: { readonly off: boolean; readonly offTypes: readonly JobType[] },
  command: string,
): Reply {
  if (off) return sayReply(`I am off in this chat. Those who run it can say: ${command} on`);
  if (offTypes.length === 0) return sayReply('Everything is allowed in this chat.');
  const list = offTypes.map((type) => PLURAL[type]).join(', ');
  return sayReply(`Off in this chat: ${list}. All else is allowed.`);
}

/** Asks about what was not understood; nothing is made before it is answered. */
export function doubtReply({ about, choices }: Doubt, draftId: string, ownerId: string): Reply {
  const buttons: Button[] = choices.slice(0, CHOICES_MAX).map(({ label }, choice) => ({
    label: shorten(label, LABEL_CHARS_MAX),
    action: { kind: 'draft', draftId, choice },
  }));
  const rows: Button[][] = [];
  for (let index = 0; index < buttons.length; index += ROW_MAX) {
    rows.push(buttons.slice(index, index + ROW_MAX));
  }
  return sayReply(ask(about), { buttons: rows, ownerId });
}

/** Asks for the words that are missing. */
const ASK: Readonly<Record<JobType, string>> = {
  image: 'What should the picture show?',
  video: 'What should happen in the video?',
  text: 'What would you like to know?',
  speech: 'What should I say?',
  music: 'What should the music sound like?',
  transcription: 'What should I write down?',
};

function ask(about: DoubtReason): Span[] {
  switch (about.reason) {
    case 'no_prompt':
      return [`${ASK[about.type]} Write it all in one message.`];
    case 'no_file':
      return [BEGIN[about.type]];
    case 'is_it_a_prompt':
      return [
        { kind: 'quote', text: about.said },
        `Shall I make that? So far nothing was started.`,
        about.isAbout && about.type === 'image' ? ` ${WORDS.aboutWhat}` : '',
      ];
    case 'other_type':
      return [
        `You asked for ${article(THING[about.asked])}, but here I make ${PLURAL[about.have]}.`,
      ];
    case 'unknown_model':
      return ['I know no model ', { kind: 'code', text: about.said }, '. Which one do you mean?'];
    case 'bad_value':
      return [
        `What is the ${nameField(about.field)}? I cannot read `,
        { kind: 'code', text: about.said === '' ? '(nothing)' : about.said },
        '.',
      ];
    case 'unknown_setting':
      return ['I do not know the setting ', { kind: 'code', text: about.said }, '.'];
    case 'out_of_bounds': {
      const bound = about.value > about.limit ? 'most' : 'least';
      return [
        `${about.value} is beyond what I can do: for ${nameField(about.field)}, ${about.limit} is the ${bound}.`,
      ];
    }
    case 'odd_size':
      return [
        `${about.width}x${about.height} does not go: sides are multiples of 8. Is this near enough?`,
      ];
    case 'odd_ratio':
      return [`${about.said} is no shape that I can make. Which one?`];
    case 'two_values':
      return [`You gave two values for ${nameField(about.field)}. Which one is it?`];
    case 'setting_or_prompt':
      return [
        'Is ',
        { kind: 'code', text: about.said },
        ` a setting, or a part of what the ${THING[about.type]} shows?`,
      ];
    case 'how_many':
      return ['How many pictures? Each one counts.'];
  }
}

function article(thing: string): string {
  return /^[aeiou]/.test(thing) ? `an ${thing}` : `a ${thing}`;
}
