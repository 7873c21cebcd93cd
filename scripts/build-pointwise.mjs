// Writes the AssemblyScript kernels of the pointwise ops to `src/backends/wasm/kernels/pointwise.ts`, from the table of
// expressions in `src/ops/pointwise`.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Command } from 'commander';
import ts from 'typescript';

new Command('build-pointwise')
  .description('Writes the kernels of the pointwise ops from their table.')
  .allowExcessArguments(false)
  .parse();

const root = fileURLToPath(new URL('..', import.meta.url));
const target = `${root}src/backends/wasm/kernels/pointwise.ts`;

/** The table as a module, without its types. */
async function table() {
  mkdirSync(`${root}build`, { recursive: true });
  const folder = mkdtempSync(`${root}build/pointwise-`);
  try {
    for (const name of ['expression', 'table']) {
      const text = readFileSync(`${root}src/ops/pointwise/${name}.ts`, 'utf8');
      const { outputText } = ts.transpileModule(text, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      });
      writeFileSync(path.join(folder, `${name}.js`), outputText);
    }
    const load = (name) => import(pathToFileURL(path.join(folder, `${name}.js`)).href);
    return { ...(await load('expression')), ...(await load('table')) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { kernelFunctions, parametric, pointwise, pointwiseNames, program } = await table();

/** The lines of a loop's body that compute an expression of values, which `operand` names, and the name of its result. */
const compute = (expression, operand) =>
  program(
    expression,
    {
      operand,
      number: (value) => `f32x4.splat(${value})`,
      add: (a, b) => `f32x4.add(${a}, ${b})`,
      multiply: (a, b) => `f32x4.mul(${a}, ${b})`,
      multiplyAdd: (a, b, c) => `madd(${a}, ${b}, ${c})`,
      max: (a, b) => `f32x4.pmax(${a}, ${b})`,
      min: (a, b) => `f32x4.pmin(${a}, ${b})`,
      prelu: (a, slope) => `prelu4(${a}, ${slope})`,
      sigmoid: (a) => `logistic4(${a})`,
      where: (condition, a, b) => `v128.bitselect(${a}, ${b}, f32x4.gt(${condition}, f32x4.splat(0)))`,
    },
    (name, text) => `const ${name} = ${text};`,
  );

/** Members of a class of arguments: maps with their strides, vectors, what all kernels take, and numbers. */
const classOf = (name, { maps, gate, vectors = [], numbers = [] }) => `
@unmanaged
class ${name} {
${[
  ...[...maps, ...(gate ? [gate] : []), 'to'].flatMap((map) => [`${map}: usize;`, `${map}Stride: usize;`]),
  ...vectors.map((vector) => `${vector}: usize;`),
  ...['channels: i32;', 'pixels: Span;'],
  ...(gate ? ['/** Pixels that share a pixel of the gate: 1, or those of an image. */', 'shared: i32;'] : []),
  ...numbers.map((number) => `${number}: f32;`),
]
  .map((line) => `  ${line}`)
  .join('\n')}
}
`;

/** A loop over the pixels of a chunk and over eights of channels, in pairs for 256 bits; the last quad stores what there is. */
function loop(name, args, operands, expression, exported) {
  const { maps, gate, vectors = [], numbers = [], nameOf = (operand) => operand } = operands;
  const loaded = [...maps, ...(gate ? [gate] : []), ...vectors];
  /** Four channels `offset` bytes from c; what the four have of their own ends with `suffix`. */
  const quad = (indent, suffix, offset) => {
    const { lines, result } = compute(expression, (operand) => {
      const of = nameOf(operand);
      return `v_${of}${numbers.includes(of) ? '' : suffix}`;
    });
    const own = (text) => text.replace(/\bt\d+\b/g, (temporary) => temporary + suffix);
    const loads = loaded.map(
      (from) => `const v_${from}${suffix} = v128.load(${from} + c${offset ? `, ${offset}` : ''});`,
    );
    return {
      text: [...loads, ...lines.map(own)].map((line) => `${indent}${line}\n`).join(''),
      result: own(result),
    };
  };
  const [low, high] = [quad('      ', 'a', 0), quad('      ', 'b', 16)];
  const four = quad('      ', '', 0);
  return `
${exported ? 'export ' : ''}function ${name}(args: ${args}, chunk: i32, local: usize): void {
  const first = args.pixels.first(chunk);
  const last = args.pixels.last(chunk);
  const end = (args.channels as usize) << 2;
  const eights = end & ~31;
${vectors.map((vector) => `  const ${vector} = args.${vector};\n`).join('')}${numbers
  .map((number) => `  const v_${number} = f32x4.splat(args.${number});\n`)
  .join('')}${[...maps, 'to']
  .map((map) => `  let ${map} = args.${map} + (first as usize) * args.${map}Stride;\n`)
  .join('')}  for (let pixel = first; pixel < last; pixel++) {
${gate ? `    const ${gate} = args.${gate} + ((pixel / args.shared) as usize) * args.${gate}Stride;\n` : ''}    for (let c: usize = 0; c < eights; c += 32) {
${low.text}${high.text}      storeBoth(to + c, ${low.result}, ${high.result});
    }
    for (let c = eights; c < end; c += 16) {
${four.text}      storeLanes(to + c, ${four.result}, ((end - c) >> 2) as i32);
    }
${[...maps, 'to'].map((map) => `    ${map} += args.${map}Stride;\n`).join('')}  }
}
`;
}

/** Every choice of some of the names. */
function choices(names) {
  let all = [[]];
  for (const name of names) all = all.flatMap((chosen) => [chosen, [...chosen, name]]);
  return all;
}

/** One loop for each set of what may be absent, and the kernel that takes the right one. */
function withParameters(name, entry) {
  const args = `${name[0].toUpperCase()}${name.slice(1)}Args`;
  const { maps, vectors = [], optional = [] } = entry;
  const sets = choices(optional);
  const loopName = (chosen) =>
    `${name}${chosen.map((part) => part[0].toUpperCase() + part.slice(1)).join('')}${optional.length > 0 ? 'Loop' : ''}`;
  const loops = sets.map((chosen) => {
    const has = (input) => !optional.includes(input) || chosen.includes(input);
    const present = { ...entry, maps: maps.filter(has), vectors: vectors.filter(has) };
    return loop(loopName(chosen), args, present, entry.value(has), optional.length === 0);
  });
  const choose = [...sets]
    .reverse()
    .map((chosen) => {
      const call = `${loopName(chosen)}(args, chunk, local);`;
      return chosen.length > 0
        ? `  if (${chosen.map((input) => `args.${input}`).join(' && ')}) return ${call}`
        : `  ${call}`;
    })
    .join('\n');
  const kernel =
    optional.length === 0
      ? ''
      : `\nexport function ${name}(args: ${args}, chunk: i32, local: usize): void {\n${choose}\n}\n`;
  return classOf(args, entry) + loops.join('') + kernel;
}

/** Gradients are of what came in or of the result, whichever they are said with. */
const elements = (...maps) => ({ maps, nameOf: (operand) => (operand === 'g' ? 'g' : 'from') });
const kernels = [
  ...kernelFunctions.map((name) => loop(name, 'ElementArgs', elements('from'), pointwise[name].value, true)),
  ...pointwiseNames.map((name) =>
    loop(`${name}Grad`, 'ElementArgs', elements('from', 'g'), pointwise[name].gradient, true),
  ),
  ...Object.entries(parametric).map(([name, entry]) => withParameters(name, entry)),
];

const text = `// Written by scripts/build-pointwise.mjs from src/ops/pointwise/table.ts; not to be edited.
import { storeLanes } from './conv/output';
import { logistic4 } from './explog';
import { madd, prelu4, storeBoth } from './lanes';
import { Span } from './span';
${classOf('ElementArgs', { maps: ['from', 'g'] })}${kernels.join('')}`;

let before;
try {
  before = readFileSync(target, 'utf8');
} catch {}
if (before !== text) writeFileSync(target, text);
