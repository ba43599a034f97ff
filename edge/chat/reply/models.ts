/**
 * The models, by what they make: price, plan, and whether one is on just now. Those of the bot's
 * own type one by one, the others in a line each. Pure.
 */
import type { ModelView } from '#schema/api.ts';
import type { Bot, Platform } from '#schema/chat.ts';
import { JOB_TYPES } from '#schema/model.ts';
import type { JobType } from '#schema/model.ts';
import { planIncludes, PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import type { Button, Reply, Span } from '../message.ts';
import { formatNumber, PLURAL } from './format.ts';
import { WORDS } from './words.ts';

/** What the price of a model is for. */
const UNIT: Readonly<Record<JobType, string>> = {
  image: 'a 1024x1024 picture',
  video: '5 s of 720p video',
  text: '500 tokens of text',
  speech: '1,000 characters',
  music: 'a minute of music',
  transcription: '10 minutes of sound',
};

/** How a model is named in a request. */
const NAMED: Readonly<Record<JobType, string>> = {
  image: 'a lighthouse at dusk, using ',
  video: 'waves on a beach, using ',
  music: 'calm piano, using ',
  text: 'Name a colour. --model ',
  speech: 'Hello! --model ',
  transcription: 'a recording with the caption: model ',
};

export interface Shelf {
  readonly models: readonly ModelView[];
  readonly bot: Pick<Bot, 'type' | 'platform'>;
  readonly plan: PlanId;
  /** Bots of this platform by what they make, as users call them. */
  readonly others: ReadonlyMap<JobType, string>;
}

/** The list, for one user. */
export function modelsReply({ models, bot, plan, others }: Shelf): Reply {
  const { type, platform } = bot;
  const own = models.filter((model) => model.type === type);
  const text: Span[] = [{ kind: 'bold', text: `Models for ${PLURAL[type]}` }, '\n'];
  for (const model of own) text.push(...describeModel(model, plan), '\n');
  text.push(`\n${describeUse(own, { type, platform, plan })}\n`);
  const rest = JOB_TYPES.filter((other) => other !== type);
  text.push('\n', { kind: 'bold', text: 'For other things' });
  for (const other of rest) {
    const shelf = models.filter((model) => model.type === other);
    text.push(`\n${describeType(other, shelf, { plan, bot: others.get(other) ?? null })}`);
  }
  const isLocked = models.some((model) => !planIncludes(plan, model.plan));
  const see: Button = { label: WORDS.seePlans, action: { kind: 'command', name: 'upgrade' } };
  const buttons = isLocked ? [[see]] : [];
  return { text, buttons, media: [], isPrivate: true, ownerId: null };
}

function describeModel(model: ModelView, plan: PlanId): Span[] {
  const { id, type, price, description, availability } = model;
  const facts = [`${formatPrice(price.tokens)} for ${UNIT[type]}`];
  if (!planIncludes(plan, model.plan)) facts.push(`needs ${PLANS[model.plan].title}`);
  if (availability === 'offline') facts.push('off just now');
  return [{ kind: 'code', text: id }, ` – ${facts.join(', ')}. ${description}`];
}

/** Which one is taken where none is named, and how to name one. */
function describeUse(
  models: readonly ModelView[],
  { type, platform, plan }: { type: JobType; platform: Platform; plan: PlanId },
): string {
  const mine = models.filter((model) => planIncludes(plan, model.plan));
  const first = models.find(({ availability }) => availability !== 'offline');
  const without = first ? `Without a name I take ${first.id}.` : 'None of them is on just now.';
  const { title, sidePxMax } = PLANS[plan];
  const size = type === 'image' || type === 'video' ? `, up to ${sidePxMax}x${sidePxMax}` : '';
  const allowed =
    mine.length === models.length ? 'all of these' : mine.map(({ id }) => id).join(', ') || 'none';
  const example = (mine[0] ?? models[0])?.id ?? '';
  const how =
    platform === 'discord'
      ? 'Choose one with the option model of /generate.'
      : `Name one like this: ${NAMED[type]}${example}`;
  return `${without} Your plan, ${title}, has ${allowed}${size}.\n${how}`;
}

function describeType(
  type: JobType,
  models: readonly ModelView[],
  { plan, bot }: { plan: PlanId; bot: string | null },
): string {
  const [name = '', ...letters] = PLURAL[type];
  const ids = models.map(({ id }) => id).join(', ');
  const least = Math.min(...models.map(({ price }) => price.tokens));
  const facts = [`from ${formatPrice(least)} for ${UNIT[type]}`];
  const isOpen = models.some((model) => planIncludes(plan, model.plan));
  const needed = models[0]?.plan;
  if (!isOpen && needed) facts.push(`needs ${PLANS[needed].title}`);
  const where = bot === null ? '' : `, with ${bot}`;
  return `${name.toUpperCase()}${letters.join('')}${where}: ${ids}; ${facts.join(', ')}.`;
}

function formatPrice(tokens: number): string {
  return `${formatNumber(tokens)} ${tokens === 1 ? 'token' : 'tokens'}`;
}
