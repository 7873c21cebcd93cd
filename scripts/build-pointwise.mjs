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

const { pointwise, translate } = await table();

const textOf = (expression) =>
  translate(expression, {
    x: 'v',
    y: 'v',
    g: 'g',
    number: (value) => `f32x4.splat(${value})`,
    add: (a, b) => `f32x4.add(${a}, ${b})`,
    multiply: (a, b) => `f32x4.mul(${a}, ${b})`,
    max: (a, b) => `f32x4.pmax(${a}, ${b})`,
    min: (a, b) => `f32x4.pmin(${a}, ${b})`,
    sigmoid: (a) => `logistic4(${a})`,
    where: (condition, a, b) => `v128.bitselect(${a}, ${b}, f32x4.gt(${condition}, f32x4.splat(0)))`,
  });

const kernel = (name, expression, gradient) => `
// @ts-ignore: decorator
@inline
function ${name}4(v: v128${gradient ? ', g: v128' : ''}): v128 {
  return ${textOf(expression)};
}

export function ${name}(a: ElementArgs, chunk: i32, local: usize): void {
  const first = chunk * a.perChunk;
  const last = min(first + a.perChunk, a.pixels);
  const end = (a.channels as usize) << 2;
  const body = end & ~15;
  let from = a.from + (first as usize) * a.fromStride;${
    gradient ? '\n  let g = a.g + (first as usize) * a.gStride;' : ''
  }
  let to = a.to + (first as usize) * a.toStride;
  for (let pixel = first; pixel < last; pixel++) {
    for (let c: usize = 0; c < body; c += 16) {
      v128.store(to + c, ${resultOf(name, gradient)});
    }
    if (body < end) {
      const c = body;
      storeLanes(to + c, ${resultOf(name, gradient)}, ((end - body) >> 2) as i32);
    }
    from += a.fromStride;${gradient ? '\n    g += a.gStride;' : ''}
    to += a.toStride;
  }
}
`;

function resultOf(name, gradient) {
  return `${name}4(v128.load(from + c)${gradient ? ', v128.load(g + c)' : ''})`;
}

const text = `// Written by scripts/build-pointwise.mjs from src/ops/pointwise/table.ts; not to be edited.
import { storeLanes } from './conv/output';
import { logistic4 } from './logistic';

@unmanaged
class ElementArgs {
  /** What the function is of: its input, or for some gradients its result. */
  from: usize;
  fromStride: usize;
  /** The gradient that comes in; of no use to functions themselves. */
  g: usize;
  gStride: usize;
  to: usize;
  toStride: usize;
  channels: i32;
  pixels: i32;
  perChunk: i32;
}
${Object.entries(pointwise)
  .map(([name, { value, gradient }]) => kernel(name, value, false) + kernel(`${name}Grad`, gradient, true))
  .join('')}`;

let before;
try {
  before = readFileSync(target, 'utf8');
} catch {}
if (before !== text) writeFileSync(target, text);
