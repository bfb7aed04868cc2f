import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { freePorts } from '../../lib/testing/free-port.js';
import { EmbeddedEtcd } from '../../lib/testing/index.js';
import { type Examples, readExamples } from './readme-examples.js';
import { NodeProcess, repository } from './run-node.js';

/** The examples of one page of documentation in a project of their own, beside an etcd of their own. */
export class ExampleFolder {
  readonly #folder = mkdtempSync(join(tmpdir(), 'im-infra-examples-'));

  private constructor(
    private readonly page: Examples,
    private readonly etcd: EmbeddedEtcd,
    private readonly port: number,
  ) {
    symlinkSync(join(repository, 'node_modules'), join(this.#folder, 'node_modules'));
    writeFileSync(join(this.#folder, 'package.json'), '{ "type": "module" }');
    for (const [path, text] of page.files) {
      mkdirSync(join(this.#folder, dirname(path)), { recursive: true });
      writeFileSync(join(this.#folder, path), text);
    }
    for (const { name, code } of page.examples) writeFileSync(this.#file(name, 'ts'), this.real(code));
  }

  static async open(page: Examples): Promise<ExampleFolder> {
    const [port = 0] = await freePorts(1);
    return new ExampleFolder(page, await EmbeddedEtcd.start(), port);
  }

  /** The page's addresses are for people; here each run has its own. */
  real(text: string): string {
    return text.replaceAll('127.0.0.1:2379', this.etcd.endpoint).replaceAll('50051', String(this.port));
  }

  /** Compiles all under strict, and returns what the compiler says. */
  compile(): readonly string[] {
    const program = ts.createProgram(
      this.page.examples.map(({ name }) => this.#file(name, 'ts')),
      {
        target: ts.ScriptTarget.ES2023,
        lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
        module: ts.ModuleKind.NodeNext,
        types: ['node'],
        typeRoots: [join(repository, 'node_modules/@types')],
        strict: true,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        esModuleInterop: true,
        skipLibCheck: true,
      },
    );
    const problems = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
      const name = file?.fileName.replace(this.#folder, '') ?? '';
      return `${name}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
    program.emit();
    return problems;
  }

  /** Runs a compiled example to its end. */
  run(name: string): NodeProcess['ended'] {
    return new NodeProcess([this.#file(name, 'js')], { limit: 30_000, cwd: this.#folder }).ended;
  }

  async close(): Promise<void> {
    await this.etcd.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #file(name: string, extension: 'ts' | 'js'): string {
    return join(this.#folder, `${name}.${extension}`);
  }
}

/** Reads the examples of a page by its path in the repository. */
export function examplesOf(path: string): Examples {
  return readExamples(readFileSync(join(repository, path), 'utf8'));
}
