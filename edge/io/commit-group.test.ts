import { describe, expect, it } from 'vitest';
import { CommitGroup } from './commit-group.ts';

/** A group over a disk that commits when told to; `log` has what happened. */
function testGroup(gatherMs = 0) {
  const log: string[] = [];
  const commits: (() => void)[] = [];
  const storage = { sync: () => new Promise<void>((resolve) => commits.push(resolve)) };
  const context = { storage, abort: (reason: string) => log.push(reason) };
  const afterEach = () => {
    log.push('commit');
    return true;
  };
  const options = { afterEach, gatherMs };
  const group = new CommitGroup(context, options);
  const run = (name: string) => group.run(() => log.push(name));
  const commit = async () => {
    commits.shift()!();
    await scheduler.wait(0);
  };
  return { group, log, commits, run, commit };
}

describe('a commit group', () => {
  it('works at once when no commit is under way', () => {
    const { log, run } = testGroup();
    void run('a');
    expect(log).toEqual(['a', 'commit']);
  });

  it('gathers calls while a commit is under way, and does them in order in one commit', async () => {
    const { log, commits, run, commit } = testGroup();
    for (const name of ['a', 'b', 'c', 'd']) void run(name);
    expect(log).toEqual(['a', 'commit']);
    await commit();
    expect(log).toEqual(['a', 'commit', 'b', 'c', 'd', 'commit']);
    expect(commits).toHaveLength(1);
    await commit();
    expect(commits).toHaveLength(0);
    void run('e');
    expect(log.slice(-2)).toEqual(['e', 'commit']);
  });

  it('answers each call by itself, also when another throws', async () => {
    const { group, commit } = testGroup();
    const first = group.run(() => 1);
    const second = group.run(() => {
      throw new Error('bad');
    });
    const third = group.run(() => 3);
    const refused = expect(second).rejects.toThrow('bad');
    await commit();
    await refused;
    expect(await Promise.all([first, third])).toEqual([1, 3]);
  });

  it('goes on after a commit that failed', async () => {
    const log: string[] = [];
    const storage = { sync: () => Promise.reject(new Error('reset')) };
    const group = new CommitGroup({ storage, abort: () => {} }, { afterEach: () => true });
    await Promise.all(['a', 'b', 'c'].map((name) => group.run(() => log.push(name))));
    expect(log).toEqual(['a', 'b', 'c']);
  });

  it('restarts its object when what belongs to a commit fails, before an answer leaves', async () => {
    const log: string[] = [];
    const context = { storage: { sync: async () => {} }, abort: () => log.push('restart') };
    const afterEach = () => {
      throw new Error('the holds could not be written');
    };
    const answer = new CommitGroup(context, { afterEach }).run(() => log.push('work'));
    void answer.then(() => log.push('answer'));
    await answer;
    await scheduler.wait(0);
    expect(log).toEqual(['work', 'restart', 'answer']);
  });

  it('does not wait for a commit where nothing was written', async () => {
    const log: string[] = [];
    const storage = { sync: () => new Promise<void>(() => {}) };
    const group = new CommitGroup({ storage, abort: () => {} }, { afterEach: () => false });
    await Promise.all(['a', 'b'].map((name) => group.run(() => log.push(name))));
    expect(log).toEqual(['a', 'b']);
  });

  it('gathers longer after a commit in which calls met, and then takes all that came', async () => {
    const { log, run, commit } = testGroup(5);
    void run('a');
    const later = [run('b')];
    await commit();
    later.push(run('c'));
    expect(log).toEqual(['a', 'commit']);
    await Promise.all(later);
    expect(log).toEqual(['a', 'commit', 'b', 'c', 'commit']);
  });

  it('gathers no longer after a commit of one call', async () => {
    const { log, run, commit } = testGroup(60_000);
    void run('a');
    await commit();
    await run('b');
    expect(log).toEqual(['a', 'commit', 'b', 'commit']);
  });
});
