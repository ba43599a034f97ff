/**
 * The bounds of webhooks, each with its reason, and the relations between them; all others are
 * in limits.ts, whose rules hold here too.
 */
import { assert } from './assert.ts';
import { DAY_MS } from './limits.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** A URL that is stored with each of its jobs; browsers' own limit. */
export const WEBHOOK_URL_CHARS_MAX = 2048;
/** standardwebhooks.com: secrets have 24 to 64 bytes. */
export const WEBHOOK_SECRET_BYTES_MIN = 24;
export const WEBHOOK_SECRET_BYTES_MAX = 64;
/** After a rotation both secrets sign at most this long: a week to roll out the new one. */
export const WEBHOOK_OVERLAP_S_MAX = 7 * 24 * 60 * 60;
/** Tries of one delivery, over some two hours. */
export const WEBHOOK_TRIES_MAX = 10;
/** An answer to a webhook; longer means it failed. */
export const WEBHOOK_CALL_MS_MAX = 15 * SECOND_MS;
/** Answers of webhooks are read up to here, so that the connection can be used again. */
export const WEBHOOK_ANSWER_BYTES_MAX = 16 * KIB;
/** Longest `Retry-After` that is waited for. */
export const WEBHOOK_RETRY_AFTER_MS_MAX = HOUR_MS;
/** A delivery that could not be tried so long, since names could not be looked up, has failed. */
export const WEBHOOK_AGE_MS_MAX = DAY_MS;
/** Calls of one endpoint under way at once: a Worker has six connections. */
export const WEBHOOK_CALLS_MAX = 6;
/** Deliveries of one endpoint that wait; the oldest makes room, and the log says so. */
export const WEBHOOK_PENDING_MAX = 1000;
/** Bytes of what they carry: chats are large. */
export const WEBHOOK_PENDING_BYTES_MAX = 64 * MIB;
/** Deliveries of an endpoint that its log remembers: a repeat within them is known, */
export const WEBHOOK_LOG_MAX = 5000;
/** so long. */
export const WEBHOOK_LOG_KEEP_MS = 7 * DAY_MS;
/** Tries that the log shows of one delivery, redeliveries among them. */
export const WEBHOOK_TRIES_SHOWN_MAX = 20;
/** An endpoint is dead when so many deliveries in a row were given up, */
export const WEBHOOK_DEAD_AFTER_FAILED = 5;
/** and nothing has arrived for so long. */
export const WEBHOOK_DEAD_AFTER_MS = DAY_MS;
/** A round of deliveries; an alarm that runs for 15 minutes is killed. */
export const WEBHOOK_ROUND_MS = 5 * MINUTE_MS;
/** Answer of the resolver of names; longer means it is away. */
export const DNS_MS_MAX = 5 * SECOND_MS;
export const DNS_ANSWER_BYTES_MAX = 64 * KIB;

assert(WEBHOOK_PENDING_MAX * 2 < WEBHOOK_LOG_MAX, 'what waits is a part of the log');
assert(WEBHOOK_CALL_MS_MAX * 2 < WEBHOOK_ROUND_MS, 'a round ends soon after its time');
