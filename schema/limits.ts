/**
 * Every bound of the system, each with its reason, and the relations between them.
 * Code that loops, queues, retries or accepts bytes cites one of these.
 * Units come last in a name: MS milliseconds, BYTES, CHARS, MAX a count.
 */
import { assert } from './assert.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

// Requests
/** Largest JSON body: a long chat history still fits; a Worker parses it in a few ms. */
export const JSON_BODY_BYTES_MAX = 256 * KIB;
/** Longest `Prefer: wait=N`; proxies cut idle answers soon after a minute. */
export const PREFER_WAIT_S_MAX = 60;
/** Idempotency keys are remembered this long: longer than any sane retry loop. */
export const IDEMPOTENCY_MS = 24 * HOUR_MS;
/** A key is a header value that we store: a UUID with room for a prefix. */
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;
/** Jobs of one `POST /v1/jobs/batch`; each is admitted by itself. */
export const JOBS_PER_BATCH_MAX = 100;
/** Rows of one page of a list. */
export const PAGE_MAX = 100;
export const PAGE_DEFAULT = 20;

// Parameters of jobs
/** Longest prompt: beyond it no engine of ours keeps the text. */
export const PROMPT_CHARS_MAX = 4000;
/** Text of a speech job: about ten minutes spoken. */
export const SPEECH_CHARS_MAX = 10_000;
/** Lyrics of a song. */
export const LYRICS_CHARS_MAX = 8000;
/** Turns of one chat; each costs a template's tokens. */
export const MESSAGES_MAX = 200;
/** Characters of one message of a chat. */
export const MESSAGE_CHARS_MAX = 32_000;
/** Longest side of a picture: Pro's largest. */
export const IMAGE_SIDE_PX_MAX = 2048;
export const IMAGE_SIDE_PX_MIN = 64;
/** Diffusion sizes are multiples of 8 pixels, the latent's scale. */
export const IMAGE_SIDE_PX_STEP = 8;
export const STEPS_MAX = 150;
/** Pictures of one job; more are more jobs. */
export const IMAGE_COUNT_MAX = 4;
export const LORAS_MAX = 4;
export const VIDEO_SIDE_PX_MAX = 1280;
export const VIDEO_DURATION_S_MAX = 10;
export const VIDEO_FPS_MAX = 30;
export const MUSIC_DURATION_S_MAX = 240;
export const MUSIC_DURATION_S_MIN = 5;
/** Longest answer of a text model. */
export const TEXT_TOKENS_MAX = 4096;
export const STOP_SEQUENCES_MAX = 4;
export const STOP_CHARS_MAX = 64;
/** Longest recording to transcribe. */
export const TRANSCRIPTION_DURATION_S_MAX = 2 * 60 * 60;
/** Seeds are unsigned 32-bit: every engine takes them. */
export const SEED_MAX = 2 ** 32 - 1;
/** User's own labels on a job. */
export const METADATA_KEYS_MAX = 16;
export const METADATA_KEY_CHARS_MAX = 64;
export const METADATA_VALUE_CHARS_MAX = 512;
/** A deadline further off than this says nothing. */
export const DEADLINE_S_MAX = 24 * 60 * 60;

// Queues
/** Waiting and running jobs of one account, over all its keys and chats. */
export const QUEUE_DEPTH_ACCOUNT_MAX = 1000;
/** Waiting jobs of one tier in a pool: about half a day of one GPU's pictures. */
export const QUEUE_DEPTH_TIER_MAX = 100_000;
/** Waiting jobs of a pool in all; the index of one stays under 400 bytes of memory. */
export const QUEUE_DEPTH_TOTAL_MAX = 150_000;
/** Bytes of all orders that a pool keeps on disk: an object has 10 GB. */
export const QUEUE_BYTES_MAX = 2 * 1024 * MIB;
/** Orders kept in memory beside the index, so that a job done soon is never read back. */
export const BODIES_CACHED_BYTES_MAX = 8 * MIB;
/** Ended jobs in memory that only Postgres lacks; while it is away for long, more go to disk. */
export const ENDED_IN_MEMORY_MAX = 2000;
/** Agents that one pool knows. */
export const AGENTS_MAX = 1000;
/** Executions of one job before it fails for good. */
export const ATTEMPTS_MAX = 3;

/** Times a job may be handed back without counting an attempt; then each counts. */
export const RETURNS_MAX = 20;
/**
 * GPU time that one agent may spend on others before a tier's head: this many of its loads (half
 * of that costs a twentieth of the mean wait on a real trace, and shortens no tail),
 */
export const BYPASS_LOADS = 26;
/** within these bounds, */
export const BYPASS_MS_MIN = 2 * MINUTE_MS;
export const BYPASS_MS_MAX = 15 * MINUTE_MS;
/** or, where that is more, this share of the time that the head has waited. */
export const BYPASS_AGE_SHARE = 0.1;
/** How often a younger model may be loaded before the same waiting one; 4 lengthens the tail. */
export const SKIPS_MAX = 2;
/** Share of a pool's GPU time that overdue jobs of lower tiers may take out of turn, */
export const ESCAPE_SHARE = 0.1;
/** and how much of it is saved up at most, per GPU. */
export const ESCAPE_BURST_MS = 5 * MINUTE_MS;
/** When a tier's head is overdue. The highest tiers never are: nothing steady goes before them. */
export const ESCAPE_AFTER_MS = {
  admin: Infinity,
  pro: Infinity,
  starter: 5 * MINUTE_MS,
  free: 15 * MINUTE_MS,
} as const;
/** A model's demand of so long ago counts half. */
export const DEMAND_HALF_LIFE_MS = 30 * MINUTE_MS;
/** Models, and agents of a model, of which figures are learned. */
export const FIGURES_MAX = 1000;
/** Agents times models whose figures are written: one value of the disk has 2 MB. */
export const FIGURE_PAIRS_MAX = 20_000;
/** Longest wait that is foreseen; a longer one is told as this. */
export const FORESEEN_MS_MAX = 7 * DAY_MS;
/** What a pool has learned and what it owes its queue's heads reach the disk this often. */
export const MEMORY_WRITE_MS = 30 * SECOND_MS;
/** An agent silent for longer is offline. */
export const AGENT_ONLINE_MS = 75 * SECOND_MS;
/** Jobs are still accepted for an agent that was heard of this lately. */
export const AGENT_RECENT_MS = 15 * MINUTE_MS;
/** How often an agent's last sign of life is written to disk. */
export const AGENT_SEEN_WRITE_MS = 5 * MINUTE_MS;

// Leases
/** A lease lapses when its holder was silent this long. */
export const LEASE_MS = 90 * SECOND_MS;
/** Slowest heartbeat: two may be lost before the lease lapses. */
export const HEARTBEAT_MS = 30 * SECOND_MS;
/** Extensions of a lease reach the disk when they add up to this; shorter jobs write none. */
export const LEASE_WRITE_MS = 30 * SECOND_MS;
/** An object that wakes this late was not asleep but away. */
export const WAKE_LATE_MS = 15 * SECOND_MS;
/** Progress is reported at most this often, by an early heartbeat. */
export const PROGRESS_MS = SECOND_MS;
/** A parked long poll is answered with nothing after this time. */
export const POLL_MS = 25 * SECOND_MS;
/** No grant is made to a poll that ends sooner than this: its answer might not arrive. */
export const POLL_MARGIN_MS = 2 * SECOND_MS;
/** A job that runs longer has hung: video of 10 s on a slow card needs 30 min. */
export const JOB_RUN_MS_MAX = 45 * MINUTE_MS;
/** Like jobs that a batch-capable engine runs together. */
export const BATCH_MAX = 8;
/** Leases one agent may hold: a running batch, the next one, and results still to be delivered. */
export const LEASES_PER_AGENT_MAX = 32;
/** A drained agent may finish what it runs for this long, then returns it. */
export const DRAIN_MS = 30 * SECOND_MS;

// Artifacts
/** Largest result: a minute of 720p video. Cloudflare takes bodies up to 100 MB. */
export const ARTIFACT_BYTES_MAX = 95 * MIB;
/** Results of one job: pictures, a thumbnail each, a transcript. */
export const ARTIFACTS_MAX = 8;
export const THUMBNAIL_BYTES_MAX = 256 * KIB;
export const THUMBNAIL_SIDE_PX = 256;
/** A preview travels inside a heartbeat. */
export const PREVIEW_BYTES_MAX = 48 * KIB;
/** Results are kept this long. */
export const ARTIFACT_KEEP_MS = 30 * DAY_MS;
/** A signed URL of a result works this long. */
export const MEDIA_URL_MS = HOUR_MS;
/** An upload ticket outlives the longest run and its upload. */
export const UPLOAD_TICKET_MS = JOB_RUN_MS_MAX + 30 * MINUTE_MS;

// Feed
/** Events kept for one job: text tokens come in batches, progress replaces itself. */
export const FEED_EVENTS_MAX = 5000;
/** Bytes of all events kept for one job. */
export const FEED_BYTES_MAX = 4 * MIB;
/** Readers of one job's events. */
export const FEED_READERS_MAX = 100;
/** A comment keeps an idle event stream open. */
export const FEED_COMMENT_MS = 15 * SECOND_MS;
/** A feed forgets its job this long after the job's end; Postgres has the rest. */
export const FEED_KEEP_MS = HOUR_MS;
/** Events handed to a reader at once; a slow one asks for the rest when it has taken these. */
export const FEED_BACKLOG_MAX = 256;

// Retry and delivery
export const BACKOFF_MS_MIN = 500;
export const BACKOFF_MS_MAX = MINUTE_MS;
/** Jobs of one write to Postgres: enough to make its round trip cheap, few enough to repeat. */
export const RECORD_BATCH_MAX = 200;
/** Bytes of the jobs of one write to Postgres; an object has 128 MB for all it does. */
export const RECORD_BATCH_BYTES_MAX = 4 * MIB;
/** Time between two rounds of a busy line of deliveries: what gathers meanwhile goes together. */
export const DELIVERY_ROUND_MS = SECOND_MS;
/** The same for settlements: until one arrives, its job counts as open and its hold is held. */
export const SETTLEMENT_ROUND_MS = SECOND_MS;
/** While jobs wait, calls to a pool gather this long for one commit; a grant waits as long. */
export const COMMIT_GATHER_MS = 2;
/** Rounds that may follow one another at once, so that a quiet pool delivers without delay. */
export const DELIVERY_ROUNDS_BURST = 6;
/** Accounts or feeds that a pool calls at once. */
export const DELIVERIES_MAX = 8;
/** A delivery that takes longer is tried again. */
export const DELIVERY_MS_MAX = 10 * SECOND_MS;
/** A delivery or hand-over under way is looked after this much later, should its object die. */
export const DELIVERY_CHECK_MS = 30 * SECOND_MS;
/** An account looks after a confirmed job this often; its settlement comes without that. */
export const RECONCILE_MS = 30 * MINUTE_MS;
/** A first offer of a job that arrives later may be of one that ended meanwhile. */
export const OFFER_MS_MAX = 15 * SECOND_MS;
/** Open jobs an account looks after at once. */
export const RECONCILE_BATCH_MAX = 50;
/** Call to Postgres; longer means it is away. */
export const DATABASE_TIMEOUT_MS = 10 * SECOND_MS;

// Keys, names and log
export const NAME_CHARS_MAX = 64;
/** Models an agent announces. */
export const AGENT_MODELS_MAX = 500;
/** Error text an agent sends of its engine, for the operator's log. */
export const ENGINE_ERROR_CHARS_MAX = 2000;
export const LOG_LINE_BYTES_MAX = 8 * KIB;
/** Undelivered results an agent keeps on disk. */
export const SPOOL_JOBS_MAX = 20;

assert(BYPASS_MS_MIN < BYPASS_MS_MAX, 'a head waits within bounds');
assert(ESCAPE_AFTER_MS.starter < ESCAPE_AFTER_MS.free, 'the lower tier waits longer');
assert(BATCH_MAX * 2 <= LEASES_PER_AGENT_MAX, 'a batch runs while another is delivered');
assert(HEARTBEAT_MS * 3 <= LEASE_MS, 'two lost heartbeats keep a lease');
assert(LEASE_WRITE_MS < LEASE_MS, 'an unwritten extension is shorter than a lease');
assert(POLL_MS < HEARTBEAT_MS, 'a waiting agent is heard of within a heartbeat');
assert(POLL_MARGIN_MS * 4 < POLL_MS, 'most of a poll can be granted');
assert(UPLOAD_TICKET_MS > JOB_RUN_MS_MAX, 'a ticket outlives the run');
assert(DRAIN_MS < LEASE_MS, 'a drained agent returns its job before the lease lapses');
assert(QUEUE_DEPTH_ACCOUNT_MAX <= QUEUE_DEPTH_TIER_MAX, 'an account fits its tier');
assert(QUEUE_DEPTH_TIER_MAX <= QUEUE_DEPTH_TOTAL_MAX, 'a tier fits the pool');
assert(HEARTBEAT_MS * 2 < AGENT_ONLINE_MS, 'one lost heartbeat keeps an agent online');
assert(AGENT_ONLINE_MS < AGENT_RECENT_MS, 'an online agent was heard of lately');
assert(FEED_COMMENT_MS < HEARTBEAT_MS, 'comments come before idle timeouts');
assert(MESSAGE_CHARS_MAX * 2 < JSON_BODY_BYTES_MAX, 'one message fits a body');
assert(PREVIEW_BYTES_MAX * 2 < JSON_BODY_BYTES_MAX, 'a preview in base64 fits a heartbeat');
