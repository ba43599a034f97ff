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

// OpenAI-compatible routes
/** Longest an answer is waited for; the official clients themselves give up after ten minutes. */
export const ANSWER_WAIT_MS = 9 * MINUTE_MS;

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
/** Largest result: ten seconds of video without loss. On a slow uplink its run's time ends it. */
export const ARTIFACT_BYTES_MAX = 512 * MIB;
/** Largest body of an upload; Cloudflare takes bodies up to 100 MB. */
export const UPLOAD_BODY_BYTES_MAX = 95 * MIB;
/** A larger file goes in parts of this size: what a broken connection costs, and no more. */
export const UPLOAD_PART_BYTES = 16 * MIB;
export const UPLOAD_PARTS_MAX = ARTIFACT_BYTES_MAX / UPLOAD_PART_BYTES;
/** What R2 calls an upload, or a part of it that it has: opaque. */
export const UPLOAD_ID_CHARS_MAX = 2000;
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

// Input files
/** An input picture: a camera's JPEG or a lossless 12-megapixel one. */
export const FILE_IMAGE_BYTES_MAX = 20 * MIB;
/** Its pixels, which is what decoding costs: 40 megapixels are 120 MB. */
export const FILE_IMAGE_PIXELS_MAX = 40_000_000;
export const FILE_IMAGE_SIDE_PX_MAX = 12_000;
export const FILE_IMAGE_SIDE_PX_MIN = 16;
/** A recording; Cloudflare takes bodies up to 100 MB. */
export const FILE_AUDIO_BYTES_MAX = 95 * MIB;
/** A form is read whole into memory, of which an isolate has 128 MB; a raw body is streamed. */
export const FILE_FORM_BYTES_MAX = 25 * MIB;
/** Longer recordings go to R2 as they come. */
export const FILE_BUFFER_BYTES_MAX = 4 * MIB;
/** Input files are deleted after this time, */
export const FILE_KEEP_MS = 24 * HOUR_MS;
/** and a job must be submitted this long before, so that it may wait its turn. */
export const FILE_MARGIN_MS = 60 * MINUTE_MS;
/** An upload that has not become a file by then never will. */
export const FILE_ARRIVAL_MS = 30 * MINUTE_MS;
/** Files that one job works on: a picture and its mask. */
export const INPUTS_MAX = 2;
/** Files that one account keeps at a time, */
export const FILES_KEPT_MAX = 500;
/** and their bytes: a day of uploads by script would fill a bucket otherwise. */
export const FILES_KEPT_BYTES_MAX = 4 * 1024 * MIB;
/** The name that a file came with, kept for people. */
export const FILE_NAME_CHARS_MAX = 200;

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
/** While calls to a pool meet, they gather this long for one commit; a grant waits as long. */
export const COMMIT_GATHER_MS = 1;
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
/** An account that submits again within this time goes ahead of its disk; see edge/account. */
export const AHEAD_WITHIN_MS = SECOND_MS;
/** An account that is ahead of its disk writes what is open this often, and stops when quiet. */
export const AHEAD_MS = 5 * SECOND_MS;
/** A pool remembers this long from which life of an account on it takes first offers. */
export const FENCE_KEEP_MS = HOUR_MS;
/** A first offer of a job that arrives later may be of one that ended meanwhile. */
export const OFFER_MS_MAX = 15 * SECOND_MS;
/** Open jobs an account looks after at once. */
export const RECONCILE_BATCH_MAX = 50;
/** Call to Postgres; longer means it is away. */
export const DATABASE_TIMEOUT_MS = 10 * SECOND_MS;

// Bots
/** Calls a second that Telegram takes from a bot, of 30 (core.telegram.org/bots/faq), */
export const TELEGRAM_CALLS_PER_S = 22;
/** and how many of them may come at once; an album may exceed it by three. */
export const TELEGRAM_CALLS_BURST = 5;
/** Time between two calls for one chat; Telegram takes one a second. */
export const TELEGRAM_CHAT_MS = 1050;
/** Calls a minute for one group, of 20, */
export const TELEGRAM_GROUP_CALLS_PER_MIN = 13;
/** and how many of them may come at once: with the rate and an album, 20 in any minute. */
export const TELEGRAM_GROUP_CALLS_BURST = 4;
/** Calls a second that Discord takes from a bot, of 50; edits by interaction tokens do not count. */
export const DISCORD_CALLS_PER_S = 40;
export const DISCORD_CALLS_BURST = 10;
/** Edits of one message by its interaction's token; Discord takes five in two seconds. */
export const DISCORD_EDIT_MS = 500;
export const DISCORD_EDITS_BURST = 3;
/** Calls of one bot under way at once: a Worker has six connections. */
export const BOT_CALLS_MAX = 6;
/** Messages of one bot that wait to be sent or edited; beyond it progress is not even noted. */
export const BOT_PENDING_MAX = 50_000;
/** Answers that wait in one chat; more are refused, so that no chat fills the line of all. */
export const BOT_CHAT_PENDING_MAX = 100;
/** An answer of a platform to a small call; longer means it is away. */
export const BOT_CALL_MS_MAX = 15 * SECOND_MS;
/** The same with a file: 50 MB at 5 MB/s. */
export const BOT_UPLOAD_MS_MAX = MINUTE_MS;
/** Tries of one message before it is given up: some 7 minutes; an outage of all counts as one. */
export const BOT_TRIES_MAX = 12;
/** Least time between two edits of one message that only show progress. */
export const BOT_PROGRESS_MS = 3 * SECOND_MS;
/** A result that took longer comes as a new message: an edit does not ring. */
export const BOT_RING_AFTER_MS = 45 * SECOND_MS;
/** How often a waiting job's place in the queue is asked for, at first and at last. */
export const BOT_PLACE_MS_MIN = 10 * SECOND_MS;
export const BOT_PLACE_MS_MAX = 10 * MINUTE_MS;
/** A bot's calls under way are looked after this much later, should its object die: users wait. */
export const BOT_CHECK_MS = 5 * SECOND_MS;
/** Messages are remembered this long after their end, so that repeats change nothing. */
export const BOT_KEEP_MS = 24 * HOUR_MS;
/** Given-up messages of a bot that the operator is told of. */
export const BOT_FAILURES_MAX = 50;
/** A bot whose oldest answer waits longer tells users of a free one of its kind. */
export const BOT_BUSY_MS = 8 * SECOND_MS;
/** How long a bot believes what the others said of their load. */
export const BOT_SISTER_MS = 30 * SECOND_MS;
/** Discord's token of an interaction lives 15 minutes; the last is left for slow calls. */
export const DISCORD_TOKEN_MARGIN_MS = MINUTE_MS;
/** A text that is shown itself and not as a file: all that fits into one message of Telegram. */
export const BOT_TEXT_BYTES_MAX = 3500;
/** The same of Discord, whose messages have 2,000 characters, beside the figures. */
export const DISCORD_TEXT_CHARS_MAX = 1700;
/** Largest picture that Telegram shows, and largest file that it takes of a bot. */
export const TELEGRAM_PHOTO_BYTES_MAX = 10 * 1000 * 1000;
export const TELEGRAM_FILE_BYTES_MAX = 50 * 1000 * 1000;
/** A bot can take its messages away this long. */
export const TELEGRAM_DELETE_MS_MAX = 48 * HOUR_MS;
/** Sum of the sides of a picture that Telegram shows; their ratio may be 20 at most. */
export const TELEGRAM_PHOTO_SIDES_MAX = 10_000;
export const TELEGRAM_PHOTO_RATIO_MAX = 20;
/** Largest file that Discord takes where it names no other size. */
export const DISCORD_FILE_BYTES_MAX = 10 * MIB;
/** All files of one message together. */
export const DISCORD_UPLOAD_BYTES_MAX = 25 * MIB;

// Moderation
/** Answer of a moderation server; longer means it is away. */
export const MODERATION_MS_MAX = 3 * SECOND_MS;
/** Bytes of its answer: a few hundred for each text. */
export const MODERATION_ANSWER_BYTES_MAX = 512 * KIB;
/** Texts of a job that are judged for anybody: longer ones cost CPU, so their key comes first. */
export const STRANGER_CHARS_MAX = 2 * PROMPT_CHARS_MAX;
/** Keys that were verified lately, so that only known callers make us ask the server. */
export const VERIFIED_KEYS_MAX = 2000;
export const VERIFIED_MS = MINUTE_MS;
/** A blocked request waits this long for its audit entry; the log has it in any case. */
export const VERDICT_WRITE_MS = 2 * SECOND_MS;

// Keys, names and log
export const NAME_CHARS_MAX = 64;
/** Models that a key may be kept to. */
export const KEY_MODELS_MAX = 50;
/** Keys of an account whose rows stay in its object, revoked ones among them; Postgres has all. */
export const KEYS_KEPT_MAX = 100;
/** After a rotation the old secret works at most this long: a week to roll out the new one. */
export const KEY_OVERLAP_S_MAX = 7 * 24 * 60 * 60;
/** How often the last use of a key is written down. */
export const KEY_USED_WRITE_MS = HOUR_MS;
/** Why the operator did something, for the audit. */
export const REASON_CHARS_MAX = 500;
/** Days that one question about the usage may span: a quarter. */
export const USAGE_DAYS_MAX = 92;
/** Rows of one page of the usage: a quarter by day and type. */
export const USAGE_ROWS_MAX = 600;
/** Largest grant of tokens, for the day it is made. */
export const GRANT_TOKENS_MAX = 100_000;
/** Requests a second that one isolate of the Worker lets in, and how many may come at once. */
export const ISOLATE_REQUESTS_PER_S_MAX = 2000;
export const ISOLATE_REQUESTS_BURST_MAX = 4000;
/** News of a day's tokens that an account keeps until their couriers have them. */
export const QUOTA_NEWS_MAX = 100;
/** Models an agent announces. */
export const AGENT_MODELS_MAX = 500;
/** Loaded models kept of a poll while its pool sleeps: an attachment of a socket has 16 KiB. */
export const POLL_MODELS_KEPT_MAX = 32;
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
assert(UPLOAD_PART_BYTES >= 5 * MIB, 'R2 takes no smaller part but the last');
assert(UPLOAD_PART_BYTES <= UPLOAD_BODY_BYTES_MAX, 'a part fits a body');
assert(Number.isInteger(UPLOAD_PARTS_MAX), 'the largest result is of whole parts');
assert(DRAIN_MS < LEASE_MS, 'a drained agent returns its job before the lease lapses');
assert(QUEUE_DEPTH_ACCOUNT_MAX <= QUEUE_DEPTH_TIER_MAX, 'an account fits its tier');
assert(QUEUE_DEPTH_TIER_MAX <= QUEUE_DEPTH_TOTAL_MAX, 'a tier fits the pool');
assert(HEARTBEAT_MS * 2 < AGENT_ONLINE_MS, 'one lost heartbeat keeps an agent online');
assert(AGENT_ONLINE_MS < AGENT_RECENT_MS, 'an online agent was heard of lately');
assert(FEED_COMMENT_MS < HEARTBEAT_MS, 'comments come before idle timeouts');
assert(FILE_MARGIN_MS * 2 < FILE_KEEP_MS, 'a file is of use for most of its life');
assert(FILE_BUFFER_BYTES_MAX < FILE_FORM_BYTES_MAX, 'a form is the larger thing in memory');
assert(FILE_IMAGE_BYTES_MAX <= FILE_FORM_BYTES_MAX, 'a picture fits a form');
assert(MESSAGE_CHARS_MAX * 2 < JSON_BODY_BYTES_MAX, 'one message fits a body');
assert(PREVIEW_BYTES_MAX * 2 < JSON_BODY_BYTES_MAX, 'a preview in base64 fits a heartbeat');
