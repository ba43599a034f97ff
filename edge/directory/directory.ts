/**
 * The Directory object, one per identity such as `telegram:123`: which account it reaches. The
 * account's id is chosen and written before the account is made, so that a repeat after any fault
 * makes the same account: `chosen -> made`. Mirrored to Postgres, where identities are looked up.
 */
import { DurableObject } from 'cloudflare:workers';
import { assert } from '#schema/assert.ts';
import { Identity, splitIdentity } from '#schema/id.ts';
import { DELIVERY_CHECK_MS, NAME_CHARS_MAX } from '#schema/limits.ts';
import { parseEnv } from '../env.ts';
import type { Bindings, Env } from '../env.ts';
import type { DirectoryObject } from '../rpc/directory.ts';
import { makeAccountId } from '../io/id.ts';
import { MirrorQueue } from '../io/mirror-queue.ts';
import { mirrorAccount } from '../services/mirror-account.ts';
import type { MirrorRow } from '../services/mirror-account.ts';

const TABLES = `
  CREATE TABLE contact (
    one INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,
    account_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    made INTEGER NOT NULL
  );
`;

interface Contact extends Record<string, SqlStorageValue> {
  readonly identity: string;
  readonly account_id: string;
  readonly created_at: number;
  /** Whether the account is known to exist. */
  readonly made: number;
}

type Contacting = Parameters<DirectoryObject['resolve']>[0];
type Resolved = Awaited<ReturnType<DirectoryObject['resolve']>>;

/** One identity; see above. */
export class Directory extends DurableObject<Bindings> implements DirectoryObject {
  readonly #env: Env;
  #contact: Contact | null = null;
  #mirror: MirrorQueue<MirrorRow> | null = null;
  /** The first contact under way: whoever comes meanwhile waits for it. */
  #making: Promise<Resolved> | null = null;

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    this.#env = parseEnv(bindings);
    const { sql } = ctx.storage;
    const tables = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'contact'").toArray();
    if (tables.length === 0) return;
    this.#contact = sql.exec<Contact>('SELECT * FROM contact').toArray()[0] ?? null;
    this.#mirror = this.#makeMirror();
  }

  async resolve(contact: Contacting): Promise<Resolved> {
    assert(Identity.safeParse(contact.identity).success, 'an identity names a provider and a user');
    const known = this.#contact;
    assert(!known || known.identity === contact.identity, 'one identity has one directory');
    if (known?.made === 1) return { accountId: known.account_id, isNew: false };
    const making = this.#making;
    if (making) return { ...(await making), isNew: false };
    this.#making = this.#make(contact).finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  async find(): Promise<string | null> {
    return this.#contact?.made === 1 ? this.#contact.account_id : null;
  }

  async #make({ identity, name, requestId }: Contacting): Promise<Resolved> {
    const chosen = this.#contact ?? this.#choose(identity);
    const { account_id: accountId } = chosen;
    await this.#env.accounts.getByName(accountId).create({
      id: accountId,
      name: name.trim().slice(0, NAME_CHARS_MAX) || identity,
      plan: 'free',
      apiKey: null,
      actor: identity,
      requestId,
    });
    this.#confirm(chosen);
    return { accountId, isNew: true };
  }

  /** Writes which account it will be, before anything of it exists. */
  #choose(identity: string): Contact {
    const now = Date.now();
    const chosen = { identity, account_id: makeAccountId(now), created_at: now, made: 0 };
    const { storage } = this.ctx;
    storage.transactionSync(() => {
      storage.sql.exec(TABLES);
      storage.sql.exec(
        'INSERT INTO contact (one, identity, account_id, created_at, made) VALUES (1, ?, ?, ?, 0)',
        identity,
        chosen.account_id,
        now,
      );
      this.#mirror = this.#makeMirror();
    });
    this.#contact = chosen;
    return chosen;
  }

  /** The account exists: from now on nobody is asked, and Postgres is told. */
  #confirm(chosen: Contact): void {
    const { storage } = this.ctx;
    const { provider, subject } = splitIdentity(chosen.identity);
    const createdAt = new Date(chosen.created_at).toISOString();
    const row = { provider, subject, accountId: chosen.account_id, createdAt };
    storage.transactionSync(() => {
      storage.sql.exec('UPDATE contact SET made = 1');
      this.#mirror!.add([{ table: 'identity', row }]);
    });
    this.#contact = { ...chosen, made: 1 };
    void storage.setAlarm(Date.now() + DELIVERY_CHECK_MS);
    this.ctx.waitUntil(this.#mirror!.drain());
  }

  override async alarm(): Promise<void> {
    await this.#mirror?.drain();
    const at = this.#mirror?.nextAt() ?? null;
    if (at !== null) await this.ctx.storage.setAlarm(at);
  }

  #makeMirror(): MirrorQueue<MirrorRow> {
    return new MirrorQueue(this.ctx.storage, (rows) => mirrorAccount(this.#env, rows));
  }
}
