/** The account of a user of a chat platform; made, on the free plan, at first contact. */
import type { Platform } from '#schema/chat.ts';
import type { Env } from '../env.ts';
import type { Credential } from './authenticate.ts';

export interface ChatUser {
  readonly platform: Platform;
  readonly id: string;
  readonly name: string;
}

/** Speaks for the user, whom the platform has verified. */
export async function meetUser(
  env: Env,
  user: ChatUser,
  requestId: string,
): Promise<{ credential: Credential; isNew: boolean }> {
  const identity = `${user.platform}:${user.id}`;
  const contact = { identity, name: user.name === '' ? identity : user.name, requestId };
  const { accountId, isNew } = await env.directories.getByName(identity).resolve(contact);
  return { credential: { accountId, caller: { kind: 'identity' } }, isNew };
}
