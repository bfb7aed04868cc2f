/** A process that the demo started ends with it, even if the demo is killed and cannot say so. */
export function followParent(): void {
  if (process.channel === undefined) return;
  process.once('disconnect', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.exit(1), 5_000).unref();
  });
  // The channel is there to break; it must not keep a stopped service alive.
  process.channel.unref();
}
