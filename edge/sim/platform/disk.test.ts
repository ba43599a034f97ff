import { describe, expect, it } from 'vitest';
import { Disk } from './disk.ts';

function makeDisk(): Disk {
  const disk = new Disk('test');
  disk.exec('CREATE TABLE item (id INTEGER PRIMARY KEY)', []);
  disk.commit();
  return disk;
}

const ids = (disk: Disk) => disk.exec('SELECT id FROM item ORDER BY id', []).map(({ id }) => id);

describe('a disk', () => {
  it('takes back what was not committed, the alarm too', () => {
    const disk = makeDisk();
    disk.exec('INSERT INTO item VALUES (?)', [1]);
    disk.setAlarm(5);
    disk.commit();
    disk.exec('INSERT INTO item VALUES (?)', [2]);
    disk.setAlarm(9);
    expect(ids(disk)).toEqual([1, 2]);
    disk.rollback();
    expect(ids(disk)).toEqual([1]);
    expect(disk.alarmAt).toBe(5);
  });

  it('undoes a nested transaction that throws, and keeps what was written before it', () => {
    const disk = makeDisk();
    disk.exec('INSERT INTO item VALUES (?)', [1]);
    expect(() =>
      disk.nest(() => {
        disk.exec('INSERT INTO item VALUES (?)', [2]);
        throw new Error('no');
      }),
    ).toThrow('no');
    disk.commit();
    expect(ids(disk)).toEqual([1]);
  });

  it.each([true, false])('leaves no trace of a peek, whether or not writes wait: %s', (waits) => {
    const disk = makeDisk();
    if (waits) disk.exec('INSERT INTO item VALUES (?)', [1]);
    disk.peek(() => {
      disk.exec('INSERT INTO item VALUES (?)', [2]);
      disk.setAlarm(7);
    });
    expect(disk.isOpen).toBe(waits);
    expect(disk.alarmAt).toBeNull();
    disk.commit();
    expect(ids(disk)).toEqual(waits ? [1] : []);
  });
});
