/**
 * Joined to the Worker's bundle before the probe where cost is measured: counts what Cloudflare
 * charges for, object by object, around classes that know nothing of it. Rows are those that
 * SQLite's own cursors report; an object is active while a call, an alarm, a parked poll or a
 * promise it waits for is open. Messages of sockets are counted apart, by their verb.
 *
 * `BUNDLE.meter()` gives the counts since the start.
 */
const METER = { classes: {}, paths: {} };
/** Cursors whose rows are not summed yet: one that returns rows writes while it is read. */
let meterCursors = [];
const meterObjects = new Set();

class MeteredObject {
  open = 0;
  since = 0;

  constructor(name) {
    METER.classes[name] ??= {
      ...{ requests: {}, messages: {}, rows: 0, alarmsSet: 0, activeMs: 0, objects: 0 },
    };
    this.counts = METER.classes[name];
    this.counts.objects += 1;
    meterObjects.add(this);
  }

  begin() {
    if (this.open === 0) this.since = Date.now();
    this.open += 1;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.open -= 1;
      if (this.open === 0) this.counts.activeMs += Date.now() - this.since;
    };
  }

  /** Active until the result is there and, for a parked poll, until its caller lets go of it. */
  async follow(result, end) {
    try {
      const answer = await result;
      const parked = answer?.value?.parked;
      if (parked === undefined) end();
      else endWithDisposal(parked, end);
      return answer;
    } catch (error) {
      end();
      throw error;
    }
  }
}

function endWithDisposal(target, end) {
  const dispose = target[Symbol.dispose];
  Object.defineProperty(target, Symbol.dispose, {
    value() {
      end();
      return dispose.call(target);
    },
  });
}

function meterContext(context, object) {
  const { storage } = context;
  const { sql } = storage;
  const exec = sql.exec.bind(sql);
  sql.exec = (...args) => {
    const cursor = exec(...args);
    meterCursors.push({ cursor, counts: object.counts });
    return cursor;
  };
  const setAlarm = storage.setAlarm.bind(storage);
  storage.setAlarm = (...args) => {
    object.counts.alarmsSet += 1;
    return setAlarm(...args);
  };
  const waitUntil = context.waitUntil.bind(context);
  context.waitUntil = (promise) => {
    const end = object.begin();
    waitUntil(Promise.resolve(promise).finally(end));
  };
}

/** A poll that brings a job at once is no parked one, and is told apart. */
function countRequest({ counts: { requests } }, method, answer) {
  const name = answer?.value?.answer?.job ? `${method}_at_once` : method;
  requests[name] = (requests[name] ?? 0) + 1;
}

/** What a socket brings: pings do not wake the object. */
function countMessage({ counts: { messages } }, text) {
  const { verb = 'none' } = JSON.parse(text);
  messages[verb] = (messages[verb] ?? 0) + 1;
}

/** A call by the platform has no caller on the stack; one by the object itself has. */
function isCalledFromOutside({ stack }) {
  return stack.split('\n').length === 2;
}

function meterClass(name, Real) {
  const objects = new WeakMap();
  class Metered extends Real {
    constructor(context, env) {
      const object = new MeteredObject(name);
      meterContext(context, object);
      super(context, env);
      objects.set(this, object);
    }
  }
  for (const method of Object.getOwnPropertyNames(Real.prototype)) {
    const real = Real.prototype[method];
    if (method === 'constructor' || typeof real !== 'function') continue;
    Object.defineProperty(Metered.prototype, method, {
      value(...args) {
        const object = objects.get(this);
        const isMessage = method === 'webSocketMessage';
        if (isMessage) countMessage(object, args[1]);
        const isRequest = !isMessage && isCalledFromOutside(new Error('who calls'));
        const result = object.follow(real.apply(this, args), object.begin());
        if (isRequest) {
          result.then(
            (answer) => countRequest(object, method, answer),
            () => countRequest(object, method, null),
          );
        }
        return result;
      },
    });
  }
  return Metered;
}

function sumCursors() {
  for (const { cursor, counts } of meterCursors) {
    counts.rows += cursor.rowsWritten;
    counts.rowsRead = (counts.rowsRead ?? 0) + cursor.rowsRead;
  }
  meterCursors = [];
}

function readMeter() {
  sumCursors();
  const now = Date.now();
  for (const object of meterObjects) {
    if (object.open === 0) continue;
    object.counts.activeMs += now - object.since;
    object.since = now;
  }
  return METER;
}

Object.assign(BUNDLE, {
  Account: meterClass('Account', BUNDLE.Account),
  Scheduler: meterClass('Scheduler', BUNDLE.Scheduler),
  Feed: meterClass('Feed', BUNDLE.Feed),
  meter: readMeter,
  /** Counts a request of the Worker by its path, ids left out. */
  meterPath(method, path) {
    const kind = `${method} ${path.replaceAll(/job_[0-9a-z_-]+/g, ':id')}`;
    METER.paths[kind] = (METER.paths[kind] ?? 0) + 1;
  },
});
