import { resolve } from 'node:path';
import { ValidationError } from '../errors/validation.error.js';
import type { Clock } from './clock.js';
import { FileOutput } from './file.output.js';
import type { Output } from './output.js';
import type { ResolvedClogOptions } from './resolve-clog-options.js';
import { StreamOutput } from './stream.output.js';

interface SharedFile {
  readonly output: FileOutput;
  users: number;
}

const KEY = Symbol.for('im-infra:log-files');
type Global = { [KEY]?: Map<string, SharedFile> };

/**
 * Opens what `output` names. Several loggers of one process that name the same file share it, else one would put
 * aside the file under the hands of the other; the rotation asked for last holds.
 *
 * @throws ValidationError naming `clog.output` if the file cannot be opened.
 */
export function openOutput(options: Pick<ResolvedClogOptions, 'output' | 'rotation'>, clock: Clock): Output {
  const { output, rotation } = options;
  if (output === 'stdout' || output === 'stderr') return new StreamOutput(output);
  const path = resolve(output);
  const files = ((globalThis as Global)[KEY] ??= new Map<string, SharedFile>());
  const shared = files.get(path);
  if (shared === undefined) {
    const file = { output: openFile(path, rotation, clock), users: 1 };
    files.set(path, file);
    return share(path, file, files);
  }
  shared.users++;
  shared.output.rotate(rotation);
  return share(path, shared, files);
}

function openFile(path: string, rotation: ResolvedClogOptions['rotation'], clock: Clock): FileOutput {
  try {
    return new FileOutput(path, rotation, clock);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ValidationError(
      'clog.output',
      `'stdout', 'stderr' or a file that can be written (${code})`,
      path,
    );
  }
}

/** One logger's part in a file; the last one closes it. */
function share(path: string, file: SharedFile, files: Map<string, SharedFile>): Output {
  let closed = false;
  return {
    write: (line) => file.output.write(line),
    flush: () => file.output.flush(),
    async close() {
      if (!closed) {
        closed = true;
        if (--file.users === 0) files.delete(path);
      }
      await (file.users === 0 ? file.output.close() : file.output.settle());
    },
  };
}
