/** The parameters of a picture, within what the plan and the model allow. */
import { useId, useState } from 'react';
import type { FormEvent } from 'react';
import type { AccountView, ModelView } from '#schema/api.ts';
import { ImageRequest } from '#schema/job.ts';
import type { JobRequest } from '#schema/job.ts';
import { PROMPT_CHARS_MAX, SEED_MAX, STEPS_MAX } from '#schema/limits.ts';
import { findModel } from '#schema/model.ts';
import { PLANS, planIncludes } from '#schema/plan.ts';
import { SHAPES, SIDES_PX, sizeOf } from '../lib/picture-size.ts';
import type { Shape } from '../lib/picture-size.ts';

/** The form as it stands; strings where a person types. */
export interface ImageDraft {
  readonly prompt: string;
  readonly modelId: string;
  readonly shape: Shape;
  readonly sidePx: number;
  readonly steps: number;
  readonly seed: string;
}

interface Bounds {
  readonly steps: number;
  readonly stepsMax: number;
  readonly sidePxMax: number;
}

/** The first model that is there and in the plan, with its defaults. */
export function startDraft(models: readonly ModelView[], account: AccountView): ImageDraft {
  const usable = models.filter((model) => planIncludes(account.plan, model.plan));
  const model = usable.find((entry) => entry.availability !== 'offline') ?? usable[0] ?? models[0];
  const modelId = model?.id ?? '';
  const { steps, sidePxMax } = boundsOf(modelId, account);
  return {
    prompt: '',
    modelId,
    shape: 'square',
    sidePx: Math.min(1024, sidePxMax),
    steps,
    seed: '',
  };
}

function boundsOf(modelId: string, account: AccountView): Bounds {
  const model = findModel(modelId);
  return {
    steps: model?.steps ?? 20,
    stepsMax: model?.stepsMax ?? STEPS_MAX,
    sidePxMax: Math.min(account.limits.side_px, model?.sidePxMax ?? account.limits.side_px),
  };
}

/** The request of a draft, or null while something is missing or out of bounds. */
export function toRequest(draft: ImageDraft): JobRequest | null {
  const seed = draft.seed.trim();
  const parsed = ImageRequest.safeParse({
    type: 'image',
    model: draft.modelId,
    prompt: draft.prompt,
    ...sizeOf(draft.shape, draft.sidePx),
    steps: draft.steps,
    ...(seed === '' ? {} : { seed: /^\d+$/.test(seed) ? Number(seed) : Number.NaN }),
  });
  return parsed.success ? parsed.data : null;
}

function isSeed(seed: string): boolean {
  return seed.trim() === '' || (/^\d{1,10}$/.test(seed.trim()) && Number(seed) <= SEED_MAX);
}

interface Props {
  readonly draft: ImageDraft;
  readonly onDraft: (draft: ImageDraft) => void;
  readonly models: readonly ModelView[];
  readonly account: AccountView;
  readonly onSubmit: () => void;
  /** The price and the button. */
  readonly children: React.ReactNode;
}

export function ImageForm({ draft, onDraft, models, account, onSubmit, children }: Props) {
  const id = useId();
  const [wasTouched, setTouched] = useState(false);
  const bounds = boundsOf(draft.modelId, account);
  const model = models.find((entry) => entry.id === draft.modelId);
  const needsPrompt = wasTouched && draft.prompt.trim() === '';

  function change(part: Partial<ImageDraft>) {
    onDraft({ ...draft, ...part });
  }

  function changeModel(modelId: string) {
    const next = boundsOf(modelId, account);
    change({ modelId, steps: next.steps, sidePx: Math.min(draft.sidePx, next.sidePxMax) });
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    setTouched(true);
    onSubmit();
  }

  return (
    <form onSubmit={submit} noValidate className="space-y-6" aria-label="New picture">
      <div>
        <label htmlFor={`${id}-prompt`} className="field-label">
          What should it show?
        </label>
        <textarea
          id={`${id}-prompt`}
          className="field"
          rows={3}
          maxLength={PROMPT_CHARS_MAX}
          value={draft.prompt}
          onChange={(event) => change({ prompt: event.target.value })}
          onBlur={() => setTouched(true)}
          aria-invalid={needsPrompt}
          aria-describedby={needsPrompt ? `${id}-prompt-hint` : undefined}
          placeholder="A sunset over mountains, mist in the valley"
        />
        {needsPrompt ? (
          <p id={`${id}-prompt-hint`} className="mt-1 text-sm text-bad">
            Describe the picture in a few words.
          </p>
        ) : null}
      </div>

      <div>
        <label htmlFor={`${id}-model`} className="field-label">
          Model
        </label>
        <select
          id={`${id}-model`}
          className="field"
          value={draft.modelId}
          onChange={(event) => changeModel(event.target.value)}
        >
          {models.map((entry) => (
            <option
              key={entry.id}
              value={entry.id}
              disabled={!planIncludes(account.plan, entry.plan)}
            >
              {entry.title}
              {noteOf(entry, account)}
            </option>
          ))}
        </select>
        {model ? <p className="field-hint mt-1">{model.description}</p> : null}
      </div>

      <SizeChoice draft={draft} sidePxMax={bounds.sidePxMax} onChange={change} />

      <div className="grid gap-6 sm:grid-cols-2">
        <div>
          <label htmlFor={`${id}-steps`} className="field-label flex justify-between">
            <span>Steps</span>
            <output htmlFor={`${id}-steps`} className="tabular-nums">
              {draft.steps}
            </output>
          </label>
          <input
            id={`${id}-steps`}
            type="range"
            min={1}
            max={bounds.stepsMax}
            value={draft.steps}
            onChange={(event) => change({ steps: event.target.valueAsNumber })}
            aria-describedby={`${id}-steps-hint`}
          />
          <p id={`${id}-steps-hint`} className="field-hint">
            {bounds.steps} is usual for this model; the price follows.
          </p>
        </div>
        <div>
          <label htmlFor={`${id}-seed`} className="field-label">
            Seed
          </label>
          <input
            id={`${id}-seed`}
            className="field"
            inputMode="numeric"
            autoComplete="off"
            value={draft.seed}
            onChange={(event) => change({ seed: event.target.value })}
            placeholder="Random"
            aria-invalid={!isSeed(draft.seed)}
            aria-describedby={`${id}-seed-hint`}
          />
          <p
            id={`${id}-seed-hint`}
            className={isSeed(draft.seed) ? 'field-hint mt-1' : 'mt-1 text-sm text-bad'}
          >
            {isSeed(draft.seed)
              ? 'The same seed gives the same picture.'
              : `A whole number from 0 to ${SEED_MAX}, or nothing.`}
          </p>
        </div>
      </div>

      {children}
    </form>
  );
}

function noteOf(model: ModelView, account: AccountView): string {
  if (!planIncludes(account.plan, model.plan)) return ` (from ${PLANS[model.plan].title})`;
  return { resident: ' (loaded)', installed: ' (ready)', offline: ' (offline)' }[
    model.availability
  ];
}

function SizeChoice({
  draft,
  sidePxMax,
  onChange,
}: {
  draft: ImageDraft;
  sidePxMax: number;
  onChange: (part: Partial<ImageDraft>) => void;
}) {
  const { width, height } = sizeOf(draft.shape, draft.sidePx);
  const isCut = SIDES_PX.some((side) => side > sidePxMax);
  return (
    <div className="space-y-3">
      <fieldset>
        <legend className="field-label mb-1.5 flex w-full justify-between">
          <span>Shape</span>
          <span className="font-normal text-muted tabular-nums">
            {width} × {height}
          </span>
        </legend>
        <div className="grid grid-cols-4 gap-2">
          {SHAPES.map((shape) => (
            <label key={shape.id} className="choice">
              <input
                type="radio"
                name="shape"
                value={shape.id}
                checked={draft.shape === shape.id}
                onChange={() => onChange({ shape: shape.id })}
              />
              <svg viewBox="0 0 24 24" className="size-6" aria-hidden="true" focusable="false">
                <rect
                  {...iconOf(shape.across, shape.down)}
                  rx="2"
                  fill="none"
                  stroke="currentColor"
                  strokeWidth="1.8"
                />
              </svg>
              <span className="text-sm">{shape.title}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <fieldset>
        <legend className="field-label mb-1.5">Longest side</legend>
        <div className="grid grid-cols-4 gap-2">
          {SIDES_PX.map((side) => (
            <label key={side} className="choice tabular-nums">
              <input
                type="radio"
                name="side"
                value={side}
                checked={draft.sidePx === side}
                disabled={side > sidePxMax}
                onChange={() => onChange({ sidePx: side })}
              />
              {side}
            </label>
          ))}
        </div>
        {isCut ? (
          <p className="field-hint mt-1">Up to {sidePxMax} pixels with this plan and model.</p>
        ) : null}
      </fieldset>
    </div>
  );
}

function iconOf(across: number, down: number) {
  const scale = 18 / Math.max(across, down);
  const width = across * scale;
  const height = down * scale;
  return { x: 12 - width / 2, y: 12 - height / 2, width, height };
}
