import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const repository = fileURLToPath(new URL('../../..', import.meta.url));

/** One import, export-from, `import()` or `import('…')` type. */
export interface Import {
  /** The importing file, relative to the repository, with `/`. */
  readonly from: string;
  /** The imported file likewise, or the name of a package (`node:fs`, `@scope/name`) without its subpath. */
  readonly to: string;
  /** Nothing of it is left at run time. */
  readonly typeOnly: boolean;
  /** Reached by `import()` only when the code gets there. */
  readonly lazy: boolean;
}

export function sourceFiles(folder: string): string[] {
  return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => posix.join(folder, file.split(sep).join('/')))
    .sort();
}

/** Everything the file asks for, as the compiler's parser reads it: comments and strings cannot fool it. */
export function importsOf(file: string, text = readFileSync(join(repository, file), 'utf8')): Import[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true);
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean, lazy = false): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    found.push({ from: file, to: target(file, specifier.text), typeOnly, lazy });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, importIsTypeOnly(node.importClause));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, exportIsTypeOnly(node));
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && isLoad(node.expression)) add(node.arguments[0], false, true);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** `import {} from 'x'` and `import 'x'` load the module; `import { type A } from 'x'` is elided like `import type`. */
function importIsTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = clause.namedBindings;
  if (clause.name !== undefined || named === undefined || !ts.isNamedImports(named)) return false;
  return named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly);
}

function exportIsTypeOnly(node: ts.ExportDeclaration): boolean {
  if (node.isTypeOnly) return true;
  const named = node.exportClause;
  return (
    named !== undefined && ts.isNamedExports(named) && named.elements.every((element) => element.isTypeOnly)
  );
}

function isLoad(callee: ts.Expression): boolean {
  return (
    callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')
  );
}

function target(file: string, specifier: string): string {
  if (specifier.startsWith('.')) {
    const path = relative(repository, join(repository, dirname(file), specifier))
      .split(sep)
      .join('/');
    return path.replace(/\.js$/, '.ts');
  }
  if (specifier.startsWith('node:')) return specifier;
  const [scope = '', name = ''] = specifier.split('/');
  return scope.startsWith('@') ? `${scope}/${name}` : scope;
}

/** The import cycles among values: with ES modules and decorator metadata such a cycle crashes when it loads. */
export function cycles(imports: readonly Import[]): string[][] {
  const next = new Map<string, Set<string>>();
  for (const { from, to, typeOnly, lazy } of imports) {
    if (!typeOnly && !lazy) next.set(from, (next.get(from) ?? new Set()).add(to));
  }
  const done = new Set<string>();
  const found: string[][] = [];
  const walk = (file: string, path: string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      found.push([...path.slice(at), file]);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const each of next.get(file) ?? []) walk(each, path);
    path.pop();
    done.add(file);
  };
  for (const file of next.keys()) walk(file, []);
  return found;
}
