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
