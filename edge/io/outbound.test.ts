import { describe, expect, it, vi } from 'vitest';
import { WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_CALL_MS_MAX } from '#schema/webhook-limits.ts';
import type { OutboundSettings } from '../env.ts';
import { postOutbound, readRetryAfter, vetUrl } from './outbound.ts';

const SETTINGS: OutboundSettings = {
  dnsUrl: 'https://dns.example.net/dns-query',
  allowsLoopback: false,
  ownOrigin: null,
};

type Records = Readonly<Record<string, readonly string[]>>;

/** A network with one resolver, which knows some names, and one server that answers for all. */
class Network {
  readonly calls: { url: string; init: RequestInit }[] = [];
  readonly asked: string[] = [];
  readonly #names: Records;
  readonly #answer: (url: string) => Response;
  /** What the resolver answers to all, instead. */
  resolver: (() => Response) | null = null;

  constructor(names: Records, answer: (url: string) => Response = () => new Response('ok')) {
    this.#names = names;
    this.#answer = answer;
  }

  readonly send = async (url: string, init: RequestInit): Promise<Response> => {
    if (url.startsWith(SETTINGS.dnsUrl)) return this.#resolve(new URL(url));
    this.calls.push({ url, init });
    return this.#answer(url);
  };

  post(url: string) {
    const headers = { 'content-type': 'application/json' };
    return postOutbound(SETTINGS, { url, headers, body: '{}' }, this.send);
  }

  #resolve(url: URL): Response {
    const name = url.searchParams.get('name')!;
    const isV6 = url.searchParams.get('type') === 'AAAA';
    this.asked.push(`${name} ${isV6 ? 'AAAA' : 'A'}`);
    if (this.resolver) return this.resolver();
    const addresses = this.#names[name];
    if (!addresses) return Response.json({ Status: 3 });
    const found = addresses.filter((address) => address.includes(':') === isV6);
    const answer = found.map((data) => ({ name, type: isV6 ? 28 : 1, TTL: 60, data }));
    const alias = { name, type: 5, TTL: 60, data: 'elsewhere.example.org.' };
    return Response.json({ Status: 0, Answer: [alias, ...answer] });
  }
}

describe('a call to a name', () => {
  it('is made once all of its addresses were found to be public', async () => {
    const network = new Network({ 'hooks.example.com': ['8.8.8.8', '2606:4700::1'] });
    const outcome = await network.post('https://hooks.example.com/in?x=1');
    expect(outcome).toEqual({ kind: 'answered', statusCode: 200, retryAfterMs: null });
    expect(network.asked.toSorted()).toEqual(['hooks.example.com A', 'hooks.example.com AAAA']);
    const [call] = network.calls;
    expect(call!.url).toBe('https://hooks.example.com/in?x=1');
    expect(call!.init).toMatchObject({ method: 'POST', body: '{}', redirect: 'manual' });
    expect(call!.init.signal).toBeInstanceOf(AbortSignal);
  });

  it.each([
    ['127.0.0.1.nip.io', ['127.0.0.1']],
    ['metadata.evil.com', ['169.254.169.254']],
    ['office.evil.com', ['10.0.0.5']],
    ['both.evil.com', ['8.8.8.8', '192.168.0.1']],
    ['six.evil.com', ['8.8.8.8', '::1']],
    ['mapped.evil.com', ['::ffff:10.0.0.1']],
    ['azure.evil.com', ['168.63.129.16']],
    ['octal.evil.com', ['0177.0.0.1']],
    ['carrier.evil.com', ['100.64.1.1']],
  ])('%s is not made, as it stands for %j', async (name, addresses) => {
    const network = new Network({ [name]: addresses });
    const outcome = await network.post(`https://${name}/`);
    expect(outcome).toEqual({ kind: 'unanswered', fault: 'refused_address' });
    expect(network.calls).toEqual([]);
  });

  it('looks the name up anew each time, so that one that turns inwards is not called', async () => {
    const names: Record<string, string[]> = { 'turning.evil.com': ['8.8.8.8'] };
    const network = new Network(names);
    await network.post('https://turning.evil.com/');
    names['turning.evil.com'] = ['10.0.0.1'];
    expect(await network.post('https://turning.evil.com/')).toMatchObject({
      fault: 'refused_address',
    });
    expect(network.calls).toHaveLength(1);
  });

  it('is not made while nobody knows the name', async () => {
    const network = new Network({});
    const outcome = await network.post('https://nowhere.example.com/');
    expect(outcome).toEqual({ kind: 'unanswered', fault: 'unresolved' });
    expect(network.calls).toEqual([]);
  });

  it('is not made when the servers of the name fail: one kind of address stays unknown', async () => {
    const network = new Network({});
    network.resolver = () => Response.json({ Status: 2 });
    expect(await network.post('https://a.example.com/')).toMatchObject({ fault: 'unresolved' });
  });

  it.each([
    ['fails', () => new Response('', { status: 502 })],
    ['makes no sense', () => new Response('<html>')],
    ['says too much', () => new Response('x'.repeat(1_000_000))],
    [
      'redirects',
      () => new Response(null, { status: 302, headers: { location: 'https://x.com' } }),
    ],
  ])('is not made while the resolver %s, and that is told apart', async (_, answer) => {
    const network = new Network({ 'a.example.com': ['8.8.8.8'] });
    network.resolver = answer;
    const outcome = await network.post('https://a.example.com/');
    expect(outcome).toEqual({ kind: 'unanswered', fault: 'resolver_away' });
    expect(network.calls).toEqual([]);
  });
});

describe('a call to an address', () => {
  it('asks no resolver', async () => {
    const network = new Network({});
    expect(await network.post('https://8.8.8.8/')).toMatchObject({ statusCode: 200 });
    expect(network.asked).toEqual([]);
  });

  it('that is not public is not made', async () => {
    const network = new Network({});
    for (const url of ['https://127.0.0.1/', 'https://[::1]/', 'http://8.8.8.8/', 'nonsense']) {
      expect(await network.post(url)).toEqual({ kind: 'unanswered', fault: 'refused_address' });
    }
    expect(network.calls).toEqual([]);
  });
});

describe('an answer', () => {
  const URL_OF_ALL = 'https://8.8.8.8/';

  it('that redirects is not followed', async () => {
    const headers = { location: 'https://169.254.169.254/' };
    const network = new Network({}, () => new Response(null, { status: 307, headers }));
    expect(await network.post(URL_OF_ALL)).toMatchObject({ kind: 'answered', statusCode: 307 });
    expect(network.calls).toHaveLength(1);
  });

  it('that never ends is left after a bounded part of it', async () => {
    let sent = 0;
    let isCancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 1024;
        controller.enqueue(new Uint8Array(1024));
      },
      cancel: () => {
        isCancelled = true;
      },
    });
    const network = new Network({}, () => new Response(endless));
    expect(await network.post(URL_OF_ALL)).toMatchObject({ statusCode: 200 });
    expect(sent).toBeLessThan(WEBHOOK_ANSWER_BYTES_MAX * 2);
    expect(isCancelled).toBe(true);
  });

  it('whose body breaks off counts by its status', async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('cut')) });
    const network = new Network({}, () => new Response(broken, { status: 503 }));
    expect(await network.post(URL_OF_ALL)).toMatchObject({ statusCode: 503 });
  });

  it('that does not come is a connection that failed', async () => {
    const cut = new Network({}, () => {
      throw new TypeError('connection lost');
    });
    expect(await cut.post(URL_OF_ALL)).toEqual({ kind: 'unanswered', fault: 'connection' });
  });

  it('that comes too late is not waited for, and told apart', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const request = { url: URL_OF_ALL, headers: {}, body: '{}' };
      const outcome = postOutbound(SETTINGS, request, async (_, { signal }) => {
        return new Promise((_answer, reject) => {
          signal!.addEventListener('abort', () => reject(new Error('aborted')));
        });
      });
      await vi.advanceTimersByTimeAsync(WEBHOOK_CALL_MS_MAX);
      expect(await outcome).toEqual({ kind: 'unanswered', fault: 'timeout' });
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves no timer behind, which would keep its object awake', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const network = new Network({ 'hooks.example.com': ['8.8.8.8'] });
      expect(await network.post('https://hooks.example.com/')).toMatchObject({ statusCode: 200 });
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('may say when to come back, in seconds or as a date', () => {
    const now = Date.parse('2026-11-22T12:00:00Z');
    expect(readRetryAfter('120', now)).toBe(120_000);
    expect(readRetryAfter('Sun, 22 Nov 2026 12:05:00 GMT', now)).toBe(300_000);
    expect(readRetryAfter('Sun, 22 Nov 2026 11:00:00 GMT', now)).toBe(0);
    expect(readRetryAfter('soon', now)).toBeNull();
    expect(readRetryAfter('-5', now)).toBeNull();
    expect(readRetryAfter(null, now)).toBeNull();
  });
});

describe('a URL that a user names', () => {
  it('is refused when its name stands for an inner address', async () => {
    const network = new Network({ 'in.evil.com': ['10.0.0.1'] });
    const vetted = await vetUrl(SETTINGS, 'https://in.evil.com/', network.send);
    expect(vetted).toEqual({ ok: false, error: 'private' });
  });

  it('is taken when its name is not known yet, or cannot be looked up now', async () => {
    const network = new Network({});
    expect((await vetUrl(SETTINGS, 'https://new.example.com/', network.send)).ok).toBe(true);
    network.resolver = () => new Response('', { status: 500 });
    expect((await vetUrl(SETTINGS, 'https://new.example.com/', network.send)).ok).toBe(true);
  });
});
