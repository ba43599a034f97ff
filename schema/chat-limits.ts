/** The bounds of chats with bots, each with its reason; all others are in limits.ts. */
const MIB = 1024 * 1024;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Bots of one secret: a Worker's secret has 5 KB, and a bot takes 130 bytes at least. */
export const BOTS_MAX = 40;
/** What was said in a chat and waits to be answered; more is dropped with a word. */
export const INBOX_MAX = 500;
/** Of one chat, members are answered at once, each of them in order. */
export const INBOX_LANES = 6;
/** An answer that fails is tried so often; the platform's own repeats have ended by then. */
export const INBOX_TRIES_MAX = 6;
/** Ids of what was said already: platforms repeat an update for a day at most. */
export const SEEN_MAX = 2000;
/** A question of ours to a user can be answered this long, */
export const DRAFT_MS = 24 * HOUR_MS;
/** and a chat has so many of them. */
export const DRAFTS_MAX = 200;
/** A press within this of the one before is the same finger tapping twice. */
export const PRESS_REPEAT_MS = 1500;
/** Buttons of a chat whose last press is known; each is kept for as long as its key counts. */
export const PRESSES_MAX = 2000;
/** Whether somebody runs a chat is believed this long, of so many at once. */
export const CHAT_ADMIN_MS = MINUTE_MS;
export const CHAT_ADMINS_MAX = 200;
/** Members of a chat whose last job is known. */
export const MEMBERS_MAX = 1000;
/** Telegram's own limit for files that a bot may fetch. */
export const CHAT_FILE_BYTES_MAX = 20 * MIB;
/** Text of one message that is read at all: Telegram's limit, which is above Discord's. */
export const CHAT_TEXT_CHARS_MAX = 8192;
