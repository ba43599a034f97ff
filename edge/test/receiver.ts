/**
 * Receivers of webhooks, for tests: calls of this isolate to the host of one arrive at it, and its
 * name is looked up here. All other calls go their way.
 */
import { expect } from 'vitest';
import { Webhook } from 'standardwebhooks';

/** A call that the receiver got. */
export interface Received {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const receivers = new Map<string, Receiver>();
const others = globalThis.fetch;
globalThis.fetch = async (input: RequestInfo | URL, init?: RequestInit) => {
  const url = new URL(input instanceof Request ? input.url : input);
  const name = url.searchParams.get('name');
  const asked = name === null ? undefined : receivers.get(name);
  if (asked && url.pathname === '/dns-query') return asked.resolve(url);
  return receivers.get(url.hostname)?.take(url, init) ?? others(input, init);
};

export class Receiver {
  readonly host = `${crypto.randomUUID()}.example.com`;
  readonly calls: Received[] = [];
  /** What its name stands for. */
  addresses: readonly string[] = ['8.8.8.8'];
  /** What the next calls are answered with; then 200. */
  statuses: number[] = [];

  constructor() {
    // For good: what is tried again after its test has ended must not leave this machine.
    receivers.set(this.host, this);
  }

  get url(): string {
    return `https://${this.host}/in`;
  }

  /** Waits for so many calls, and verifies the last of them with the official library. */
  async expectCall(count: number, secret: string): Promise<unknown> {
    await expect.poll(() => this.calls.length, { timeout: 10_000 }).toBe(count);
    const { body, headers } = this.calls.at(-1)!;
    return new Webhook(secret).verify(body, headers);
  }

  resolve(url: URL): Response {
    const isV6 = url.searchParams.get('type') === 'AAAA';
    const found = this.addresses.filter((address) => address.includes(':') === isV6);
    const answer = found.map((data) => ({ name: this.host, type: isV6 ? 28 : 1, TTL: 60, data }));
    return Response.json({ Status: 0, Answer: answer });
  }

  take(url: URL, init: RequestInit | undefined): Response {
    const headers = Object.fromEntries(new Headers(init?.headers));
    this.calls.push({ url: url.href, headers, body: init?.body as string });
    return new Response('thanks', { status: this.statuses.shift() ?? 200 });
  }
}
