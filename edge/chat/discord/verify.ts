/**
 * Discord's signature: Ed25519 over the timestamp header and the raw bytes of the body. Checked
 * before anything is parsed; an old one is refused too, so that a recorded request soon is worth
 * nothing. docs.discord.com/developers/interactions/overview#setting-up-an-endpoint
 */
import { verifyKey } from 'discord-interactions';

/** A request signed longer ago, or that much in the future, is refused. */
const AGE_MS_MAX = 5 * 60_000;

export interface SignedRequest {
  readonly signature: string;
  /** Epoch seconds, as the header has it. */
  readonly timestamp: string;
  readonly body: Uint8Array;
}

/** `publicKey` in hex; `now` is epoch ms. */
export async function verifyDiscord(
  publicKey: string,
  { signature, timestamp, body }: SignedRequest,
  now: number,
): Promise<boolean> {
  if (!/^[0-9a-f]{128}$/i.test(signature) || !/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(now - Number(timestamp) * 1000) > AGE_MS_MAX) return false;
  return verifyKey(body, signature, timestamp, publicKey);
}
