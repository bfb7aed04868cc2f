import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';

/**
 * Kills a child process and removes its folder when this process is gone, however it went: also after SIGKILL, when no
 * handler of ours can run. A shell waits for the end of a pipe that only this process holds open.
 *
 * Where there is no `sh` (Windows), only a regular exit of this process is covered.
 *
 * @returns ends the watch, for when the child was stopped in an orderly way.
 */
export function tieToThisProcess(pid: number, folder: string): () => void {
  const onExit = (): void => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', onExit);
  // In its own process group: Ctrl-C reaches the whole group of the terminal, and the watcher must outlive us.
  const watcher = spawn(
    'sh',
    ['-c', 'cat >/dev/null; kill -9 "$1"; rm -rf "$2"', 'sh', String(pid), folder],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    },
  );
  watcher.on('error', () => {});
  watcher.stdin.on('error', () => {});
  watcher.unref();
  (watcher.stdin as unknown as { unref?: () => void }).unref?.();
  return () => {
    process.off('exit', onExit);
    watcher.kill('SIGKILL');
  };
}
