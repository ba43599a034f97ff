import { describe, expect, it } from 'vitest';
import { sumOf, toPhase, type Reading } from './meter.ts';

const BEFORE: Reading = {
  classes: {
    Scheduler: {
      requests: { enqueue: 10, acquire: 5, overview: 3 },
      rows: 100,
      rowsRead: 50,
      alarmsSet: 2,
      activeMs: 10_000,
    },
  },
  paths: { 'POST /v1/jobs': 10, 'GET /admin/v1/queue': 3 },
};
const AFTER: Reading = {
  classes: {
    Scheduler: {
      requests: { enqueue: 14, acquire: 9, acquire_at_once: 1, renew: 2, complete: 4, overview: 8 },
      rows: 116,
      rowsRead: 58,
      alarmsSet: 3,
      activeMs: 20_000,
    },
    Account: {
      requests: { submit: 4, alarm: 1 },
      rows: 8,
      rowsRead: 4,
      alarmsSet: 4,
      activeMs: 500,
    },
  },
  paths: {
    'POST /v1/jobs': 14,
    'GET /admin/v1/queue': 8,
    'PUT /agent/v1/jobs/:id/artifacts/0/result': 4,
    'PUT /agent/v1/jobs/:id/artifacts/0/thumbnail': 4,
  },
};

describe('toPhase', () => {
  const phase = toPhase(BEFORE, AFTER);

  it('bills what was added, a set alarm as a row, an upload as a write to R2', () => {
    expect(phase.bill).toEqual({
      rowsWritten: 16 + 8 + 1 + 4,
      rowsRead: 8 + 4,
      objectRequests: 4 + 4 + 1 + 2 + 4 + 4 + 1,
      objectGbSeconds: 0.5 * 0.128,
      workerRequests: 4 + 4 + 4,
      workerCpuMs: 0,
      r2Writes: 8,
      r2Reads: 0,
    });
    expect(phase.alarmRows).toBe(5);
  });

  it('leaves parked polls, progress and our own look out of a life, not a poll with a job', () => {
    expect(phase.lifeRequests).toBe(4 + 1 + 4 + 4 + 1);
    expect(phase.requests).toEqual({
      'Scheduler.enqueue': 4,
      'Scheduler.acquire': 4,
      'Scheduler.acquire_at_once': 1,
      'Scheduler.renew': 2,
      'Scheduler.complete': 4,
      'Scheduler.overview': 5,
      'Account.submit': 4,
      'Account.alarm': 1,
    });
  });

  it('bills twenty messages of a socket as one request, and counts each as a call', () => {
    const { Scheduler } = AFTER.classes;
    const messages = { complete: 40, acquire: 10, end: 9, renew: 1 };
    const talked = {
      ...AFTER,
      classes: { ...AFTER.classes, Scheduler: { ...Scheduler!, messages } },
    };
    const { bill, lifeRequests, requests } = toPhase(AFTER, talked);
    expect(bill.objectRequests).toBe(3);
    expect(lifeRequests).toBe(40);
    expect(requests['Scheduler.complete']).toBe(40);
  });

  it('bills nothing between two equal readings', () => {
    const { bill, lifeRequests } = toPhase(AFTER, AFTER);
    expect(sumOf(bill)).toBe(0);
    expect(lifeRequests).toBe(0);
  });
});
