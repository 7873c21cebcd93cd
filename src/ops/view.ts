import { UserError } from '../errors.js';
import type { Value } from '../ir/value.js';
import { formatShape, sizeOf } from '../ir/value.js';
import { expectShape } from './fit.js';
import type { Emit, OpDef } from './op.js';

/**
 * Channels of all inputs side by side. A view: the planner writes the inputs straight into the output where it can
 * and inserts `copy` where it cannot. Inputs are named `x0`, `x1`, …
 */
export const concat: OpDef<Readonly<Record<string, Value>>, { y: Value }, object> = {
  infer(inputs) {
    const parts = Object.values(inputs);
    const [n, h, w] = parts[0].shape;
    for (const part of parts) {
      if (part.shape[0] !== n || part.shape[1] !== h || part.shape[2] !== w) {
        throw new UserError(`concat: ${part.name} is ${formatShape(part.shape)}, expected ${n}×${h}×${w}×C`);
      }
    }
    return { y: { shape: [n, h, w, parts.reduce((sum, part) => sum + part.shape[3], 0)], dtype: 'f32' } };
  },
  gradient({ inputs }, { y: gy }, { emit }) {
    if (!gy) return {};
    const names = Object.keys(inputs);
    const parts = emit('split', { x: gy }, { sizes: names.map((name) => inputs[name].shape[3]) });
    return Object.fromEntries(names.map((name, i) => [name, parts[`y${i}`]]));
  },
  features: 'all',
  view: 'join',
  flops: () => 0,
  // Each part is mapped on its own, so that the map can go on into what makes it.
  absorb({ inputs, label }, map, { emit, onlyReadHere }) {
    const parts = Object.values(inputs);
    const { scale, shift, slope } = map;
    if (!scale || !shift || !parts.every(onlyReadHere)) return undefined;
    const sizes = parts.map((part) => part.shape[3]);
    const cut = (x: Value) =>
      emit('split', { x }, { sizes }, { label: `${map.label}.part`, phase: 'prepare' });
    const scales = cut(scale);
    const shifts = cut(shift);
    const slopes = slope ? cut(slope) : undefined;
    const mapped = parts.map((x, i) => {
      const vectors = { scale: scales[`y${i}`], shift: shifts[`y${i}`], slope: slopes?.[`y${i}`] };
      return [`x${i}`, emit('affine', { x, ...vectors }, { sign: 1 }).y];
    });
    return emit('concat', Object.fromEntries(mapped), {}, { label }).y;
  },
};

/** The channels of `x` cut into consecutive parts of the given sizes: `y0`, `y1`, … Always a view. */
export const split: OpDef<
  { x: Value },
  Readonly<Record<string, Value>>,
  { readonly sizes: readonly number[] }
> = {
  infer({ x }, { sizes }) {
    const [n, h, w, c] = x.shape;
    if (sizes.reduce((sum, size) => sum + size, 0) !== c) {
      throw new UserError(`split: parts ${sizes.join(' + ')} do not add up to ${c} channels`);
    }
    return Object.fromEntries(sizes.map((size, i) => [`y${i}`, { shape: [n, h, w, size], dtype: 'f32' }]));
  },
  gradient({ outputs }, grads, { emit }) {
    const names = Object.keys(outputs);
    const parts = names.map((name) => grads[name]);
    if (parts.some((part) => part === undefined)) {
      throw new Error('split: every part must reach the loss');
    }
    return { x: emit('concat', Object.fromEntries(parts.map((part, i) => [`x${i}`, part!])), {}).y };
  },
  features: 'all',
  view: 'cut',
  flops: () => 0,
};

/** `y = x`, between different places or pixel strides. Only the planner makes these. */
export const copy: OpDef<{ x: Value }, { y: Value }, object> = {
  infer: ({ x }) => ({ y: { shape: x.shape, dtype: x.dtype } }),
  features: ['x', 'y'],
  flops: () => 0,
};

/** `y = a + sign·b`, same shapes. */
export const add: OpDef<{ a: Value; b: Value }, { y: Value }, { readonly sign: 1 | -1 }> = {
  infer({ a, b }) {
    expectShape('add', b, a.shape);
    return { y: { shape: a.shape, dtype: 'f32' } };
  },
  gradient({ attrs }, { y: gy }, { emit }) {
    if (!gy) return {};
    return { a: gy, b: attrs.sign === 1 ? gy : emit('scale', { x: gy }, { factor: -1 }).y };
  },
  features: ['a', 'b', 'y'],
  flops: ({ outputs: { y } }) => sizeOf(y.shape),
  inPlace: { y: ['a', 'b'] },
  sum: ({ inputs, attrs }) => ({ ...inputs, ...attrs }),
  absorb({ inputs: { a, b }, attrs }, { scale, shift, slope }, { emit }) {
    if (attrs.sign !== 1 || !scale || !shift) return undefined;
    return emit('affine', { x: a, added: b, scale, shift, slope }, { sign: 1 }).y;
  },
};

/** `a + sign·b`. */
export const plus = (emit: Emit, a: Value, b: Value, sign: 1 | -1 = 1): Value =>
  emit('add', { a, b }, { sign }).y;

/** `y = factor·x`. */
export const scale: OpDef<{ x: Value }, { y: Value }, { readonly factor: number }> = {
  infer: ({ x }) => ({ y: { shape: x.shape, dtype: 'f32' } }),
  gradient: ({ attrs }, { y: gy }, { emit }) => (gy ? { x: emit('scale', { x: gy }, attrs).y } : {}),
  features: ['x', 'y'],
  flops: ({ outputs: { y } }) => sizeOf(y.shape),
  inPlace: { y: ['x'] },
};
