import type { Rgb } from '../classes.js';

/** What a shape means: its Cityscapes labelId (−1 keeps what is below) and its instance number. */
export interface Tag {
  label: number;
  /** labelId · 1000 + number for things, the labelId itself otherwise. */
  instance: number;
}

/** How a shape is coloured. */
export interface Paint {
  colour: Rgb;
  /** Factor on the colour at a pixel: texture and shading. */
  shade?: (x: number, y: number) => number;
  /** Blend with what is below; 1 where absent. The label is set whatever the opacity. */
  opacity?: number;
}

/** Pixels, labels and instances of a scene, and an anti-aliased polygon fill. */
export class Canvas {
  readonly rgb: Uint8ClampedArray;
  readonly labels: Uint8Array;
  readonly instances: Uint16Array;
  private area = new Float32Array(1 << 16);

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.rgb = new Uint8ClampedArray(width * height * 3);
    this.labels = new Uint8Array(width * height);
    this.instances = new Uint16Array(width * height);
  }

  /**
   * Fills a polygon given as x0, y0, x1, y1, … in pixels (pixel centres at +0.5). Edges add their signed
   * area to the cells they cross; the running sum along a row is then the exact coverage of each pixel.
   * The label is set where at least half a pixel is covered.
   */
  fill(points: ArrayLike<number>, paint: Paint, tag: Tag): void {
    let left = Number.POSITIVE_INFINITY;
    let right = Number.NEGATIVE_INFINITY;
    let top = Number.POSITIVE_INFINITY;
    let bottom = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < points.length; i += 2) {
      left = Math.min(left, points[i]);
      right = Math.max(right, points[i]);
      top = Math.min(top, points[i + 1]);
      bottom = Math.max(bottom, points[i + 1]);
    }
    const x0 = Math.max(0, Math.floor(left));
    const x1 = Math.min(this.width, Math.ceil(right));
    const y0 = Math.max(0, Math.floor(top));
    const y1 = Math.min(this.height, Math.ceil(bottom));
    const width = x1 - x0;
    const height = y1 - y0;
    if (!(width > 0 && height > 0)) return;
    const stride = width + 2;
    if (this.area.length < stride * height) this.area = new Float32Array(stride * height * 2);
    for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) {
      this.edge(
        points[j] - x0,
        points[j + 1] - y0,
        points[i] - x0,
        points[i + 1] - y0,
        width,
        height,
        stride,
      );
    }
    this.sweep(x0, y0, width, height, stride, paint, tag);
  }

  private edge(ax: number, ay: number, bx: number, by: number, w: number, h: number, stride: number): void {
    if (ay === by) return;
    const sign = ay < by ? 1 : -1;
    const [topX, topY, lowX, lowY] = ay < by ? [ax, ay, bx, by] : [bx, by, ax, ay];
    const slope = (lowX - topX) / (lowY - topY);
    const first = Math.max(0, topY);
    const last = Math.min(h, lowY);
    let x = topX + (first - topY) * slope;
    const { area } = this;
    for (let row = Math.floor(first), y = first; y < last; row++) {
      const next = Math.min(row + 1, last);
      const step = next - y;
      const xEnd = x + slope * step;
      const d = step * sign;
      let lo = Math.min(x, xEnd);
      let hi = Math.max(x, xEnd);
      lo = lo < 0 ? 0 : Math.min(lo, w);
      hi = hi < 0 ? 0 : Math.min(hi, w);
      const base = row * stride;
      const i0 = Math.floor(lo);
      const i1 = Math.ceil(hi);
      if (i1 <= i0 + 1) {
        const middle = 0.5 * (lo + hi) - i0;
        area[base + i0] += d * (1 - middle);
        area[base + i0 + 1] += d * middle;
      } else {
        const s = 1 / (hi - lo);
        const f0 = lo - i0;
        const a0 = 0.5 * s * (1 - f0) * (1 - f0);
        const f1 = hi - i1 + 1;
        const am = 0.5 * s * f1 * f1;
        area[base + i0] += d * a0;
        if (i1 === i0 + 2) {
          area[base + i0 + 1] += d * (1 - a0 - am);
        } else {
          const a1 = s * (1.5 - f0);
          area[base + i0 + 1] += d * (a1 - a0);
          for (let i = i0 + 2; i < i1 - 1; i++) area[base + i] += d * s;
          const a2 = a1 + (i1 - i0 - 3) * s;
          area[base + i1 - 1] += d * (1 - a2 - am);
        }
        area[base + i1] += d * am;
      }
      x = xEnd;
      y = next;
    }
  }

  private sweep(x0: number, y0: number, w: number, h: number, stride: number, paint: Paint, tag: Tag): void {
    const { area, rgb, labels, instances } = this;
    const [r, g, b] = paint.colour;
    const { shade } = paint;
    const opacity = paint.opacity ?? 1;
    for (let row = 0; row < h; row++) {
      let sum = 0;
      let cell = row * stride;
      let p = (y0 + row) * this.width + x0;
      for (let column = 0; column < w; column++, cell++, p++) {
        sum += area[cell];
        area[cell] = 0;
        let cover = sum < 0 ? -sum : sum;
        if (cover < 0.004) continue;
        if (cover > 1) cover = 1;
        if (cover >= 0.5 && tag.label >= 0) {
          labels[p] = tag.label;
          instances[p] = tag.instance;
        }
        const a = cover * opacity;
        const factor = shade ? shade(x0 + column, y0 + row) : 1;
        const o = 3 * p;
        rgb[o] += (r * factor - rgb[o]) * a;
        rgb[o + 1] += (g * factor - rgb[o + 1]) * a;
        rgb[o + 2] += (b * factor - rgb[o + 2]) * a;
      }
      area[cell] = 0;
      area[cell + 1] = 0;
    }
  }
}
