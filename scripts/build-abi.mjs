// Reads the AssemblyScript kernels and writes what TypeScript must know of them to `src/backends/wasm/abi.ts`: the
// arguments of each exported kernel with their layout, sizes of classes in private memory, and the shared constants.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import ts from 'typescript';

new Command('build-abi')
  .description('Reads the AssemblyScript kernels and writes what TypeScript must know of them.')
  .allowExcessArguments(false)
  .parse();

const folder = fileURLToPath(new URL('../src/backends/wasm/kernels/', import.meta.url));
const target = fileURLToPath(new URL('../src/backends/wasm/abi.ts', import.meta.url));

/** Types of members: bytes, and what TypeScript gives. */
const scalars = {
  i32: [4, 'number'],
  u32: [4, 'number'],
  usize: [4, 'number'],
  f32: [4, 'number'],
  v128: [16, undefined],
  Ints: [4, 'readonly number[]'],
  Floats: [4, 'readonly number[]'],
};

const files = readdirSync(folder, { recursive: true })
  .filter((name) => name.endsWith('.ts'))
  .sort();
const sources = files.map((name) => {
  const text = readFileSync(folder + name, 'utf8');
  return { name, source: ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true) };
});

const fail = (node, text) => {
  const file = node.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(node.getStart());
  console.error(`kernels/${file.fileName}:${line + 1}: ${text}`);
  process.exit(1);
};

const has = (node, kind) => node.modifiers?.some((modifier) => modifier.kind === kind) ?? false;
const isExported = (node) => has(node, ts.SyntaxKind.ExportKeyword);
const isUnmanaged = (node) =>
  ts.isClassDeclaration(node) &&
  (ts.getDecorators(node) ?? []).some(({ expression }) => expression.getText() === 'unmanaged');
const docOf = (node) => ts.getJSDocCommentsAndTags(node).find(ts.isJSDoc)?.getText();

/** Classes, functions and constants of all files, by name. */
const classes = new Map();
const functions = new Map();
const constants = new Map();
/** What the entry file may export besides kernels: globals that are set from outside. */
const variables = new Set();
for (const { source } of sources) {
  for (const node of source.statements) {
    if (isUnmanaged(node)) {
      if (classes.has(node.name.text)) fail(node, `class ${node.name.text} stands twice`);
      classes.set(node.name.text, node);
    } else if (ts.isFunctionDeclaration(node) && isExported(node)) {
      functions.set(`${source.fileName}:${node.name.text}`, node);
    } else if (ts.isVariableStatement(node) && isExported(node)) {
      for (const { name, initializer } of node.declarationList.declarations) {
        if (!(node.declarationList.flags & ts.NodeFlags.Const)) {
          variables.add(`${source.fileName}:${name.text}`);
          continue;
        }
        if (constants.has(name.text)) fail(node, `constant ${name.text} stands twice`);
        constants.set(name.text, { node, value: evaluate(initializer) });
      }
    }
  }
}

/** Numbers, other constants before, and their sums, differences, products and quotients. */
function evaluate(node) {
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken)
    return -evaluate(node.operand);
  if (ts.isIdentifier(node) && constants.has(node.text)) return constants.get(node.text).value;
  if (ts.isBinaryExpression(node)) {
    const [a, b] = [evaluate(node.left), evaluate(node.right)];
    const operations = { '+': a + b, '-': a - b, '*': a * b, '/': a / b };
    const result = operations[node.operatorToken.getText()];
    if (result !== undefined) return result;
  }
  return fail(node, `an exported constant is a number: ${node.getText()}`);
}

/** Members of a class: name, type, documentation. */
function membersOf(node) {
  return node.members.filter(ts.isPropertyDeclaration).map((member) => {
    const type = member.type?.getText();
    if (!scalars[type] && !classes.has(type))
      fail(member, `no kernel argument has the type ${type} (see scripts/build-abi.mjs)`);
    return { name: member.name.text, type, doc: docOf(member) };
  });
}

const bytesOf = (name) =>
  membersOf(classes.get(name)).reduce((sum, { type }) => sum + (scalars[type]?.[0] ?? 4), 0);

/** What the entry file exports: name of the kernel to name of its argument class. */
const kernels = new Map();
const entry = sources.find(({ name }) => name === 'index.ts').source;
for (const statement of entry.statements.filter(ts.isExportDeclaration)) {
  const file = `${statement.moduleSpecifier.text.replace('./', '')}.ts`;
  const exported = [...functions.keys()].filter((key) => key.startsWith(`${file}:`));
  const names = statement.exportClause
    ? statement.exportClause.elements.map(({ name }) => name.text)
    : exported.map((key) => key.slice(file.length + 1));
  for (const name of names) {
    if (variables.has(`${file}:${name}`)) continue;
    const kernel = functions.get(`${file}:${name}`);
    if (!kernel) fail(statement, `${file} exports no ${name}`);
    const [args, chunk, local] = kernel.parameters.map(({ type }) => type.getText());
    if (!classes.has(args) || chunk !== 'i32' || local !== 'usize')
      fail(kernel, `a kernel takes (args: an @unmanaged class, chunk: i32, local: usize)`);
    kernels.set(name, args);
  }
}

/** The classes that kernels take, those inside them first. */
const needed = new Set();
const need = (name) => {
  for (const { type } of membersOf(classes.get(name))) if (classes.has(type)) need(type);
  needed.add(name);
};
for (const args of kernels.values()) need(args);

const indented = (doc) => (doc ? `  ${doc}\n` : '');
const lines = [
  '// Written by scripts/build-abi.mjs from the AssemblyScript sources in `kernels/`; not to be edited.',
  "import type { Layout } from './encode.js';",
  '',
];
for (const [name, { node, value }] of constants) {
  const doc = docOf(node);
  lines.push(...(doc ? [doc] : []), `export const ${name} = ${value};`);
}
lines.push('', '/** Bytes of the classes that lie in private memory. */', 'export const sizes = {');
for (const name of classes.keys()) if (!needed.has(name)) lines.push(`  ${name}: ${bytesOf(name)},`);
lines.push('} as const;', '');
for (const name of needed) {
  const doc = docOf(classes.get(name));
  if (doc) lines.push(doc);
  lines.push(`export interface ${name} {`);
  for (const { name: member, type, doc } of membersOf(classes.get(name)))
    lines.push(`${indented(doc)}  readonly ${member}: ${scalars[type]?.[1] ?? type};`);
  lines.push('}', '');
}
for (const name of needed) {
  const layout = membersOf(classes.get(name)).map(
    ({ name: member, type }) => `  ['${member}', ${scalars[type] ? `'${type}'` : `${type}Layout`}],`,
  );
  lines.push(`const ${name}Layout: Layout = [`, ...layout, '];', '');
}
lines.push('/** The arguments of each kernel. */', 'export interface KernelArgs {');
for (const [kernel, args] of kernels) lines.push(`  readonly ${kernel}: ${args};`);
lines.push('}', '', 'export const layouts: { readonly [K in keyof KernelArgs]: Layout } = {');
for (const [kernel, args] of kernels) lines.push(`  ${kernel}: ${args}Layout,`);
lines.push('};', '');

const text = lines.join('\n');
let before;
try {
  before = readFileSync(target, 'utf8');
} catch {
  // The first build.
}
if (text !== before) writeFileSync(target, text);
