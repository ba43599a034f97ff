/** A classifier that goes by the first byte of a file, and does as a test says. */
import { readFile } from 'node:fs/promises';
import type { Classifier, Verdict } from '../check/classifier.ts';

export class TestClassifier implements Classifier {
  /** First bytes of files that it blocks. */
  readonly blocks = new Set<number>();
  readonly looked: string[] = [];
  fault: Error | null = null;

  async classify(path: string): Promise<Verdict> {
    this.looked.push(path);
    if (this.fault) throw this.fault;
    const [first] = await readFile(path);
    const blocked = this.blocks.has(first!);
    return { blocked, label: blocked ? 'bad' : 'fine', score: 1 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
