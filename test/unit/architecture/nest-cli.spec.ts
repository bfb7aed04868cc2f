import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

interface Project {
  readonly sourceRoot: string;
  readonly entryFile: string;
  readonly compilerOptions: { readonly tsConfigPath: string };
}

const root = new URL('../../../', import.meta.url);
const text = readFileSync(fileURLToPath(new URL('nest-cli.json', root)), 'utf8');
const { projects } = JSON.parse(text) as { readonly projects: Readonly<Record<string, Project>> };

describe('nest-cli.json', () => {
  it('has the library and the three applications', () => {
    expect(Object.keys(projects)).toEqual(['im-infra', 'gateway', 'user-service', 'order-service']);
  });

  it.each(Object.entries(projects))('%s begins at a file that is there', (_, project) => {
    for (const file of [
      `${project.sourceRoot}/${project.entryFile}.ts`,
      project.compilerOptions.tsConfigPath,
    ]) {
      expect([file, existsSync(new URL(file, root))]).toEqual([file, true]);
    }
  });
});
