import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Enough to get past Nest's Logger, which stands between its users and us with up to four frames. */
const FRAMES = 10;

/**
 * Where `method` was called from, as `path:line`, relative to `root` if it lies below it. Frames of Nest's own Logger
 * are passed over.
 *
 * @param method the outermost function that is not the caller's.
 */
export function sourceLocation(method: (...args: never[]) => unknown, root: string): string | undefined {
  const holder: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  Error.captureStackTrace(holder, method);
  Error.stackTraceLimit = limit;
  for (const frame of holder.stack?.split('\n').slice(1) ?? []) {
    const match = /\(?((?:file:\/\/|[A-Za-z]:\\|\/)[^()]*):(\d+):\d+\)?$/.exec(frame);
    if (match === null || frame.includes(`@nestjs${sep}common`) || frame.includes('@nestjs/common')) continue;
    return `${relative(match[1] ?? '', root)}:${match[2]}`;
  }
  return undefined;
}

/** Takes the root off the front, and only there, at a whole segment. */
function relative(file: string, root: string): string {
  const path = file.startsWith('file://') ? fileURLToPath(file) : file;
  const folder = root.endsWith(sep) ? root : root + sep;
  return path.startsWith(folder) ? path.slice(folder.length) : path;
}
