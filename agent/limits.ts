/**
 * Bounds that only the agent has, each with its reason; the shared ones are in schema/limits.ts.
 */
import { assert } from '#schema/assert.ts';
import {
  BATCH_MAX,
  DRAIN_MS,
  HEARTBEAT_MS,
  JSON_BODY_BYTES_MAX,
  LEASE_MS,
  LEASES_PER_AGENT_MAX,
  SPOOL_JOBS_MAX,
  TEXT_TOKENS_MAX,
} from '#schema/limits.ts';

const SECOND_MS = 1000;
const KIB = 1024;

/** Oldest Node whose every part that we use is there. */
export const NODE_MAJOR_MIN = 24;
/** A call that does not park is answered within this time, or taken as lost. */
export const CALL_MS_MAX = 10 * SECOND_MS;
/** A quiet socket is asked for a sign of life this often: less than a proxy's patience. */
export const SOCKET_PING_MS = 25 * SECOND_MS;
/** Longest pause before a socket is tried again; all goes by requests meanwhile. */
export const SOCKET_RETRY_MS_MAX = 60 * SECOND_MS;
/** Longest pause between tries that a lease waits for. */
export const LEASE_RETRY_MS_MAX = 5 * SECOND_MS;
/** The next job is asked for this long before the engine should be free: late, since an early choice binds the edge. */
export const ASK_AHEAD_MS_MIN = 250;
export const ASK_AHEAD_MS_MAX = 2 * SECOND_MS;
/** What a prediction of an engine's end may be wrong by, beside two round trips. */
export const ASK_MARGIN_MS = 200;
/** A round trip as long as none was measured. */
export const ROUND_TRIP_MS = 300;
/** An ask made ahead ends this long after the engine should be free: its estimate is stale then. */
export const ASK_SLACK_MS = SECOND_MS;
/** An ask of an idle session is surely parked after this time, and is given up when the engine is another's. */
export const LENT_ASK_MS = 2 * SECOND_MS;
/** The edge's `Retry-After` is obeyed up to this long; then we look for ourselves. */
export const RETRY_AFTER_MS_MAX = 5 * 60 * SECOND_MS;
/** An engine that has not stopped this long after its signal is wedged; the agent restarts. */
export const STOP_MS_MAX = 20 * SECOND_MS;
/** After a drain's last job ended or was stopped, the edge is told for at most this long. */
export const LEAVE_MS = 10 * SECOND_MS;
/** Slowest uplink that an upload is waited for, bytes a second. */
export const UPLOAD_BYTES_PER_S_MIN = 100 * KIB;
/** Slowest reading of a whole result by the edge, which answers then, bytes a second. */
export const VERIFY_BYTES_PER_S_MIN = 4 * 1024 * KIB;
/** Largest result that is read into memory on its way from an engine: a short clip, a song. */
export const RESULT_BUFFER_BYTES_MAX = 95 * 1024 * KIB;
/** Files of one job that are sent at once: a home uplink is full with these. */
export const UPLOADS_MAX = 4;
/** Transfers of an input file, with pauses between, before the attempt fails. */
export const INPUT_TRIES_MAX = 4;
/** Files of jobs that still wait for the engine, on disk at once; others come when their job starts. */
export const AHEAD_INPUT_BYTES_MAX = 512 * KIB * KIB;
/** Generated text is sent on this often: smooth for a reader, few requests. */
export const TEXT_BATCH_MS = 150;
/** Text of one job that waits to be sent; more than the longest answer has. */
export const TEXT_CHARS_MAX = TEXT_TOKENS_MAX * 16;
/** The end of a job waits this long for its last text; the result file has it anyway. */
export const TEXT_FLUSH_MS_MAX = 5 * SECOND_MS;
/** Pools that one agent serves: each costs a parked request, and a place in turn on the engine. */
export const POOLS_MAX = 16;
/** Engines are asked this often what they have. */
export const DISCOVER_MS = 60 * SECOND_MS;
/** An engine says within this time what it has, or counts as away. */
export const DISCOVER_MS_MAX = 10 * SECOND_MS;
/** Largest answer of the edge: the specs of a batch, escaped. */
export const ANSWER_BYTES_MAX = 2 * BATCH_MAX * JSON_BODY_BYTES_MAX;
/** With less of the disk free no job is taken: its result would have no place. */
export const DISK_BYTES_MIN = 256 * KIB * KIB;
/** Wall clock this far ahead of the monotonic one means that the machine slept. */
export const SLEEP_MS_MIN = 5 * SECOND_MS;
/** Copies of one signal arrive within this time; a later one is a second wish. */
export const SAME_SIGNAL_MS = 250;
/** What is open at the end is closed within this time, or left to the system. */
export const CLOSE_MS_MAX = 5 * SECOND_MS;
/** A goodbye waits no longer for its answer. */
export const GOODBYE_MS_MAX = 1000;
/** Spans that one turn of the session may act on; more would be a loop without end. */
export const TURN_STEPS_MAX = 200;

assert(CALL_MS_MAX * 3 + HEARTBEAT_MS < LEASE_MS, 'three lost heartbeats are noticed in time');
assert(LEASE_RETRY_MS_MAX * 3 < LEASE_MS - HEARTBEAT_MS, 'a heartbeat is tried several times');
assert(DRAIN_MS + LEAVE_MS < LEASE_MS, 'a drained agent leaves before its lease lapses');
assert(ASK_AHEAD_MS_MIN < ASK_AHEAD_MS_MAX, 'the span has room');
assert(SPOOL_JOBS_MAX - 1 + BATCH_MAX <= LEASES_PER_AGENT_MAX, 'a grant fits what may be held');
