/**
 * Bounds of the ComfyUI driver, each with its reason. Times are those of a healthy machine under
 * load; a test gives its own.
 */
import { assert } from '#schema/assert.ts';
import { STOP_MS_MAX } from '../../limits.ts';

const SECOND_MS = 1000;
const MIB = 1024 * 1024;

export interface Pace {
  /** A call that moves little is answered within this time, or taken as lost. */
  readonly callMs: number;
  /** Files may take longer: a large video over a busy loopback. */
  readonly fileMs: number;
  /** History is looked at this often, and at once after each event that may be the last. */
  readonly pollMs: number;
  /** A server that answers nothing for this long while a job runs is given up. */
  readonly awayMs: number;
  /** A job that shows no sign of life for this long has hung: large models load for minutes. */
  readonly stallMs: number;
  /** What was told to stop is waited for this long; a decode that cannot be broken may take longer. */
  readonly stopMs: number;
  /** Memory given back shows within this time: the server collects at most every ten seconds. */
  readonly freeMs: number;
  /** Previews are passed on at most this often. */
  readonly previewMs: number;
}

export const PACE: Pace = {
  callMs: 10 * SECOND_MS,
  fileMs: 120 * SECOND_MS,
  pollMs: SECOND_MS,
  awayMs: 10 * SECOND_MS,
  stallMs: 10 * 60 * SECOND_MS,
  stopMs: 15 * SECOND_MS,
  freeMs: 13 * SECOND_MS,
  previewMs: SECOND_MS,
};

/** One node's schema has lists of every file; thousands of LoRAs still fit. */
export const ANSWER_BYTES_MAX = 16 * MIB;
/** A picture of 8192 x 8192 before it is encoded anew. */
export const FILE_BYTES_MAX = 512 * MIB;
/** Event frames of the socket: a preview of a few hundred pixels. */
export const FRAME_BYTES_MAX = 8 * MIB;
/** Questions to the server at once while it is discovered. */
export const QUESTIONS_MAX = 6;
/** Workflow files of one folder. */
export const WORKFLOWS_MAX = 200;
export const WORKFLOW_BYTES_MAX = MIB;
export const NODES_MAX = 300;
/** Engine's own words that are kept of one failure. */
export const WORDS_CHARS_MAX = 1500;
/** Pixels of an input picture: a bomb is refused before it is decoded. */
export const INPUT_PIXELS_MAX = 64 * MIB;

assert(PACE.stopMs < STOP_MS_MAX, 'the driver gives up before the agent takes it as wedged');
