import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'vite';

/** A fault built into the library on purpose: a test that stays green with it proves nothing. */
export interface Mutation {
  readonly name: string;
  /** Each must be found exactly once in the file whose path ends with `file`. */
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[];
}

/** The worker as one file of JavaScript, with a mutation of the library if one is given. Returns its path. */
export async function bundleWorker(folder: string, mutation?: Mutation): Promise<string> {
  const name = `worker-${mutation?.name ?? 'sound'}`;
  const unused = new Set(mutation?.edits ?? []);
  const mutate: Plugin = {
    name: 'mutate',
    enforce: 'pre',
    transform(code, id) {
      let mutated = code;
      for (const edit of mutation?.edits ?? []) {
        if (!id.endsWith(edit.file)) continue;
        if (mutated.split(edit.from).length !== 2)
          throw new Error(`${edit.file} has not exactly one "${edit.from}"`);
        mutated = mutated.replace(edit.from, edit.to);
        unused.delete(edit);
      }
      return mutated === code ? undefined : { code: mutated, map: null };
    },
  };
  await build({
    configFile: false,
    logLevel: 'error',
    plugins: [mutate],
    ssr: { target: 'node' },
    build: {
      ssr: fileURLToPath(new URL('torture-worker.ts', import.meta.url)),
      outDir: folder,
      emptyOutDir: false,
      minify: false,
      rollupOptions: { output: { entryFileNames: `${name}.mjs`, format: 'es' } },
    },
  });
  if (unused.size > 0)
    throw new Error(`${mutation!.name}: ${[...unused].map(({ file }) => file).join(', ')} not seen`);
  return join(folder, `${name}.mjs`);
}
