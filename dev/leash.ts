/**
 * Preloaded into every child of the launcher (`node --import`): when the launcher is gone,
 * even by SIGKILL, the channel to it closes and the child ends itself as if told to stop.
 */
const GRACE_MS = 12_000;

process.on('disconnect', () => {
  setTimeout(() => process.exit(1), GRACE_MS).unref();
  process.kill(process.pid, 'SIGTERM');
});
// Without this the open channel alone would keep a finished child alive.
process.channel?.unref();
