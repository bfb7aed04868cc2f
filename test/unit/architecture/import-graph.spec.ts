import { builtinModules } from 'node:module';
import { describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { roomOf, violations } from './arrows.js';
import { cycles, importsOf, sourceFiles } from './imports.js';

const imports = sourceFiles('lib').flatMap((file) => importsOf(file));

describe('the imports of lib', () => {
  it('follow the arrows of the design', () => {
    expect(violations(imports)).toEqual([]);
  });

  it('make no cycle', () => {
    expect(cycles(imports)).toEqual([]);
  });

  it('name only packages that an installation brings along or asks for', () => {
    const declared = new Set([
      ...Object.keys(packageJson.dependencies),
      ...Object.keys(packageJson.peerDependencies),
    ]);
    const undeclared = imports.filter(
      ({ to, typeOnly, lazy }) =>
        !to.startsWith('lib/') &&
        !to.startsWith('node:') &&
        !declared.has(to) &&
        // What is optional may be missing: its types vanish, its code is loaded when somebody asks for it.
        !typeOnly &&
        !lazy,
    );
    expect(undeclared).toEqual([]);
  });

  it('name the modules of Node by their full name', () => {
    expect(imports.filter(({ to }) => builtinModules.includes(to))).toEqual([]);
  });

  it('leave the tests and the sample application alone', () => {
    expect(imports.filter(({ to }) => /^(test|bench|sample-app|scripts)\//.test(to))).toEqual([]);
  });
});

describe('the walk itself', () => {
  const from = (file: string, text: string) => importsOf(file, text);

  it('sees every way to ask for a module, and whether a value is asked for', () => {
    const seen = from(
      'lib/coord/lock/lock.ts',
      `import { A, type B } from '../etcd/a.js';
       import type { C } from '../etcd/c.js';
       import { type D } from '@scope/name/sub.js';
       import 'reflect-metadata';
       export { E } from './e.js';
       export type { F } from './f.js';
       // import { no } from './comment.js';
       const text = "import { no } from './string.js'";
       const lazy = await import('node:fs');
       type G = import('./g.js').G;`,
    );
    expect(seen.map(({ to, typeOnly, lazy }) => [to, typeOnly, lazy])).toEqual([
      ['lib/coord/etcd/a.ts', false, false],
      ['lib/coord/etcd/c.ts', true, false],
      ['@scope/name', true, false],
      ['reflect-metadata', false, false],
      ['lib/coord/lock/e.ts', false, false],
      ['lib/coord/lock/f.ts', true, false],
      ['node:fs', false, true],
      ['lib/coord/lock/g.ts', true, false],
    ]);
  });

  it.each([
    ['a sibling', 'lib/coord/lock/a.ts', '../config/b.js'],
    ['upwards', 'lib/errors/a.ts', '../options/b.js'],
    ['clog from coord', 'lib/coord/etcd/a.ts', '../../clog/b.js'],
    ['coord from clog', 'lib/clog/a.ts', '../coord/etcd/b.js'],
    ['the test kit', 'lib/coord/coord.service.ts', '../testing/b.js'],
    ['the command line', 'lib/im-infra.module.ts', './cli/b.js'],
    ['etcd3 outside the ground floor', 'lib/coord/lock/a.ts', 'etcd3'],
    ['pino outside clog', 'lib/coord/etcd/a.ts', 'pino'],
    ['grpc-js in the lock', 'lib/coord/lock/a.ts', '@grpc/grpc-js'],
  ])('refuses %s', (_, file, specifier) => {
    expect(violations(from(file, `import { b } from '${specifier}';`))).toHaveLength(1);
  });

  it.each([
    ['a room below', 'lib/coord/election/a.ts', `import { b } from '../lock/b.js';`],
    ['two rooms below', 'lib/coord/election/a.ts', `import { b } from '../../errors/b.js';`],
    ['types of grpc-js', 'lib/coord/lock/a.ts', `import type { b } from '@grpc/grpc-js';`],
    ['the trace in gRPC', 'lib/coord/grpc/a.ts', `import { b } from '../../trace/b.js';`],
    ['the embedded etcd in `dev`', 'lib/cli/dev.ts', `await import('../testing/index.js');`],
  ])('allows %s', (_, file, text) => {
    expect(violations(from(file, text))).toEqual([]);
  });

  it('finds a cycle of values and lets one of types be', () => {
    const a = from('lib/errors/a.ts', `import { b } from './b.js';`);
    expect(cycles([...a, ...from('lib/errors/b.ts', `import { a } from './a.js';`)])).toHaveLength(1);
    expect(cycles([...a, ...from('lib/errors/b.ts', `import type { a } from './a.js';`)])).toEqual([]);
  });

  it('refuses a room that nobody drew', () => {
    expect(() => roomOf('lib/extras/a.ts')).toThrow('a room that the design does not know');
  });
});
