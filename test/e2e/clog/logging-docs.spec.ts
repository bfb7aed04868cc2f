import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePorts } from '../../../lib/testing/free-port.js';
import { EmbeddedEtcd } from '../../../lib/testing/index.js';
import { matches, readExamples } from '../readme-examples.js';
import { NodeProcess, repository } from '../run-node.js';

const { examples, files, unmarked } = readExamples(readFileSync(join(repository, 'docs/logging.md'), 'utf8'));
let etcd: EmbeddedEtcd;
let folder: string;

beforeAll(async () => {
  etcd = await EmbeddedEtcd.start();
  folder = mkdtempSync(join(tmpdir(), 'im-infra-logging-docs-'));
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [path, text] of files) writeFileSync(join(folder, path), text);
  const [port = 0] = await freePorts(1);
  for (const { name, code } of examples) {
    const real = code.replaceAll('127.0.0.1:2379', etcd.endpoint).replaceAll('50051', String(port));
    writeFileSync(join(folder, `${name}.ts`), real);
  }
});

afterAll(async () => {
  await etcd.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('compiles, all of it, under strict', () => {
  expect(unmarked).toEqual([]);
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

it.each(examples)('runs: $name', async ({ name, output }) => {
  const { code, output: printed } = await new NodeProcess([join(folder, `${name}.js`)], {
    limit: 30_000,
    cwd: folder,
  }).ended;
  expect(code, printed).toBe(0);
  expect(matches(output ?? '', printed), printed).toBe(true);
});
