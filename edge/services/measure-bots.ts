/** The bots in figures, for Prometheus; a courier that does not answer is down, and told so. */
import { EXPOSITION_TYPE, expose, toHistogram } from '../core/exposition.ts';
import type { Family, Labels, Sample } from '../core/exposition.ts';
import { RANKS } from '../core/turn.ts';
import type { Env } from '../env.ts';
import { inLanes } from '../io/lane.ts';
import { logWarn } from '../io/log.ts';
import type { BotFigures } from '../rpc/courier.ts';

interface Measured {
  readonly labels: Labels;
  readonly figures: BotFigures | null;
}

const STATUSES = ['ok', 'busy', 'limited', 'failing'] as const;

/** The text, and its content type. */
export async function measureBots(env: Env): Promise<{ text: string; contentType: string }> {
  const measured = await inLanes(
    [...env.bots.values()],
    async ({ id, platform, type }): Promise<Measured> => {
      const labels = { bot: id, platform, type };
      try {
        return { labels, figures: await env.botCouriers.getByName(id).figures() };
      } catch (error) {
        logWarn('bot.measure', { bot: id, message: String(error) });
        return { labels, figures: null };
      }
    },
  );
  return { text: expose(toFamilies(measured)), contentType: EXPOSITION_TYPE };
}

/** Of a family: its name without what all begin with, its help, its type, and a bot's samples. */
type Row = readonly [
  name: string,
  help: string,
  type: Family['type'],
  sample: (figures: BotFigures, labels: Labels) => readonly Sample[],
];

const one = (value: (figures: BotFigures) => number) => (figures: BotFigures, labels: Labels) => [
  { labels, value: value(figures) },
];

const ROWS: readonly Row[] = [
  ['sends_total', 'Calls that the platform did.', 'counter', one(({ sends }) => sends)],
  [
    'failed_calls_total',
    'Calls that the platform did not answer, or failed to do.',
    'counter',
    one(({ health }) => health.failures),
  ],
  [
    'rate_limited_total',
    'Calls that the platform refused as too many (429).',
    'counter',
    one(({ health }) => health.rate_limited),
  ],
  [
    'retry_after_seconds_total',
    'Sum of the waits that came with those refusals.',
    'counter',
    one(({ toldToWaitMs }) => toldToWaitMs / 1000),
  ],
  [
    'given_up_total',
    'Messages that were given up; GET /admin/v1/bots has the last of them.',
    'counter',
    one(({ health }) => health.given_up),
  ],
  [
    'delivery_seconds',
    'From the end of a job to its result in the chat.',
    'histogram',
    ({ delay }, labels) => {
      const { boundsS: bounds, counts, sumMs } = delay;
      return toHistogram(labels, { bounds, counts, sum: sumMs / 1000 });
    },
  ],
  [
    'waiting',
    'Messages to be sent or edited, by rank: answers first, progress last.',
    'gauge',
    ({ waiting }, labels) =>
      RANKS.map((rank) => ({ labels: { ...labels, rank }, value: waiting[rank] })),
  ],
  [
    'oldest_wait_seconds',
    'How long the oldest answer has waited.',
    'gauge',
    one(({ health }) => health.oldest_wait_s),
  ],
  [
    'load',
    'Share of the calls allowed by the platform that is used up, 0 to 1.',
    'gauge',
    one(({ health }) => health.load),
  ],
  [
    'status',
    'How the bot stands: 1 for the one that holds.',
    'gauge',
    ({ health }, labels) =>
      STATUSES.map((status) => ({
        labels: { ...labels, status },
        value: Number(health.status === status),
      })),
  ],
];

function toFamilies(measured: readonly Measured[]): Family[] {
  const up: Family = {
    name: 'tessera_bot_up',
    help: "Whether the bot's courier answers.",
    type: 'gauge',
    samples: measured.map(({ labels, figures }) => ({ labels, value: Number(figures !== null) })),
  };
  const families = ROWS.map(([name, help, type, sample]): Family => {
    const samples = measured.flatMap(({ labels, figures }) =>
      figures === null ? [] : sample(figures, labels),
    );
    return { name: `tessera_bot_${name}`, help, type, samples };
  });
  return [up, ...families];
}
