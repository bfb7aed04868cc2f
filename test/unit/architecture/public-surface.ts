import { join } from 'node:path';
import ts from 'typescript';
import { repository } from './imports.js';

export interface PublicName {
  readonly name: string;
  /** Exists at run time: a class, function or constant. */
  readonly value: boolean;
  /** Its declaration as users' compilers see it, without comments and private members. */
  readonly declaration: string;
}

/** What each entry file exports, sorted by name, as the compiler's declaration emit writes it. */
export function publicSurface(entries: readonly string[]): Map<string, PublicName[]> {
  const configFile = join(repository, 'tsconfig.build.json');
  const { config } = ts.readConfigFile(configFile, (path) => ts.sys.readFile(path)) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, repository, undefined, configFile);
  const program = ts.createProgram(
    entries.map((entry) => join(repository, entry)),
    { ...options, emitDeclarationOnly: true, removeComments: true, sourceMap: false, inlineSources: false },
  );
  const declarations = new DeclarationReader(program);
  const checker = program.getTypeChecker();
  return new Map(
    entries.map((entry) => {
      const source = program.getSourceFile(join(repository, entry));
      const module = source && checker.getSymbolAtLocation(source);
      if (module === undefined) throw new Error(`${entry} exports nothing`);
      const names = checker.getExportsOfModule(module).map((exported) => {
        const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
        return {
          name: exported.name,
          value: (symbol.flags & ts.SymbolFlags.Value) !== 0 && !isTypeOnly(exported),
          declaration: declarations.of(symbol),
        };
      });
      return [entry, names.sort((a, b) => (a.name < b.name ? -1 : 1))];
    }),
  );
}

function isTypeOnly(symbol: ts.Symbol): boolean {
  return (symbol.declarations ?? []).some(
    (each) => ts.isExportSpecifier(each) && (each.isTypeOnly || each.parent.parent.isTypeOnly),
  );
}

class DeclarationReader {
  readonly #program: ts.Program;
  readonly #emitted = new Map<string, ts.SourceFile>();
  readonly #printer = ts.createPrinter({ removeComments: true });

  constructor(program: ts.Program) {
    this.#program = program;
  }

  of(symbol: ts.Symbol): string {
    const texts = (symbol.declarations ?? []).map((declaration) => {
      const source = declaration.getSourceFile();
      if (source.fileName.includes('/node_modules/'))
        return `// of ${source.fileName.replace(/.*node_modules\//, '')}`;
      const emitted = this.#emit(source);
      const same = emitted.statements.filter((statement) => declares(statement, symbol.name));
      return same.map((statement) => this.#print(statement, emitted)).join('\n');
    });
    return [...new Set(texts)].join('\n');
  }

  #emit(source: ts.SourceFile): ts.SourceFile {
    const known = this.#emitted.get(source.fileName);
    if (known !== undefined) return known;
    let text = '';
    this.#program.emit(source, (_, output) => void (text = output), undefined, true);
    const emitted = ts.createSourceFile(source.fileName, text, ts.ScriptTarget.ESNext, true);
    this.#emitted.set(source.fileName, emitted);
    return emitted;
  }

  #print(statement: ts.Statement, source: ts.SourceFile): string {
    const result = ts.transform(statement, [withoutPrivates]);
    const text = this.#printer.printNode(ts.EmitHint.Unspecified, result.transformed[0] as ts.Node, source);
    result.dispose();
    return text;
  }
}

function declares(statement: ts.Statement, name: string): boolean {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.some(
      (each) => ts.isIdentifier(each.name) && each.name.text === name,
    );
  }
  return (
    (ts.isClassDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement) ||
      ts.isFunctionDeclaration(statement) ||
      ts.isEnumDeclaration(statement)) &&
    statement.name?.text === name
  );
}

const withoutPrivates: ts.TransformerFactory<ts.Node> = (context) => (root) => {
  if (!ts.isClassDeclaration(root)) return root;
  const members = root.members.filter(
    (member) =>
      !(member.name !== undefined && ts.isPrivateIdentifier(member.name)) &&
      !(
        ts.canHaveModifiers(member) &&
        ts.getModifiers(member)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
      ),
  );
  return context.factory.updateClassDeclaration(
    root,
    root.modifiers,
    root.name,
    root.typeParameters,
    root.heritageClauses,
    members,
  );
};
