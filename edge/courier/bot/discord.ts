/**
 * One call to Discord that brings a slot's message nearer to what it is to show.
 *
 * While the interaction's token lives, the answer is edited by it: the same edit twice is one.
 * After that only the result matters: it comes as a message of the bot in the channel, or to the
 * user directly where the bot may not speak. Such a message has a nonce that Discord enforces,
 * so a repeat within minutes is the same message.
 */
import { z } from 'zod';
import { DISCORD_TOKEN_MARGIN_MS } from '#schema/limits.ts';
import type { Preview } from '#schema/event.ts';
import { renderDiscord } from '../../chat/discord/render.ts';
import type { Reply } from '../../chat/message.ts';
import type { Env } from '../../env.ts';
import { callDiscord } from '../../io/discord.ts';
import type { DiscordAnswer, DiscordCall } from '../../io/discord.ts';
import type { FormFile } from '../../io/multipart.ts';
import { hashSha256 } from '../../io/token.ts';
import { openFiles, withLinks } from './file.ts';
import { planMedia } from './media.ts';
import type { Step } from './outcome.ts';
import { isLast } from './slot.ts';
import type { Slot } from './slot.ts';

/** The flag of a message for one pair of eyes (MessageFlags.Ephemeral). */
const EPHEMERAL = 1 << 6;
/** Discord takes up to 25 characters. */
const NONCE_CHARS = 25;
const Sent = z.object({ id: z.string() });

interface Call {
  readonly env: Env;
  readonly bot: { readonly token: string; readonly applicationId: string };
  readonly slot: Slot;
  readonly preview: Preview | null;
  readonly now: number;
}

/** A step, and how long its chat may not be called. */
export type DiscordStep = Step & { readonly emptyForMs: number };

/** Makes one call for the slot; `reply` is what it is to show, null for nothing. */
export async function stepDiscord(call: Call, reply: Reply | null): Promise<DiscordStep> {
  const { slot, bot, now } = call;
  const { place } = slot.stage;
  const byToken = place === 'interaction' || place === 'followup';
  if (byToken && !tokenLives(slot, now)) return leaveInteraction(call);
  if (reply === null) {
    // Where the bot may not take it away, nobody else can.
    if (slot.messageId === null) return { shows: true, fault: null, emptyForMs: 0 };
    return finish(await remove(call, byToken), true);
  }
  if (place === 'direct' && slot.stage.directChannelId === null) return openDirect(call);
  if (!byToken && slot.messageId === null && reply.isPrivate && place === 'channel') {
    return { shows: false, fault: { reason: 'chat_missing' }, emptyForMs: 0 };
  }
  const { body, files, fault } = await compose(call, reply);
  if (fault) return { shows: false, fault, emptyForMs: 0 };
  const target = targetOf(slot, bot.applicationId);
  const isFollowup = target.method === 'POST' && byToken;
  const nonce = target.method === 'POST' && !byToken ? await nonceOf(slot) : null;
  const answer = await send(call, byToken, {
    ...target,
    body: {
      ...body,
      // Only an interaction's own new message can be for one pair of eyes.
      flags: isFollowup ? body.flags : body.flags & ~EPHEMERAL,
      ...(nonce === null ? {} : { nonce, enforce_nonce: true }),
    },
    files,
  });
  return finish(answer, true);
}

function tokenLives({ chat }: Slot, now: number): boolean {
  if (chat.interactionToken === null || chat.interactionExpiresAt === null) return false;
  return now < chat.interactionExpiresAt - DISCORD_TOKEN_MARGIN_MS;
}

/** The token is over: a result goes another way, anything else is not worth one. */
function leaveInteraction({ slot }: Call): DiscordStep {
  const emptyForMs = 0;
  if (slot.jobId === null && slot.chat.interactionToken !== null) {
    return { shows: false, fault: { reason: 'message_missing' }, emptyForMs };
  }
  if (!isLast(slot)) return { stage: { silent: true }, shows: true, fault: null, emptyForMs };
  const stage = { place: 'channel', hasMedia: false } as const;
  return { messageId: null, stage, shows: false, fault: null, emptyForMs };
}

function targetOf(
  { chat, stage, messageId }: Slot,
  applicationId: string,
): Pick<DiscordCall, 'method' | 'path'> {
  const hook = `/webhooks/${applicationId}/${chat.interactionToken}`;
  switch (stage.place) {
    case 'interaction':
      return { method: 'PATCH', path: `${hook}/messages/${messageId ?? '@original'}` };
    case 'followup':
      return messageId === null
        ? { method: 'POST', path: `${hook}?wait=true` }
        : { method: 'PATCH', path: `${hook}/messages/${messageId}` };
    case 'channel':
    case 'direct': {
      const channel = stage.place === 'direct' ? stage.directChannelId : chat.chatId;
      const messages = `/channels/${channel}/messages`;
      return messageId === null
        ? { method: 'POST', path: messages }
        : { method: 'PATCH', path: `${messages}/${messageId}` };
    }
  }
}

async function compose(call: Call, reply: Reply) {
  const { env, slot, preview, now } = call;
  const plan = planMedia(reply.media, slot.chat, slot.stage.form);
  const worded = await withLinks(env, reply, { links: plan.links, isLost: false, now });
  const opened = await openFiles(env, plan.inside);
  const rendered = renderDiscord(worded);
  if (!opened.ok) return { body: rendered, files: [], fault: opened.error };
  const files = opened.value.map((file, index) => ({ ...file, field: `files[${index}]` }));
  if (preview && files.length === 0) files.push(previewFile(preview));
  const attachments = files.map(({ name }, index) => ({ id: index, filename: name }));
  return { body: { ...rendered, attachments }, files, fault: null };
}

function previewFile({ content_type, data }: Preview): FormFile {
  const body = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
  const name = `preview.${content_type.slice('image/'.length)}`;
  return { field: 'files[0]', name, contentType: content_type, bytes: body.length, body };
}

async function nonceOf({ key, revision }: Slot): Promise<string> {
  return (await hashSha256(`${key} ${revision}`)).slice(0, NONCE_CHARS);
}

async function openDirect(call: Call): Promise<DiscordStep> {
  const { result, emptyForMs } = await send(call, false, {
    method: 'POST',
    path: '/users/@me/channels',
    body: { recipient_id: call.slot.chat.userId },
  });
  if (!result.ok) return { shows: false, fault: result.error, emptyForMs };
  const directChannelId = Sent.parse(result.value).id;
  return { stage: { directChannelId }, shows: false, fault: null, emptyForMs };
}

function remove(call: Call, byToken: boolean): Promise<DiscordAnswer> {
  const { path } = targetOf(call.slot, call.bot.applicationId);
  return send(call, byToken, { method: 'DELETE', path, body: null });
}

function send({ env, bot }: Call, byToken: boolean, call: DiscordCall): Promise<DiscordAnswer> {
  const token = byToken ? null : bot.token;
  return callDiscord({ apiUrl: env.discordApiUrl, token }, call);
}

function finish({ result, emptyForMs }: DiscordAnswer, shows: boolean): DiscordStep {
  if (!result.ok) return { shows: false, fault: result.error, emptyForMs };
  const sent = Sent.safeParse(result.value);
  const known = sent.success ? { messageId: sent.data.id } : {};
  return { ...known, shows, fault: null, emptyForMs };
}
