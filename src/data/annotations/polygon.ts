/** A closed ring of corners: x, y, x, y, …, in pixels; the corner of the first pixel is 0, 0. */
export type Ring = readonly number[];

/** Crossings of edges and rows that one figure may cost: a drawing by hand has a thousandth of it. */
const mostCrossings = 5e7;

/**
 * Calls `paint` for the stretches of pixels whose centres lie inside the rings, by the even-odd rule: rings within rings
 * are holes. What lies outside the picture is left out.
 * @throws Error with a short cause for rings that are none, or so many corners that painting would take minutes.
 */
export function fillRings(
  rings: readonly Ring[],
  size: { readonly height: number; readonly width: number },
  paint: (row: number, from: number, to: number) => void,
): void {
  const edges: { top: number; bottom: number; x: number; slope: number }[] = [];
  let crossings = 0;
  for (const ring of rings) {
    if (ring.length < 6 || ring.length % 2 === 1)
      throw new Error('a polygon needs three corners of two numbers');
    for (let i = 0; i < ring.length; i += 2) {
      const j = (i + 2) % ring.length;
      const [x0, y0, x1, y1] = [ring[i], ring[i + 1], ring[j], ring[j + 1]];
      // The rows whose centres, y + 0.5, lie between the ends; a centre on an end belongs to one of the two edges.
      const top = Math.max(0, Math.ceil(Math.min(y0, y1) - 0.5));
      const bottom = Math.min(size.height, Math.ceil(Math.max(y0, y1) - 0.5));
      if (!(top < bottom)) continue;
      crossings += bottom - top;
      if (crossings > mostCrossings) throw new Error('a polygon has too many corners');
      const slope = (x1 - x0) / (y1 - y0);
      edges.push({ top, bottom, x: x0 + (top + 0.5 - y0) * slope, slope });
    }
  }
  edges.sort((a, b) => a.top - b.top);
  let active: typeof edges = [];
  for (
    let row = edges[0]?.top ?? 0, next = 0;
    row < size.height && (active.length > 0 || next < edges.length);
    row++
  ) {
    while (next < edges.length && edges[next].top <= row) active.push(edges[next++]);
    active = active.filter(({ bottom }) => bottom > row);
    const xs = active.map((edge) => edge.x).sort((a, b) => a - b);
    for (let i = 0; i + 1 < xs.length; i += 2) {
      const from = Math.max(0, Math.ceil(xs[i] - 0.5));
      const to = Math.min(size.width, Math.ceil(xs[i + 1] - 0.5));
      if (from < to) paint(row, from, to);
    }
    for (const edge of active) edge.x += edge.slope;
  }
}

/** A region of one value: connected by edges, with its outline and how many pixels the outline encloses. */
export interface Region {
  readonly value: number;
  readonly outline: Ring;
  readonly enclosed: number;
}

/**
 * The outlines of all regions of equal values, along the borders of pixels, the largest first. What lies in a region
 * comes later, so that painting them in this order gives the values back, pixel by pixel.
 * @param ignored a value that gets no regions.
 */
export function regionsOf(
  { height, width, data }: { height: number; width: number; data: Uint8Array },
  ignored: number,
): Region[] {
  const seen = new Int32Array(height * width);
  const stack: number[] = [];
  const regions: Region[] = [];
  let id = 0;
  for (let start = 0; start < data.length; start++) {
    if (seen[start] !== 0) continue;
    const value = data[start];
    seen[start] = ++id;
    stack.push(start);
    while (stack.length > 0) {
      const at = stack.pop()!;
      const x = at % width;
      const visit = (next: number) => {
        if (seen[next] !== 0 || data[next] !== value) return;
        seen[next] = id;
        stack.push(next);
      };
      if (x > 0) visit(at - 1);
      if (x < width - 1) visit(at + 1);
      if (at >= width) visit(at - width);
      if (at < data.length - width) visit(at + width);
    }
    if (value === ignored) continue;
    const outline = trace(seen, id, start, height, width);
    regions.push({ value, outline, enclosed: areaOf(outline) });
  }
  return regions.sort((a, b) => b.enclosed - a.enclosed);
}

/** Walks around a region, which lies to the right, from the upper left corner of its first pixel. */
function trace(seen: Int32Array, id: number, start: number, height: number, width: number): number[] {
  const inside = (x: number, y: number) =>
    x >= 0 && y >= 0 && x < width && y < height && seen[y * width + x] === id;
  const [startX, startY] = [start % width, Math.floor(start / width)];
  const outline: number[] = [];
  let [x, y] = [startX, startY];
  let [dx, dy] = [1, 0];
  do {
    outline.push(x, y);
    // Straight on, along the border, until it turns.
    let turned = false;
    while (!turned) {
      x += dx;
      y += dy;
      // The pixels ahead: to the right of the walk and to its left.
      const right = inside(x + (dx - dy - 1) / 2, y + (dy + dx - 1) / 2);
      const left = inside(x + (dx + dy - 1) / 2, y + (dy - dx - 1) / 2);
      if (!right) [dx, dy] = [-dy, dx];
      else if (left) [dx, dy] = [dy, -dx];
      turned = !right || left;
    }
  } while (x !== startX || y !== startY || dx !== 1 || dy !== 0);
  return outline;
}

function areaOf(ring: Ring): number {
  let twice = 0;
  for (let i = 0; i < ring.length; i += 2) {
    const j = (i + 2) % ring.length;
    twice += ring[i] * ring[j + 1] - ring[j] * ring[i + 1];
  }
  return Math.abs(twice) / 2;
}
