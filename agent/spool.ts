/**
 * Finished results that could not be delivered, on disk until they are, or until their lease is
 * gone: a folder each with the files and a manifest, all synced before the folder is moved here
 * in one step, so that an entry is whole or is none. Outlives the process. Whatever cannot be read back is set aside
 * in `damaged/` and logged; it never stops the agent.
 */
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { LeasedJob } from '#schema/agent-protocol.ts';
import { assert } from '#schema/assert.ts';
import { ContentType, Sha256 } from '#schema/artifact.ts';
import { ARTIFACTS_MAX, SPOOL_JOBS_MAX, UPLOAD_TICKET_MS } from '#schema/limits.ts';
import { Usage } from '#schema/usage.ts';
import { digestFile } from './digest.ts';
import { sync, writeDurably } from './durable.ts';
import type { Output } from './engines/engine.ts';
import type { Log } from './log.ts';
import type { Grant, Kept } from './session/state.ts';

const MANIFEST = 'manifest.json';
const DAMAGED = 'damaged';

/** A name inside the entry's folder: no way out of it. */
const FileName = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}$/);
const SpooledFile = z.strictObject({
  name: FileName,
  contentType: ContentType,
  bytes: z.int().min(1),
  sha256: Sha256,
});
const SpooledOutput = SpooledFile.extend({
  width: z.int().positive().nullable(),
  height: z.int().positive().nullable(),
  durationS: z.number().nonnegative().nullable(),
  thumbnail: SpooledFile.nullable(),
});
const Manifest = z.strictObject({
  version: z.literal(1),
  /** Epoch milliseconds. */
  keptAt: z.int(),
  grant: LeasedJob.omit({ spec: true }),
  usage: Usage,
  loadMs: z.number(),
  serviceMs: z.number(),
  outputs: z.array(SpooledOutput).max(ARTIFACTS_MAX),
});
type Manifest = z.infer<typeof Manifest>;
type SpooledFile = z.infer<typeof SpooledFile>;

/** A result in the spool; the paths of its outputs lie in its folder. */
export interface SpoolEntry extends Kept {
  readonly directory: string;
  readonly outputs: readonly Output[];
}

export interface SpoolParts {
  /** Epoch milliseconds. */
  readonly wall: () => number;
  readonly log: Log;
}

export class Spool {
  readonly #directory: string;
  readonly #wall: () => number;
  readonly #log: Log;
  /** Entries by the names of their folders. */
  readonly #names = new Set<string>();

  constructor(directory: string, { wall, log }: SpoolParts) {
    this.#directory = directory;
    this.#wall = wall;
    this.#log = log;
  }

  /** A spool in `directory`, which is made if it is not there. */
  static async open(directory: string, parts: SpoolParts): Promise<Spool> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return new Spool(directory, parts);
  }

  /** What an earlier process left; sets damaged entries aside and drops expired ones. */
  async load(): Promise<readonly SpoolEntry[]> {
    const entries: SpoolEntry[] = [];
    for (const name of (await readdir(this.#directory)).toSorted()) {
      if (name === DAMAGED) continue;
      const entry = await this.#read(name);
      if (!entry) continue;
      this.#names.add(name);
      entries.push(entry);
    }
    for (const extra of entries.splice(SPOOL_JOBS_MAX)) {
      this.#log.warn('spool.full', { jobId: extra.grant.jobId });
      await this.drop(extra);
    }
    return entries;
  }

  /** Moves a run's folder with its outputs into the spool; null when it is full. */
  async keep(
    kept: Kept,
    run: { readonly directory: string; readonly outputs: readonly Output[] },
  ): Promise<SpoolEntry | null> {
    if (this.#names.size >= SPOOL_JOBS_MAX) return null;
    const name = nameOf(kept.grant);
    const path = join(this.#directory, name);
    this.#names.add(name);
    try {
      const outputs = await Promise.all(run.outputs.map((output) => spoolOutput(output)));
      const { grant, usage, loadMs, serviceMs } = kept;
      const keptAt = Math.round(this.#wall());
      const manifest: Manifest = { version: 1, keptAt, grant, usage, loadMs, serviceMs, outputs };
      await writeDurably(join(run.directory, MANIFEST), JSON.stringify(manifest));
      // Left by an earlier run of the same attempt, whose result was dropped.
      await rm(path, { recursive: true, force: true });
      await rename(run.directory, path);
      await sync(this.#directory);
      return toEntry(path, manifest);
    } catch (error) {
      this.#names.delete(name);
      throw error;
    }
  }

  async drop(entry: SpoolEntry): Promise<void> {
    this.#names.delete(basename(entry.directory));
    await rm(entry.directory, { recursive: true, force: true });
  }

  size(): number {
    return this.#names.size;
  }

  async #read(name: string): Promise<SpoolEntry | null> {
    const path = join(this.#directory, name);
    try {
      const manifest = Manifest.parse(JSON.parse(await readFile(join(path, MANIFEST), 'utf8')));
      assert(nameOf(manifest.grant) === name, 'a spooled result is in the folder of its lease');
      if (this.#wall() - manifest.keptAt > UPLOAD_TICKET_MS) {
        this.#log.warn('spool.expired', { jobId: manifest.grant.jobId, keptAt: manifest.keptAt });
        await rm(path, { recursive: true, force: true });
        return null;
      }
      for (const output of manifest.outputs) {
        await checkFile(path, output);
        if (output.thumbnail) await checkFile(path, output.thumbnail);
      }
      return toEntry(path, manifest);
    } catch (error) {
      this.#log.error('spool.damaged', { entry: name, detail: String(error) });
      await this.#setAside(name);
      return null;
    }
  }

  async #setAside(name: string): Promise<void> {
    const damaged = join(this.#directory, DAMAGED);
    try {
      await mkdir(damaged, { recursive: true, mode: 0o700 });
      await rm(join(damaged, name), { recursive: true, force: true });
      await rename(join(this.#directory, name), join(damaged, name));
      // Names begin with the job's time: the oldest go first.
      for (const old of (await readdir(damaged)).toSorted().slice(0, -SPOOL_JOBS_MAX)) {
        await rm(join(damaged, old), { recursive: true, force: true });
      }
    } catch (error) {
      this.#log.error('spool.stuck', { entry: name, detail: String(error) });
    }
  }
}

function nameOf(grant: Grant): string {
  return `${grant.jobId}.${grant.fencingToken}`;
}

async function spoolOutput(output: Output): Promise<z.infer<typeof SpooledOutput>> {
  const { width, height, durationS, thumbnail } = output;
  const file = await spoolFile(output);
  const small = thumbnail ? await spoolFile(thumbnail) : null;
  return { ...file, width, height, durationS, thumbnail: small };
}

async function spoolFile(file: { path: string; contentType: ContentType }): Promise<SpooledFile> {
  await sync(file.path);
  const digest = await digestFile(file.path);
  return { name: basename(file.path), contentType: file.contentType, ...digest };
}

async function checkFile(directory: string, file: SpooledFile): Promise<void> {
  const digest = await digestFile(join(directory, file.name));
  assert(digest.sha256 === file.sha256, `${file.name} is as it was when it was kept`);
}

function toEntry(directory: string, manifest: Manifest): SpoolEntry {
  const { grant, usage, loadMs, serviceMs } = manifest;
  const place = (file: SpooledFile) => ({
    path: join(directory, file.name),
    contentType: file.contentType,
  });
  const outputs = manifest.outputs.map((output): Output => ({
    ...place(output),
    width: output.width,
    height: output.height,
    durationS: output.durationS,
    thumbnail: output.thumbnail ? place(output.thumbnail) : null,
  }));
  return { grant, usage, loadMs, serviceMs, directory, outputs };
}
