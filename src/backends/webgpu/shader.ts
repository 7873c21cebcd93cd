import type { TensorRef } from '../../graph/planned.js';
import type { Use, Window } from './windows.js';
import { unitBytes } from './windows.js';

/**
 * One compute dispatch as a kernel describes it, before it is bound to memory.
 *
 * `code` is WGSL that defines `fn body(group: u32, lane: u32)`, called by every invocation of every workgroup
 * (`group` is the same for a whole workgroup, so `body` may use barriers). For each tensor `NAME` it may call:
 * - `NAME_ld(i) -> f32` (u8 tensors: `u32`), `NAME_st(i, v)`: element i from the tensor's first, in its own strides;
 * - `NAME_ld4(i) -> vec4f`, `NAME_st4(i, v)`: four neighbours from element i, a multiple of 4;
 * - `NAME_q(p, c) -> vec4f`, `NAME_sq(p, c, v)`: channels c … c + 3 of pixel p (counted over all images), c a multiple
 *   of 4; channels beyond the last read as zeros and are not written;
 * Tensors of f16 are read and written as f32 by the same names; they have no `NAME_st`, as two elements share a word.
 * - `NAME_word(i) -> u32`, `NAME_sword(i, w)` on u8 tensors that start at a word: bytes 4i … 4i + 3.
 */
export interface Dispatch {
  readonly tensors: Readonly<Record<string, TensorRef | undefined>>;
  readonly code: string;
  /** Integers that `code` reads as `given(i: u32) -> i32`: calls that differ in them alone share a shader. */
  readonly given?: readonly number[];
  readonly workgroupSize: number;
  /** Workgroups in all. */
  readonly workgroups: number;
  /**
   * Extensions of WGSL that `code` needs, beside f16. With `subgroups`, `body` is also given its subgroup of the workgroup
   * and its place therein: `fn body(group: u32, lane: u32, subgroup: u32, member: u32)`.
   */
  readonly extensions?: readonly string[];
  /** What it makes of the call's constants and writes into `call.kept`: run in phase `prepare` alone. */
  readonly once?: true;
}

/** Workgroups along the first axis of a dispatch; the rest go along the second. */
const ROW = 32768;

/** A number as an f32 literal. */
export const f32 = (value: number): string => `${Math.fround(value)}f`;

const calls = (code: string, name: string, accessor: string): boolean =>
  new RegExp(`\\b${name}_${accessor}\\(`).test(code);

/** How a dispatch uses its tensors; only those that `code` mentions. */
export function usesOf({ tensors, code }: Dispatch): Record<string, Use> {
  const uses: Record<string, Use> = {};
  for (const [name, ref] of Object.entries(tensors)) {
    if (!ref || !new RegExp(`\\b${name}_(ld|st|q|sq|word|sword)`).test(code)) continue;
    if (ref.dtype === 'f16' && calls(code, name, 'st')) {
      throw new Error(`${name}: single elements of f16 cannot be written`);
    }
    const quads = ref.shape[3] % 4 === 0 || !(calls(code, name, 'q') || calls(code, name, 'sq'));
    uses[name] = { ref, vector: quads && !calls(code, name, 'st') };
  }
  return uses;
}

/** The tensors that `code` mentions, and whether it reads or writes them. */
export function accessesOf(dispatch: Dispatch): { ref: TensorRef; reads: boolean; writes: boolean }[] {
  const { code } = dispatch;
  return Object.entries(usesOf(dispatch)).map(([name, { ref }]) => ({
    ref,
    reads: ['ld', 'ld4', 'q', 'word'].some((accessor) => calls(code, name, accessor)),
    writes: ['st', 'st4', 'sq', 'sword'].some((accessor) => calls(code, name, accessor)),
  }));
}

/** `if` chain over the pieces of a window; `unit`: bytes per array element. */
function select(window: Window, first: number, unit: number, statement: (array: string) => string): string {
  let out = '';
  let base = 0;
  window.pieces.forEach((piece, k) => {
    const array = base === 0 ? `b${first + k}[j]` : `b${first + k}[j - ${base}u]`;
    base += piece.size / unit;
    const last = k === window.pieces.length - 1;
    out += last ? ` ${statement(array)}` : ` if (j < ${base}u) { ${statement(array)} }`;
  });
  return out;
}

/** Where a tensor starts in its window: in array elements of the window, and bytes beyond that. */
function startOf(ref: TensorRef, { begin, type }: Window): [elements: number, bytes: number] {
  const bytes = ref.offset - begin;
  const unit = unitBytes[type];
  return [Math.floor(bytes / unit), bytes % unit];
}

/** `start`: WGSL of the tensor's first array element, which is data so that calls of one shape share a shader. */
function accessors(
  name: string,
  ref: TensorRef,
  window: Window,
  first: number,
  start: string,
  code: string,
): string {
  const { type } = window;
  const wants = (accessor: string) => calls(code, name, accessor);
  const lines: string[] = [];
  if (ref.dtype === 'u8') {
    const load = (index: string) =>
      `let j = ${index};${select(window, first, 4, (array) => `return ${array};`)}`;
    const [, odd] = startOf(ref, window);
    lines.push(
      `fn ${name}_word(i: u32) -> u32 { ${load(`i + ${start}`)} }`,
      `fn ${name}_ld(i: u32) -> u32 { let k = i + ${odd}u; return (${name}_word(k >> 2u) >> ((k & 3u) * 8u)) & 255u; }`,
    );
    if (wants('sword')) {
      const store = select(window, first, 4, (array) => `${array} = w; return;`);
      lines.push(`fn ${name}_sword(i: u32, w: u32) { let j = i + ${start};${store} }`);
    }
    return lines.join('\n');
  }
  if (ref.dtype === 'f16') {
    lines.push(...halfAccessors(name, window, first, start), ...quads(name, ref, wants));
    return lines.join('\n');
  }
  const unit = unitBytes[type];
  const cast = (array: string) => (type === 'u32' ? `bitcast<f32>(${array})` : array);
  const value = type === 'u32' ? 'bitcast<u32>(v)' : 'v';
  if (type === 'vec4f') {
    lines.push(
      `fn ${name}_ld4(i: u32) -> vec4f { let j = (i >> 2u) + ${start};${select(window, first, unit, (a) => `return ${a};`)} }`,
      `fn ${name}_ld(i: u32) -> f32 { return ${name}_ld4(i)[i & 3u]; }`,
      `fn ${name}_st4(i: u32, v: vec4f) { let j = (i >> 2u) + ${start};${select(window, first, unit, (a) => `${a} = v; return;`)} }`,
    );
  } else {
    const l = (k: number) => `${name}_ld(i + ${k}u)`;
    lines.push(
      `fn ${name}_ld(i: u32) -> f32 { let j = i + ${start};${select(window, first, unit, (a) => `return ${cast(a)};`)} }`,
      `fn ${name}_ld4(i: u32) -> vec4f { return vec4f(${name}_ld(i), ${l(1)}, ${l(2)}, ${l(3)}); }`,
    );
    if (wants('st') || wants('st4') || wants('sq')) {
      const s = (k: number) => `${name}_st(i + ${k}u, v[${k}]);`;
      lines.push(
        `fn ${name}_st(i: u32, v: f32) { let j = i + ${start};${select(window, first, unit, (a) => `${a} = ${value}; return;`)} }`,
        `fn ${name}_st4(i: u32, v: vec4f) { ${s(0)} ${s(1)} ${s(2)} ${s(3)} }`,
      );
    }
  }
  lines.push(...quads(name, ref, wants));
  return lines.join('\n');
}

/** Converted where they are loaded and stored; in a window of words, four of them are two words. */
function halfAccessors(name: string, window: Window, first: number, start: string): string[] {
  const unit = unitBytes[window.type];
  const at = (statement: (array: string) => string) => select(window, first, unit, statement);
  const scalar = `fn ${name}_ld(i: u32) -> f32 { return ${name}_ld4(i & ~3u)[i & 3u]; }`;
  if (window.type === 'vec4h') {
    const index = `(i >> 2u) + ${start}`;
    return [
      `fn ${name}_ld4(i: u32) -> vec4f { let j = ${index};${at((a) => `return vec4f(${a});`)} }`,
      scalar,
      `fn ${name}_st4(i: u32, v: vec4f) { let j = ${index};${at((a) => `${a} = vec4h(v); return;`)} }`,
    ];
  }
  const index = `(i >> 1u) + ${start}`;
  return [
    `fn ${name}_half(j: u32) -> u32 {${at((a) => `return ${a};`)} }`,
    `fn ${name}_ld4(i: u32) -> vec4f { let k = ${index}; return vec4f(bitcast<vec4h>(vec2u(${name}_half(k), ${name}_half(k + 1u)))); }`,
    scalar,
    `fn ${name}_sthalf(j: u32, w: u32) {${at((a) => `${a} = w; return;`)} }`,
    `fn ${name}_st4(i: u32, v: vec4f) { let k = ${index}; let w = bitcast<vec2u>(vec4h(v)); ${name}_sthalf(k, w.x); ${name}_sthalf(k + 1u, w.y); }`,
  ];
}

function quads(name: string, ref: TensorRef, wants: (accessor: string) => boolean): string[] {
  const channels = ref.shape[3];
  const lines: string[] = [];
  const start = `let i = p * ${ref.pixelStride}u + c;`;
  const whole = channels % 4 === 0;
  if (wants('q')) {
    const guarded = (k: number) =>
      `select(0f, ${name}_ld(select(i, i + ${k}u, c + ${k}u < ${channels}u)), c + ${k}u < ${channels}u)`;
    lines.push(
      whole
        ? `fn ${name}_q(p: u32, c: u32) -> vec4f { ${start} return ${name}_ld4(i); }`
        : `fn ${name}_q(p: u32, c: u32) -> vec4f { ${start}
  if (c + 3u < ${channels}u) { return ${name}_ld4(i); }
  return vec4f(${[0, 1, 2, 3].map(guarded).join(', ')}); }`,
    );
  }
  if (wants('sq')) {
    const guarded = [0, 1, 2, 3].map(
      (k) => `if (c + ${k}u < ${channels}u) { ${name}_st(i + ${k}u, v[${k}]); }`,
    );
    lines.push(
      whole
        ? `fn ${name}_sq(p: u32, c: u32, v: vec4f) { ${start} ${name}_st4(i, v); }`
        : `fn ${name}_sq(p: u32, c: u32, v: vec4f) { ${start} ${guarded.join(' ')} }`,
    );
  }
  return lines;
}

/** A dispatch as text, and the data that goes with it. */
export interface Shader {
  readonly text: string;
  /** First array element of each tensor in its window, then what is given: the uniform after the storage bindings. */
  readonly starts: Uint32Array<ArrayBuffer>;
}

/** The shader of a dispatch: bindings, accessors, the kernel's code and the entry point. */
export function shaderOf(
  dispatch: Dispatch,
  uses: Readonly<Record<string, Use>>,
  windows: readonly Window[],
): Shader {
  const firstBinding: number[] = [];
  const lines: string[] = [];
  let binding = 0;
  for (const window of windows) {
    firstBinding.push(binding);
    for (const _ of window.pieces) {
      const k = binding++;
      lines.push(`@group(0) @binding(${k}) var<storage, read_write> b${k}: array<${window.type}>;`);
    }
  }
  const entries = Object.entries(uses);
  const extensions = [
    ...(entries.some(([, { ref }]) => ref.dtype === 'f16') ? ['f16'] : []),
    ...(dispatch.extensions ?? []),
  ];
  lines.unshift(...extensions.map((extension) => `enable ${extension};`));
  const { given = [] } = dispatch;
  const starts = new Uint32Array(Math.ceil((entries.length + given.length) / 4) * 4);
  starts.set(Int32Array.from(given), entries.length);
  lines.push(`@group(0) @binding(${binding}) var<uniform> starts: array<vec4u, ${starts.length / 4}>;`);
  if (given.length > 0) {
    const at = `i + ${entries.length}u`;
    lines.push(`fn given(i: u32) -> i32 { return bitcast<i32>(starts[(${at}) >> 2u][(${at}) & 3u]); }`);
  }
  entries.forEach(([name, { ref }], i) => {
    const k = windows.findIndex(({ begin, end }) => ref.offset >= begin && ref.offset < end);
    [starts[i]] = startOf(ref, windows[k]);
    const start = `starts[${i >> 2}][${i & 3}]`;
    lines.push(accessors(name, ref, windows[k], firstBinding[k], start, dispatch.code));
  });
  const { workgroups, workgroupSize } = dispatch;
  const bySubgroup = extensions.includes('subgroups');
  const place = bySubgroup
    ? ', @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) member: u32'
    : '';
  lines.push(
    dispatch.code,
    `@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32${place}) {
  let group = id.x + id.y * ${ROW}u;
  if (group >= ${workgroups}u) { return; }
  body(group, lane${bySubgroup ? ', subgroup, member' : ''});
}`,
  );
  return { text: lines.join('\n'), starts };
}

/** Size of the dispatch in workgroups. */
export const gridOf = ({ workgroups }: Dispatch): [number, number] =>
  workgroups <= ROW ? [workgroups, 1] : [ROW, Math.ceil(workgroups / ROW)];
