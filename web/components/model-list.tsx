/** What can be asked for, by kind, with where each model is right now. */
import type { Availability, ModelView } from '#schema/api.ts';
import { JOB_TYPES } from '#schema/model.ts';
import type { JobType } from '#schema/model.ts';
import { PLANS } from '#schema/plan.ts';
import type { Answer } from '../lib/client.ts';
import { formatTokens } from '../lib/format.ts';
import { describeProblem } from '../lib/problem.ts';
import { ProblemNote } from './problem-note.tsx';

const KIND: Readonly<Record<JobType, string>> = {
  image: 'Pictures',
  video: 'Video',
  text: 'Text',
  speech: 'Speech',
  music: 'Music',
  transcription: 'Transcription',
};

const STATE: Readonly<Record<Availability, { title: string; dot: string; text: string }>> = {
  resident: { title: 'Loaded', dot: 'bg-good', text: 'text-good' },
  installed: { title: 'Ready', dot: 'bg-gold', text: 'text-gold' },
  offline: { title: 'Offline', dot: 'ring-1 ring-edge', text: 'text-muted' },
};

export function ModelSection({
  models,
}: {
  models: Answer<{ data: readonly ModelView[] }> | null;
}) {
  return (
    <section aria-labelledby="models-title" id="models" className="section">
      <h2 id="models-title" className="section-title">
        Models
      </h2>
      <p className="mt-2 max-w-2xl text-muted">
        <em className="text-ink not-italic">Loaded</em> means it starts at once,{' '}
        <em className="text-ink not-italic">ready</em> that it is loaded first, and{' '}
        <em className="text-ink not-italic">offline</em> that no machine has it just now.
      </p>
      <div className="mt-8">
        {models === null ? <p className="text-muted">Asking which models are there…</p> : null}
        {models?.ok === false ? (
          <ProblemNote role="status" text={describeProblem(models.problem)} />
        ) : null}
        {models?.ok ? <ModelGroups models={models.value.data} /> : null}
      </div>
    </section>
  );
}

function ModelGroups({ models }: { models: readonly ModelView[] }) {
  return (
    <div className="grid gap-x-10 gap-y-10 md:grid-cols-2 xl:grid-cols-3" data-testid="models">
      {JOB_TYPES.map((type) => {
        const group = models.filter((model) => model.type === type);
        if (group.length === 0) return null;
        return (
          <div key={type}>
            <h3 className="text-xl font-semibold">{KIND[type]}</h3>
            <ul className="mt-3 border-t border-line">
              {group.map((model) => (
                <ModelRow key={model.id} model={model} />
              ))}
            </ul>
          </div>
        );
      })}
    </div>
  );
}

function ModelRow({ model }: { model: ModelView }) {
  const state = STATE[model.availability];
  return (
    <li className="border-b border-line py-3" data-model={model.id}>
      <div className="flex items-baseline justify-between gap-3">
        <span className="font-semibold">{model.title}</span>
        <span className={`flex shrink-0 items-center gap-2 text-sm font-medium ${state.text}`}>
          <span aria-hidden="true" className={`size-2 rounded-full ${state.dot}`} />
          {state.title}
        </span>
      </div>
      <p className="text-sm text-muted">{model.description}</p>
      <p className="mt-0.5 text-sm text-muted">
        {formatTokens(model.price.tokens)} per {model.price.per}
        {model.plan === 'free' ? '' : ` · from ${PLANS[model.plan].title}`}
      </p>
    </li>
  );
}
