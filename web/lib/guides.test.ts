import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LANGUAGES } from './guide.ts';
import { GUIDES } from './guides.ts';

const folder = mkdtempSync(join(tmpdir(), 'tessera-guides-'));
afterAll(() => rmSync(folder, { recursive: true }));

function hasPython(): boolean {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    // a machine without it still tests the rest
    return false;
  }
}

describe.each(GUIDES)('the guide $title', ({ id, code }) => {
  it('is curl that a shell reads', () => {
    execFileSync('bash', ['-n', '-c', code.curl]);
    expect(code.curl).toContain('curl -s');
  });

  it('is JavaScript that Node reads', () => {
    const file = join(folder, `${id}.mjs`);
    writeFileSync(file, code.javascript);
    execFileSync(process.execPath, ['--check', file]);
  });

  it.skipIf(!hasPython())('is Python that Python reads', () => {
    const read = 'import ast, sys; ast.parse(sys.stdin.read())';
    execFileSync('python3', ['-c', read], { input: code.python });
  });

  it('keeps keys out of the code', () => {
    for (const language of LANGUAGES)
      expect(code[language]).not.toMatch(/tsr_[0-9a-z]|whsec_[A-Z]/i);
  });
});
