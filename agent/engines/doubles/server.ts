/**
 * A text or a speech server as a process of its own, which fails as its order says. It has a child
 * that it does not take with it, as Python servers with worker processes do, and a temporary file.
 */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KoboldDouble } from './koboldcpp.ts';
import { SpeechDouble } from './speech.ts';
import { newScript } from './text-script.ts';

export interface ServerOrder {
  readonly serves: 'text' | 'speech';
  readonly port: number;
  /** `crash`: at the start, with these words. `mute`: never answers. `stall`: in every job. */
  readonly trouble?: 'crash' | 'mute' | 'stall' | 'garbage' | 'deaf';
  /** A file with the trouble that the next start has, if any. */
  readonly moodFile?: string;
}

const order = JSON.parse(process.argv[2]!) as ServerOrder;
const mood = order.moodFile === undefined ? '' : readFileSync(order.moodFile, 'utf8');
const trouble = mood === '' ? order.trouble : mood;
if (trouble === 'crash') {
  process.stderr.write('error loading model: tensor data is not within the file bounds\n');
  process.exit(3);
}
spawn('sleep', ['3600'], { stdio: 'ignore' });
const file = join(tmpdir(), `server-${process.pid}`);
writeFileSync(file, 'held');
process.on('SIGTERM', () => {
  if (trouble === 'deaf') return;
  rmSync(file);
  process.exit(0);
});
if (order.serves === 'text') {
  const double = new KoboldDouble();
  if (trouble === 'stall') double.script = { ...newScript(), at: 3, trouble: 'stall' };
  if (trouble === 'garbage') double.script = { ...newScript(), at: 0, trouble: 'garbage' };
  if (trouble !== 'mute') await double.start(order.port);
} else {
  const double = new SpeechDouble();
  if (trouble === 'stall') double.stalls = true;
  if (trouble !== 'mute') await double.start(order.port);
}
process.stdout.write('listening\n');
