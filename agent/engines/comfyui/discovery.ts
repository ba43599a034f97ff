/**
 * What a ComfyUI server could run, asked anew each time: new files show without a restart. Only
 * the schemas of the nodes that workflows use are asked for, a few at a time. Why a workflow is
 * not offered is said once, for the operator.
 */
import { findModel } from '#schema/model.ts';
import type { JobType, ModelId } from '#schema/model.ts';
import { classesOf, fit } from './fit.ts';
import type { Classes, Offer } from './fit.ts';
import { QUESTIONS_MAX } from './limits.ts';
import type { ComfyServer, NodeInfo } from './server.ts';
import type { Task, Workflow } from './template.ts';

const TYPES: Readonly<Record<Task, JobType>> = {
  text_to_image: 'image',
  image_to_image: 'image',
  inpaint: 'image',
  text_to_video: 'video',
  image_to_video: 'video',
  text_to_music: 'music',
};

/** Tasks that a job can ask for without a file of its own. */
const WITHOUT_INPUT: ReadonlySet<Task> = new Set([
  'text_to_image',
  'text_to_video',
  'text_to_music',
]);

export interface DiscoveryParts {
  readonly workflows: readonly Workflow[];
  readonly say: (words: string) => void;
}

export class Discovery {
  readonly #parts: DiscoveryParts;
  readonly #classes: readonly string[];
  readonly #said = new Map<string, string>();
  #offers: readonly Offer[] = [];
  /** Names of workflows whose files turned out to be damaged. */
  readonly #damaged = new Set<string>();

  constructor(parts: DiscoveryParts) {
    this.#parts = parts;
    this.#classes = classesOf(parts.workflows);
  }

  /** Asks the server, and answers the models that it could run. */
  async ask(server: ComfyServer, signal: AbortSignal): Promise<readonly ModelId[]> {
    const classes = await this.#schemas(server, signal);
    this.#offers = this.#parts.workflows.flatMap((workflow) => {
      const told = this.#fit(workflow, classes);
      this.#tell(workflow.name, 'why' in told ? told.why : '');
      return 'offer' in told ? [told.offer] : [];
    });
    return this.models();
  }

  /** Models that would run now: by text alone, unless a model always wants a file. */
  models(): readonly ModelId[] {
    const isPlain = ({ task }: Workflow) => WITHOUT_INPUT.has(task);
    const plain = new Set(this.#parts.workflows.filter(isPlain).map(({ model }) => model));
    const usable = this.#usable()
      .map(({ workflow }) => workflow)
      .filter((workflow) => isPlain(workflow) || !plain.has(workflow.model));
    return [...new Set(usable.map(({ model }) => model))];
  }

  /** The first workflow for a task of a model. */
  find(model: ModelId, task: Task): Offer | null {
    return (
      this.#usable().find(({ workflow }) => workflow.model === model && workflow.task === task) ??
      null
    );
  }

  markDamaged(name: string): void {
    this.#damaged.add(name);
  }

  /** The server was started anew: its files may be sound again. */
  forgive(): void {
    this.#damaged.clear();
  }

  #usable(): readonly Offer[] {
    return this.#offers.filter(({ workflow }) => !this.#damaged.has(workflow.name));
  }

  #fit(workflow: Workflow, classes: Classes): { offer: Offer } | { why: string } {
    const model = findModel(workflow.model);
    if (!model) return { why: `the catalog has no model ${workflow.model}` };
    if (model.type !== TYPES[workflow.task]) return { why: `${model.id} is no ${workflow.task}` };
    const told = fit(workflow, classes);
    return told.ok ? { offer: told.offer } : { why: told.why };
  }

  #tell(name: string, why: string): void {
    if (why !== '' && this.#said.get(name) !== why) {
      this.#parts.say(`workflow ${name} is not offered: ${why}`);
    }
    this.#said.set(name, why);
  }

  async #schemas(server: ComfyServer, signal: AbortSignal): Promise<Classes> {
    const known = new Map<string, NodeInfo | null>();
    const left = this.#classes.values();
    const ask = async (): Promise<void> => {
      for (const name of left) known.set(name, await server.nodeInfo(name, signal));
    };
    await Promise.all(Array.from({ length: QUESTIONS_MAX }, ask));
    return known;
  }
}
