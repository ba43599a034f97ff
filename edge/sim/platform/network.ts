/**
 * Calls between the edge's parts, as messages: arguments and answers are copied, each way takes
 * time, may be lost, and comes in any order. A caller that hears nothing gets an error and does
 * not know what was done. No call is made twice by the platform. A target in an answer arrives
 * as a stub; it is disposed of by its holder, or when its holder or its answer is gone.
 */
import type { Faults } from '../faults.ts';
import { leave, theWorld } from '../world.ts';
import type { Owner, World } from '../world.ts';
import { Host, Instance } from './object.ts';
import type { ObjectClass, Platform } from './object.ts';

interface Place {
  readonly host: Host;
  /** Of a target: the life of the object that exported it, and its number there. */
  readonly target: { readonly epoch: number; readonly id: number } | null;
}

interface Flight {
  readonly caller: Owner;
  readonly to: Place;
  readonly method: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** How long a request may outlive its caller. */
const LINGER_MS = 100;

const networks = new WeakMap<World, Network>();

/** The network of the world that runs now. */
export function theNetwork(): Network {
  const network = networks.get(theWorld());
  if (!network) throw new Error('the world has no network');
  return network;
}

export class Network {
  readonly hosts = new Map<string, Host>();
  readonly #world: World;
  readonly #faults: Faults;
  readonly #platform: Platform;
  readonly #classes: Readonly<Record<string, ObjectClass>>;
  readonly #held = new Map<Owner, Set<Stub>>();

  constructor(platform: Platform, classes: Readonly<Record<string, ObjectClass>>) {
    this.#platform = platform;
    this.#world = platform.world;
    this.#faults = platform.faults;
    this.#classes = classes;
    networks.set(platform.world, this);
  }

  /** A binding: objects of one class by name. */
  namespace(kind: string): { getByName(name: string): object } {
    return { getByName: (name) => makeProxy(this, { host: this.host(kind, name), target: null }) };
  }

  host(kind: string, name: string): Host {
    const key = `${kind}:${name}`;
    let host = this.hosts.get(key);
    if (!host) {
      host = new Host(this.#platform, { kind, name, make: this.#classes[kind]! });
      this.hosts.set(key, host);
    }
    return host;
  }

  call(to: Place, method: string, args: readonly unknown[]): Promise<unknown> {
    const caller = this.#world.current;
    if (!caller) throw new Error('a call is made in a turn');
    const text = JSON.stringify(args);
    return new Promise((resolve, reject) => {
      const flight = { caller, to, method, resolve, reject };
      leave(caller, () => this.#send(flight, text));
    });
  }

  /** Names a target of the object whose turn it is; see `RpcTarget`. */
  exportTarget(target: object): string {
    const instance = this.#world.current as Instance;
    instance.exported += 1;
    instance.targets.set(instance.exported, target);
    return `${instance.host.kind}|${instance.host.name}|${instance.epoch}|${instance.exported}`;
  }

  /** Disposes of every stub that this owner holds: it has ended. */
  release(owner: Owner): void {
    for (const stub of this.#held.get(owner) ?? []) this.dispose(stub.place);
    this.#held.delete(owner);
  }

  dispose(place: Place): void {
    const { host, target } = place;
    if (!target || host.instance?.epoch !== target.epoch) return;
    const { instance } = host;
    this.#world.after(this.#faults.rpcMs(), {
      owner: instance,
      what: `dispose ${target.id}`,
      act: () => {
        if (!instance.targets.has(target.id)) return;
        const exported = instance.targets.get(target.id) as Partial<Disposable>;
        instance.targets.delete(target.id);
        exported[Symbol.dispose]?.();
      },
    });
  }

  #send(flight: Flight, text: string): void {
    const { host } = flight.to;
    const name = `${host.kind}:${host.name}.${flight.method}`;
    this.#world.count('messages');
    this.#world.note('call', `${flight.caller.name} -> ${name} ${text}`);
    if (this.#faults.losesRpc('request')) {
      this.#lose(flight, `request of ${name}`);
      return;
    }
    this.#mayCrash(flight.caller);
    const sentAt = this.#world.now;
    this.#world.after(this.#faults.rpcMs(), {
      owner: () => host.wake(),
      what: `receives ${flight.method} of ${flight.caller.name}`,
      act: () => {
        const instance = host.instance!;
        // The platform cancels a caller's calls with it; what is on the wire may still arrive.
        if (!flight.caller.alive) {
          const strayMs = this.#faults.rpcStrayMs();
          if (strayMs !== null) this.#stray(flight, text, strayMs);
          if (strayMs !== null || this.#world.now - sentAt > LINGER_MS) return;
        }
        this.#arrive(flight, instance, text);
      },
    });
  }

  /** An object may die while its call is on its way. */
  #mayCrash(caller: Owner): void {
    if (!(caller instanceof Instance) || !this.#faults.crashesInCall()) return;
    this.#world.afterSync(0, {
      owner: caller,
      what: 'dies in a call',
      act: () => caller.host.crash(this.#world.random.chance(0.5)),
    });
  }

  /** A call arrives when its caller has long had a new life, or none. */
  #stray(flight: Flight, text: string, ms: number): void {
    const { host } = flight.to;
    this.#world.after(ms, {
      owner: () => host.wake(),
      what: `receives late ${flight.method} of ${flight.caller.name}`,
      act: () => this.#arrive(flight, host.instance!, text),
    });
  }

  #arrive(flight: Flight, instance: Instance, text: string): void {
    const { target } = flight.to;
    if (target && instance.epoch !== target.epoch) {
      this.#fail(flight, 'the object that made this stub is gone');
      return;
    }
    this.#run(flight, instance, text);
  }

  #run(flight: Flight, instance: Instance, text: string): void {
    const { method, to } = flight;
    const inbound = { drop: () => this.#fail(flight, 'the object was reset') };
    instance.inbound.add(inbound);
    const args = this.#revive(text, instance) as unknown[];
    void instance.invoke(method, args, to.target?.id).then(
      (value) => {
        const answer = JSON.stringify({ value });
        instance.gate(() => {
          if (instance.inbound.delete(inbound)) this.#answer(flight, answer);
        });
      },
      (error: unknown) => {
        this.#world.count('calls that threw');
        this.#world.note('threw', `${instance.name}.${method}: ${String(error)}`);
        instance.gate(() => {
          if (instance.inbound.delete(inbound)) this.#fail(flight, String(error));
        });
      },
    );
  }

  #answer(flight: Flight, text: string): void {
    const { caller, method } = flight;
    this.#world.count('messages');
    this.#world.note('answer', `${method} to ${caller.name} ${text}`);
    if (this.#faults.losesRpc('answer')) {
      this.#lose(flight, `answer of ${method}`);
      this.#disposeUnheard(text);
      return;
    }
    this.#world.after(this.#faults.rpcMs(), {
      owner: () => {
        if (!caller.alive) this.#disposeUnheard(text);
        return caller;
      },
      what: `hears ${method}`,
      act: () => flight.resolve((this.#revive(text, caller) as { value: unknown }).value),
    });
  }

  /** The caller learns at some time that nothing will come. */
  #lose(flight: Flight, what: string): void {
    this.#world.note('lost', what);
    this.#fail(flight, 'network connection lost', this.#faults.silenceMs());
  }

  #fail(flight: Flight, message: string, ms = this.#faults.rpcMs()): void {
    this.#world.after(ms, {
      owner: flight.caller,
      what: `hears that ${flight.method} failed`,
      act: () => flight.reject(new Error(message)),
    });
  }

  #revive(text: string, holder: Owner): unknown {
    if (!text.includes('"$rpc"')) return JSON.parse(text);
    return JSON.parse(text, (_, value: unknown) => {
      const place = this.#placeOf(value);
      if (!place) return value;
      const stub = new Stub(this, place);
      const held = this.#held.get(holder) ?? new Set();
      this.#held.set(holder, held.add(stub));
      return makeProxy(this, place, () => {
        held.delete(stub);
        this.dispose(place);
      });
    });
  }

  #disposeUnheard(text: string): void {
    if (!text.includes('"$rpc"')) return;
    JSON.parse(text, (_, value: unknown) => {
      const place = this.#placeOf(value);
      if (place) this.dispose(place);
      return value;
    });
  }

  #placeOf(value: unknown): Place | null {
    const name = (value as { $rpc?: string } | null)?.$rpc;
    if (typeof name !== 'string') return null;
    const [kind, object, epoch, id] = name.split('|') as [string, string, string, string];
    return { host: this.host(kind, object), target: { epoch: Number(epoch), id: Number(id) } };
  }
}

/** One stub in someone's hands. */
class Stub {
  readonly network: Network;
  readonly place: Place;

  constructor(network: Network, place: Place) {
    this.network = network;
    this.place = place;
  }
}

/** Any method of what is there; a stub is never a promise. */
function makeProxy(network: Network, place: Place, dispose?: () => void): object {
  return new Proxy(
    {},
    {
      get(_, name) {
        if (name === Symbol.dispose) return dispose;
        if (typeof name === 'symbol' || name === 'then' || name === 'toJSON') return undefined;
        return (...args: readonly unknown[]) => network.call(place, name, args);
      },
    },
  );
}
