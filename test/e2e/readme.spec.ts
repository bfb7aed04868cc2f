import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedEtcd } from '../../lib/testing/index.js';
import { freePorts } from '../../lib/testing/free-port.js';
import { matches, ownLines, readExamples } from './readme-examples.js';
import { NodeProcess, repository } from './run-node.js';

const { examples, files, unmarked } = readExamples(readFileSync(join(repository, 'README.md'), 'utf8'));

describe('the code of the README', () => {
  let etcd: EmbeddedEtcd;
  let folder: string;
  let port = 0;
  /** The README's addresses are for people; here each run has its own. */
  const real = (text: string) =>
    text.replaceAll('127.0.0.1:2379', etcd.endpoint).replaceAll('50051', String(port));

  beforeAll(async () => {
    etcd = await EmbeddedEtcd.start();
    folder = mkdtempSync(join(tmpdir(), 'im-infra-readme-'));
    symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
    [port = 0] = await freePorts(1);
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    for (const [path, text] of files) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    for (const { name, code } of examples) writeFileSync(join(folder, `${name}.ts`), real(code));
  });

  afterAll(async () => {
    await etcd.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is marked, all of it, to be compiled here', () => {
    expect(unmarked).toEqual([]);
    expect(examples.length).toBeGreaterThan(5);
  });

  it('begins with a quick start of at most 12 lines', () => {
    const quickStart = examples.find(({ name }) => name === 'quick-start');
    expect(ownLines(quickStart?.code ?? '').length).toBeLessThanOrEqual(12);
    expect(quickStart?.output).toBeDefined();
  });

  it('compiles under strict', () => {
    const program = ts.createProgram(
      examples.map(({ name }) => join(folder, `${name}.ts`)),
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
      const name = file?.fileName.replace(folder, '') ?? '';
      return `${name}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
    expect(problems).toEqual([]);
    program.emit();
  });

  it.each(examples.filter(({ typesOnly }) => !typesOnly))('runs: $name', async ({ name, output }) => {
    const process = new NodeProcess([join(folder, `${name}.js`)], { limit: 30_000, cwd: folder });
    const ended = await process.ended;
    expect(ended.code, ended.output).toBe(0);
    if (output !== undefined) expect(matches(real(output), ended.output), ended.output).toBe(true);
  });
});

describe('the reader of examples', () => {
  it('tells examples, their output, files and unmarked code apart', () => {
    const text = [
      '<!-- example: one -->\n\n```ts\na();\n```\n\n```text\n1\n```',
      '<!-- file: x/y.proto -->\n\n```proto\nsyntax\n```',
      '<!-- example: two types-only -->\n\n```ts\nb();\n```',
      '```ts\nc();\n```',
      '```sh\nls\n```',
    ].join('\n\n');
    expect(readExamples(text)).toEqual({
      examples: [
        { name: 'one', code: 'a();\n', output: '1\n', typesOnly: false },
        { name: 'two', code: 'b();\n', output: undefined, typesOnly: true },
      ],
      files: new Map([['x/y.proto', 'syntax\n']]),
      unmarked: ['c();\n'],
    });
  });

  it('takes … for anything and nothing else for anything', () => {
    expect(matches('a … c\n', 'a b c\n')).toBe(true);
    expect(matches('a.c', 'abc')).toBe(false);
    expect(matches('a', 'a\nb')).toBe(false);
  });
});
