/** An agent in small: has a child do what the first argument says; waits if the second says so. */
import { Child } from '../child.ts';
import type { Order, Step } from './child.ts';

const HOUR_MS = 3_600_000;

const child = new Child<Order, Step, string>(new URL('./child.ts', import.meta.url));
if (process.argv[3] === 'wait') setInterval(() => {}, HOUR_MS);
await child.run(JSON.parse(process.argv[2]!) as Order, {
  signal: new AbortController().signal,
  onEvent: () => {},
});
process.stdout.write('answered');
