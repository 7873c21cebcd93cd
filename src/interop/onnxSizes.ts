import type { Value } from '../ir/value.js';
import { averageMatrix } from './geometry.js';
import type { OnnxGraph } from './onnxModel.js';

/**
 * Heights and widths as tensors of an ONNX graph: constants, or computed from the size of the images when the model
 * runs. Computing them needs one rule that all networks here keep: every feature map has `⌈n/r⌉` of the image's rows
 * and columns, r a whole number.
 */
export class OnnxSizes {
  private readonly computed = new Map<string, string>();

  /** @param images the graph's input, at the size the graph was written down with. */
  constructor(
    private readonly onnx: OnnxGraph,
    private readonly images: Value,
    readonly dynamic: boolean,
  ) {}

  /** Height and width of a feature map of the graph, int64 `[2]`. */
  of(height: number, width: number): string {
    if (!this.dynamic) return this.onnx.ints(`size.${height}.${width}`, [height, width]);
    const [, rows, columns] = this.images.shape;
    const reduction = rows / height;
    if (!Number.isInteger(reduction) || columns / width !== reduction) {
      throw new Error(`${height}×${width} is no whole fraction of ${rows}×${columns}`);
    }
    return this.once(`size.${reduction}`, (label) => {
      const image = this.onnx.one('Shape', 'image.size', ['images'], { start: { int: 1 }, end: { int: 3 } });
      if (reduction === 1) return image;
      const raised = this.onnx.one('Add', label, [image, this.int(reduction - 1)]);
      return this.onnx.one('Div', label, [raised, this.int(reduction)]);
    });
  }

  /** Shape of `like` with the size of another feature map of the graph in place of its own, int64 `[4]`. */
  resized(like: string, channels: number, height: number, width: number): string {
    const { onnx } = this;
    if (!this.dynamic) return onnx.ints(`shape.${channels}.${height}.${width}`, [1, channels, height, width]);
    const label = `${like}.resized`;
    const outer = onnx.one('Shape', label, [like], { start: { int: 0 }, end: { int: 2 } });
    return onnx.one('Concat', label, [outer, this.of(height, width)], { axis: { int: 0 } });
  }

  /**
   * By how much the padding of an even window grows where it would not reach the last row or column otherwise (see
   * `Builder.conv`): 1 where stride divides n − 1, else 0, int64 `[2]`. Dynamic models only.
   */
  growth(height: number, width: number, stride: number): string {
    const size = this.of(height, width);
    return this.once(`${size}.growth.${stride}`, (label) => {
      const { onnx } = this;
      const last = onnx.one('Sub', label, [size, this.int(1)]);
      const rest = onnx.one('Mod', label, [last, this.int(stride)]);
      return onnx.one('Cast', label, [onnx.one('Equal', label, [rest, this.int(0)])], { to: { int: 7 } });
    });
  }

  /** The matrix that averages the rows of `x` into bins (`bins×height`), or its columns (`width×bins`). */
  averages(x: Value, name: string, axis: 'rows' | 'columns', bins: number): string {
    const { onnx } = this;
    const length = x.shape[axis === 'rows' ? 1 : 2];
    if (!this.dynamic) {
      const shape = axis === 'rows' ? [bins, length] : [length, bins];
      return onnx.floats(
        `bins.${axis}.${shape.join('.')}`,
        shape,
        averageMatrix(length, bins, axis === 'columns'),
      );
    }
    return this.once(`${name}.bins.${axis}.${bins}`, (label) => {
      const place = axis === 'rows' ? 2 : 3;
      const n = onnx.one('Shape', label, [name], { start: { int: place }, end: { int: place + 1 } });
      const [zero, one] = [0, 1].map((value) => onnx.ints(`scalar.${value}`, [value], []));
      const pixels = onnx.one('Range', label, [zero, onnx.one('Squeeze', label, [n]), one]);
      const column = Array.from({ length: bins }, (_, bin) => bin);
      const bin = onnx.ints(`bins.${bins}.first`, column, [bins, 1]);
      const next = onnx.ints(
        `bins.${bins}.next`,
        column.map((i) => i + 1),
        [bins, 1],
      );
      const divided = (numerator: string) => onnx.one('Div', label, [numerator, this.int(bins)]);
      const first = divided(onnx.one('Mul', label, [bin, n]));
      const end = divided(onnx.one('Add', label, [onnx.one('Mul', label, [next, n]), this.int(bins - 1)]));
      const inside = onnx.one('And', label, [
        onnx.one('GreaterOrEqual', label, [pixels, first]),
        onnx.one('Less', label, [pixels, end]),
      ]);
      const [ones, count] = [inside, onnx.one('Sub', label, [end, first])].map((value) =>
        onnx.one('Cast', label, [value], { to: { int: 1 } }),
      );
      const matrix = onnx.one('Div', label, [ones, count]);
      return axis === 'rows' ? matrix : onnx.one('Transpose', label, [matrix], { perm: { ints: [1, 0] } });
    });
  }

  private int(value: number): string {
    return this.onnx.ints(`int.${value}`, [value]);
  }

  private once(key: string, compute: (label: string) => string): string {
    const known = this.computed.get(key);
    if (known !== undefined) return known;
    const name = compute(key);
    this.computed.set(key, name);
    return name;
  }
}
