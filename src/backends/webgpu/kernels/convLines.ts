import type { Gather } from './convSource.js';

/** True for convolutions with taps along one axis whose pixels are as dense as their input's, and for those with one tap. */
export function takesLines({ taps: [kh, kw], transposed, attrs }: Gather): boolean {
  const { groups, stride, padding } = attrs;
  if (groups !== 1) return false;
  const strides = stride[0] * stride[1] > 1;
  if (kh === 1 && kw === 1) return padding[0] === 0 && padding[1] === 0 && (!transposed || !strides);
  return stride[0] === 1 && stride[1] === 1 && (kh === 1 ? padding[0] === 0 : kw === 1 && padding[1] === 0);
}

/** The image as lines along the taps. */
export interface Lines {
  readonly axis: 0 | 1;
  readonly taps: number;
  readonly dilation: number;
  /** With one tap neighbours need nothing of each other: all pixels of all images are one line. */
  readonly flat: boolean;
  /** Pixels of a line of results, and of what is gathered. */
  readonly length: number;
  readonly fromLength: number;
  /** Of the first tap from its result, or from what is added to all of them where taps run backwards. */
  readonly offset: number;
  /** WGSL of `fn flat_source(i: u32) -> u32`: what pixel i of the flat line reads. */
  readonly flatText: string;
}

export function linesOf(g: Gather): Lines {
  const axis = g.taps[0] > 1 ? 0 : 1;
  const taps = g.taps[axis];
  const padding = g.attrs.padding[axis];
  if (taps === 1) {
    const { height, width } = g;
    const length = g.images * height * width;
    return {
      ...{ axis, taps, dilation: 1, flat: true, length, fromLength: length, offset: 0 },
      flatText: sourceText(g, height, width),
    };
  }
  const dilation = g.attrs.dilation[axis];
  return {
    ...{ axis, taps, dilation, flat: false },
    length: axis === 0 ? g.height : g.width,
    fromLength: axis === 0 ? g.fromHeight : g.fromWidth,
    offset: g.transposed ? padding - (taps - 1) * dilation : -padding,
    flatText: '',
  };
}

/** The pixel of the input that pixel i of the result, which strides, reads. */
function sourceText(g: Gather, height: number, width: number): string {
  const [down, across] = g.attrs.stride;
  const place =
    down === 1 && across === 1
      ? 'i'
      : `(i / ${height * width}u * ${g.fromHeight}u + i / ${width}u % ${height}u * ${down}u) * ${g.fromWidth}u + i % ${width}u * ${across}u`;
  return `fn flat_source(i: u32) -> u32 { return ${place}; }`;
}
