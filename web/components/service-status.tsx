/** Whether a GPU is online and every part works, in one line and, when not, in a sentence. */
import type { HealthView } from '#schema/api.ts';
import type { Answer } from '../lib/client.ts';
import { joinWords } from '../lib/format.ts';

const PARTS: Readonly<Record<keyof HealthView['dependencies'], string>> = {
  scheduler: 'the queue',
  database: 'the history',
  storage: 'the storage of results',
};

export function ServiceStatus({ health }: { health: Answer<HealthView> | null }) {
  const { tone, title, detail } = describe(health);
  const dot = { good: 'bg-good pulse', bad: 'bg-bad', wait: 'bg-edge pulse' }[tone];
  return (
    <div role="status" data-testid="service-status" className="flex items-start gap-3">
      <span aria-hidden="true" className={`mt-2 size-2.5 shrink-0 rounded-full ${dot}`} />
      <p>
        <strong className="font-semibold">{title}</strong>{' '}
        <span className="text-muted">{detail}</span>
      </p>
    </div>
  );
}

function describe(health: Answer<HealthView> | null): {
  tone: 'good' | 'bad' | 'wait';
  title: string;
  detail: string;
} {
  if (!health) return { tone: 'wait', title: 'Asking the service…', detail: '' };
  if (!health.ok) {
    return {
      tone: 'bad',
      title: 'The service does not answer.',
      detail: 'This page asks again every half minute.',
    };
  }
  const { agents, dependencies } = health.value;
  const down = (Object.keys(PARTS) as (keyof typeof PARTS)[]).filter(
    (part) => dependencies[part] === 'down',
  );
  const parts =
    down.length === 0
      ? 'Queue, history and storage work.'
      : `Not working just now: ${joinWords(down.map((part) => PARTS[part]))}.`;
  if (agents.online === 0) {
    return {
      tone: 'bad',
      title: 'No GPU is online just now.',
      detail: `New jobs may be refused until one is. ${parts}`,
    };
  }
  const title = agents.online === 1 ? 'The GPU is online.' : `${agents.online} GPUs are online.`;
  return { tone: down.length === 0 ? 'good' : 'bad', title, detail: parts };
}
