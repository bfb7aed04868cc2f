export interface Example {
  readonly name: string;
  readonly code: string;
  /** What the README says it prints; `…` stands for anything. */
  readonly output: string | undefined;
  /** Compiled and not run: it is part of an application that the README does not show whole. */
  readonly typesOnly: boolean;
}

export interface Examples {
  readonly examples: readonly Example[];
  /** Files that the examples read, by path. */
  readonly files: ReadonlyMap<string, string>;
  /** Blocks of TypeScript without a mark: nobody would notice if they were wrong. */
  readonly unmarked: readonly string[];
}

const block =
  /(?:<!-- (example|file): (\S+)( types-only)? -->\n\n?)?```(\w+)\n([\s\S]*?)```(?:\n\n?```text\n([\s\S]*?)```)?/g;

/**
 * Reads the code blocks of a Markdown text. `<!-- example: name -->` in front of a block of TypeScript makes it run, and a
 * block of `text` right behind it is what it has to print; `<!-- file: path -->` makes a block a file beside it.
 */
export function readExamples(markdown: string): Examples {
  const examples: Example[] = [];
  const files = new Map<string, string>();
  const unmarked: string[] = [];
  for (const [, kind, name = '', typesOnly, language = '', code = '', output] of markdown.matchAll(block)) {
    if (kind === 'file') files.set(name, code);
    else if (kind === 'example') examples.push({ name, code, output, typesOnly: typesOnly !== undefined });
    else if (/^(ts|typescript|js|javascript)$/.test(language)) unmarked.push(code);
  }
  return { examples, files, unmarked };
}

/** Whether `printed` is what the README promises, line by line; `…` matches any text within a line. */
export function matches(promised: string, printed: string): boolean {
  const lines = (text: string) => text.trimEnd().split('\n');
  const [wanted, got] = [lines(promised), lines(printed)];
  return (
    wanted.length === got.length &&
    wanted.every((line, index) => {
      const pattern = line.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      return new RegExp(`^${pattern.join('.*')}$`).test(got[index] ?? '');
    })
  );
}

/** The lines of an example that are the application's own: not imports, not empty. */
export function ownLines(code: string): string[] {
  const withoutImports = code.replace(/^import [\s\S]*?;\n/gm, '');
  return withoutImports.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('//'));
}
