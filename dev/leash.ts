/**
 * Preloaded into every child of the launcher (`node --import`): when the launcher is gone,
 * even by SIGKILL, the channel to it closes and the child ends itself as if told to stop.
 */
import { ORPHAN_MS } from './stop-times.ts';

process.on('disconnect', () => {
  setTimeout(() => process.exit(1), ORPHAN_MS).unref();
  process.kill(process.pid, 'SIGTERM');
});
// Without this the open channel alone would keep a finished child alive.
process.channel?.unref();
