import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ROOMS = ['errors', 'options', 'trace', 'clog'];

/**
 * The logging side of the library as JavaScript, for child processes: compiled from what is in the tree now, so that no
 * build has to come first. Inside the repository, so that its dependencies are found.
 */
export class CompiledLib implements Disposable {
  readonly folder: string;

  constructor() {
    const cache = join(ROOT, 'node_modules', '.cache');
    mkdirSync(cache, { recursive: true });
    this.folder = mkdtempSync(join(cache, 'compiled-lib-'));
    writeFileSync(join(this.folder, 'package.json'), '{"type":"module"}');
    for (const room of ROOMS) {
      for (const name of readdirSync(join(ROOT, 'lib', room))) {
        if (name.endsWith('.ts')) this.#compile(join('lib', room, name), join(room, name));
      }
    }
  }

  /** Compiles a script beside the library and gives its path; it imports `./clog/….js`. */
  script(name: string): string {
    const source = fileURLToPath(new URL(name, import.meta.url));
    return this.#compile(source.slice(ROOT.length), name);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }

  #compile(source: string, target: string): string {
    const { outputText } = ts.transpileModule(readFileSync(join(ROOT, source), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        verbatimModuleSyntax: false,
      },
    });
    const path = join(this.folder, target.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, outputText.replaceAll('../../../lib/', './'));
    return path;
  }
}
