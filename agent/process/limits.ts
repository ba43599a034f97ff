/** Bounds of engine processes, each with its reason. */
import { assert } from '#schema/assert.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;

/** What ends a process group: a wish, then a must. */
export type Signal = 'SIGTERM' | 'SIGKILL';

/** A ComfyUI with many extensions, or a large model from a slow disk, takes minutes. */
export const START_MS = 5 * MINUTE_MS;
export const START_MS_MAX = 30 * MINUTE_MS;
/** What a process needs to end in order; an engine has nothing to save. */
export const GRACE_MS = 8 * SECOND_MS;
/** After SIGKILL, the driver may take this long to give memory back; then it is left behind. */
export const GONE_MS_MAX = 20 * SECOND_MS;
/** After the end of its head, it is looked this often whether the group is gone. */
export const GROUP_LOOK_MS = 100;
/** First pause after a failure, and the longest. */
export const REST_MS_MIN = SECOND_MS;
export const REST_MS_MAX = MINUTE_MS;
/** So many failures within this time are a loop. */
export const CRASHES_MAX = 4;
export const CRASH_WINDOW_MS = 15 * MINUTE_MS;
/** How long an engine in a crash loop is left alone. */
export const OUT_MS = 10 * MINUTE_MS;
/** Idle questions, a minute apart, that an engine may leave without an answer. */
export const MISSES_MAX = 3;
/** A starting engine is asked this often whether it is there. */
export const PROBE_MS = 500;
/** And answers within this time, or not this time. */
export const PROBE_MS_MAX = 5 * SECOND_MS;
/** An engine stops a job this soon after it was told to, or is killed. */
export const WEDGED_MS = 8 * SECOND_MS;
/** What a run has left to say for itself once its engine's process is gone. */
export const LAST_SAY_MS = SECOND_MS;
/** Of an engine's own log; there are two files of this size. */
export const JOURNAL_BYTES_MAX = 4 * 1024 * 1024;
/** Of what waits to be written; more is dropped: a slow disk must not fill the memory. */
export const JOURNAL_WAITING_BYTES_MAX = 256 * 1024;
/** The end of an engine's words, for the operator. */
export const WORDS_CHARS_MAX = 900;
/** Graphics memory is looked at this often while it is given back. */
export const MEMORY_POLL_MS = 250;
/** So many looks without more of it: the rest is held by others. */
export const MEMORY_POLLS_STILL = 4;
/** The longest wait for it. */
export const MEMORY_POLLS_MAX = 80;

assert(REST_MS_MIN < REST_MS_MAX && REST_MS_MAX < OUT_MS, 'rests grow');
assert((CRASHES_MAX * REST_MS_MAX) / 2 < CRASH_WINDOW_MS, 'a loop of quick failures is noticed');
