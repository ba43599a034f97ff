/**
 * What every engine behind a server has: the connection, the models that the server has by the
 * catalog's names, and those that it holds in memory. A driver says how its server is asked what
 * it has, how it is told to unload, and how a job runs. What it holds is known by its own word,
 * else by the jobs that ran; a server that does not answer any more holds nothing.
 */
import { z } from 'zod';
import type { JobSpec } from '#schema/job.ts';
import type { ModelId } from '#schema/model.ts';
import type { Engine, EngineInfo, RunContext, RunResult } from '../engine.ts';
import { findCommand } from '../ffmpeg.ts';
import { ServerClient } from './client.ts';
import { freeQuietly, Teller } from './engine.ts';
import type { ServerOptions } from './engine.ts';
import { failed, lacking } from './fault.ts';
import type { ServerSettings } from './settings.ts';

const Models = z.object({ data: z.array(z.object({ id: z.string() })) });

/** What a server has. */
export interface Found<Served> {
  readonly version: string;
  readonly served: ReadonlyMap<ModelId, Served>;
  /** Those that it tells it holds in memory. */
  readonly loaded?: ReadonlyMap<ModelId, Served>;
}

/** `Served` is a model of the catalog as the server has it: its name there, or more. */
export abstract class ServerEngine<Served> implements Engine {
  abstract readonly name: string;
  protected readonly settings: ServerSettings;
  protected readonly client: ServerClient;
  protected readonly teller: Teller;
  readonly #say: ServerOptions['say'];
  readonly #ffmpeg: string;
  #served: ReadonlyMap<ModelId, Served> = new Map();
  #resident: ReadonlyMap<ModelId, Served> = new Map();

  constructor({ settings, say, after, ffmpeg = 'ffmpeg' }: ServerOptions) {
    this.settings = settings;
    this.client = new ServerClient({ ...settings, after });
    this.teller = new Teller(say);
    this.#say = say;
    this.#ffmpeg = ffmpeg;
  }

  abstract run(spec: JobSpec, context: RunContext): Promise<RunResult>;

  /** Asks what the server has, and tells the operator what is missing; null: it is not ready. */
  protected abstract look(signal: AbortSignal): Promise<Found<Served> | null>;

  /** Has a model unloaded; whether it was. */
  protected abstract unload(served: Served, signal: AbortSignal): Promise<boolean>;

  async discover(signal: AbortSignal): Promise<EngineInfo | null> {
    try {
      const found = await this.look(signal);
      if (!found) return null;
      this.#served = found.served;
      this.#resident = new Map([...this.#resident, ...(found.loaded ?? [])]);
      return { version: found.version, models: [...found.served.keys()] };
    } catch (error) {
      this.#resident = new Map();
      throw error;
    }
  }

  resident(): readonly ModelId[] {
    return [...this.#resident.keys()];
  }

  async free(): Promise<void> {
    const onGone = () => {
      this.#resident = new Map();
    };
    await freeQuietly(() => this.#free(), { say: this.#say, onGone });
  }

  close(): Promise<void> {
    return this.client.close();
  }

  /** A model as the server has it; throws when it is not there. */
  protected find(id: ModelId): Served {
    const served = this.#served.get(id);
    if (served === undefined) throw lacking(`the server has no model for ${id}`);
    return served;
  }

  /** The server has a model in its memory from now on. */
  protected holds(id: ModelId, served: Served): void {
    this.#resident = new Map([...this.#resident, [id, served]]);
  }

  /** The names in a server's list of models; null when it knows of no such list. */
  protected async list(path: string, signal: AbortSignal): Promise<readonly string[] | null> {
    const answer = await this.teller.watching(this.client.json(path, { signal }));
    if (answer === null) return null;
    const models = Models.safeParse(answer);
    if (!models.success) throw failed(`${path}: no list of models`);
    return models.data.data.map(({ id }) => id);
  }

  /** Where this machine has ffmpeg; null when it has none. */
  protected findFfmpeg(signal: AbortSignal): Promise<string | null> {
    return findCommand(this.#ffmpeg, signal);
  }

  async #free(): Promise<void> {
    const { signal } = new AbortController();
    for (const [id, served] of this.#resident) {
      if (!(await this.unload(served, signal))) continue;
      this.#resident = new Map([...this.#resident].filter(([other]) => other !== id));
    }
  }
}
