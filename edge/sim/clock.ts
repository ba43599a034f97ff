/**
 * Gives production code the world's time, chance and hashes in place of the machine's: Date.now,
 * timers, Math.random and Web Crypto, whose promises settle in the same turn. Installed once a
 * thread; outside a running world the real ones answer.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { World } from './world.ts';

type Work = (...args: readonly unknown[]) => void;

const real = {
  now: Date.now,
  random: Math.random,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
};

/** Puts the doubles in place; `find` names the world whose turn it is, or null. */
export function installClock(find: () => World | null): void {
  Date.now = () => find()?.wallNow() ?? real.now();
  Math.random = () => find()?.random.unit() ?? real.random();
  const setTimer = (work: Work, ms = 0, ...args: readonly unknown[]): unknown => {
    const world = find();
    const owner = world?.current;
    if (!world || !owner) return real.setTimeout(work, ms, ...args);
    return { cancel: world.after(ms, { owner, what: 'timer', act: () => work(...args) }) };
  };
  const clearTimer = (timer: unknown): void => {
    const cancel = (timer as { cancel?: () => void } | null)?.cancel;
    if (cancel) cancel();
    else real.clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
  };
  Object.assign(globalThis, { setTimeout: setTimer, clearTimeout: clearTimer });
  const webCrypto = makeCrypto(
    () => find()?.random.uint32() ?? Math.floor(real.random() * 2 ** 32),
  );
  Object.defineProperty(globalThis, 'crypto', { value: webCrypto, configurable: true });
}

/** As much of Web Crypto as the edge uses; keys are their own bytes. */
function makeCrypto(uint32: () => number) {
  const getRandomValues = <T extends Uint8Array | Uint32Array>(array: T): T => {
    for (let index = 0; index < array.length; index += 1) array[index] = uint32();
    return array;
  };
  return {
    getRandomValues,
    randomUUID: () => formatUuid(getRandomValues(new Uint8Array(16))),
    subtle: {
      digest: (_: string, data: Uint8Array) => settle(digest(data)),
      importKey: (_: string, bytes: Uint8Array) => settle(bytes),
      sign: (_: string, key: Uint8Array, data: Uint8Array) => settle(sign(key, data)),
      verify: async (_: string, key: Uint8Array, ...[signature, data]: Uint8Array[]) => {
        const own = sign(key, data!);
        return own.length === signature!.length && timingSafeEqual(own, signature!);
      },
      timingSafeEqual: (a: Uint8Array, b: Uint8Array) => timingSafeEqual(a, b),
    },
  };
}

/** Of the hashes that are remembered: tokens and tickets come again and again. */
const REMEMBERED_MAX = 10_000;
const digests = new Map<string, Uint8Array>();
const signatures = new Map<string, Uint8Array>();

function digest(data: Uint8Array): Uint8Array {
  return remember(digests, textOf(data), () => hash('sha256', data, 'buffer'));
}

function sign(key: Uint8Array, data: Uint8Array): Uint8Array {
  const make = () => createHmac('sha256', key).update(data).digest();
  return remember(signatures, `${textOf(key)} ${textOf(data)}`, make);
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).latin1Slice();
}

function remember(known: Map<string, Uint8Array>, of: string, make: () => Uint8Array): Uint8Array {
  const before = known.get(of);
  if (before) return before;
  const made = make();
  if (known.size >= REMEMBERED_MAX) known.clear();
  known.set(of, made);
  return made;
}

/** Web Crypto answers with a buffer of its own. */
async function settle(bytes: Uint8Array): Promise<Uint8Array> {
  return Uint8Array.from(bytes);
}

function formatUuid(bytes: Uint8Array): string {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return `${parts.join('-')}-${hex.slice(20)}`;
}
