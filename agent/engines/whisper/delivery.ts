/** A transcript as the file that was asked for. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONTENT_TYPES } from '#schema/artifact.ts';
import type { TranscriptionSpec } from '#schema/job.ts';
import type { RunContext, RunResult } from '../engine.ts';
import { unreadable } from './recording.ts';
import { render, TRANSCRIPT_TYPES } from './transcript.ts';
import type { Transcript } from './transcript.ts';

/** Writes it into the run's folder; one without a word fails: nobody spoke. */
export async function deliver(
  transcript: Transcript,
  spec: TranscriptionSpec,
  { directory, signal }: Pick<RunContext, 'directory' | 'signal'>,
): Promise<RunResult> {
  if (transcript.text === '') throw unreadable('no speech was heard in the recording');
  const contentType = TRANSCRIPT_TYPES[spec.format];
  const path = join(directory, `0.${CONTENT_TYPES[contentType]}`);
  await writeFile(path, render(transcript, spec));
  signal.throwIfAborted();
  const none = { width: null, height: null, durationS: null, thumbnail: null };
  const usage = { audioS: transcript.durationS };
  return { outputs: [{ path, contentType, ...none }], usage, loadMs: 0 };
}
