/** A corner of a pixel, in pixels from the picture's upper left. */
export type Point = readonly [x: number, y: number];

/** One connected part of a class, as polygons along the edges of its pixels. */
export interface Outline {
  /** Around the part, clockwise as seen on the screen; the last point joins the first. */
  readonly points: readonly Point[];
  /** Around what is not of the class inside, the other way round. */
  readonly holes: readonly (readonly Point[])[];
  /** Pixels inside `points`, without the holes. Before simplification. */
  readonly area: number;
}

export interface OutlineOptions {
  /** How far, in pixels, a simplified polygon may be from the exact one (Douglas and Peucker 1973). Default 0: exact. */
  readonly tolerance?: number;
  /** Parts and holes of fewer pixels are left out. Default 1. */
  readonly minArea?: number;
}

/**
 * The outlines of all pixels with a value. Pixels that touch only at a corner are different parts.
 * Time and memory are linear in the number of pixels.
 */
export function outlinesOf(
  labels: Uint8Array,
  width: number,
  height: number,
  value: number,
  { tolerance = 0, minArea = 1 }: OutlineOptions = {},
): Outline[] {
  const simple = ({ points }: Ring) => (tolerance > 0 ? simplified(points, tolerance) : points);
  return partsOf(labels, width, height, value)
    .filter(({ outer }) => outer.area >= minArea)
    .map(({ outer, holes }) => ({
      points: simple(outer),
      holes: holes.filter(({ area }) => -area >= minArea).map(simple),
      area: holes.reduce((area, hole) => area + hole.area, outer.area),
    }));
}

interface Ring {
  readonly points: readonly Point[];
  /** Shoelace formula: positive clockwise, with y downwards; negative around a hole. */
  readonly area: number;
}

interface Part {
  readonly outer: Ring;
  readonly holes: Ring[];
}

/** Right, down, left, up. */
const steps = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
] as const;

/** Row by row, the first edge of a part that is met is on its outer ring; those of its holes come later. */
function partsOf(labels: Uint8Array, width: number, height: number, value: number): Part[] {
  const inside = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < width && y < height && labels[y * width + x] === value;
  const parts: Part[] = [];
  /** Number of a pixel's part, from 1. */
  const partOf = new Int32Array(width * height);
  /** Pixels whose upper edge a ring has passed. */
  const passed = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x;
      if (passed[pixel] || !inside(x, y) || inside(x, y - 1)) continue;
      const ring = follow(x, y, inside, (px, py) => {
        passed[py * width + px] = 1;
      });
      if (partOf[pixel] > 0) parts[partOf[pixel] - 1].holes.push(ring);
      else fill(labels, width, pixel, partOf, parts.push({ outer: ring, holes: [] }));
    }
  }
  return parts;
}

/** Numbers all pixels that hang together with one, over their sides. */
function fill(labels: Uint8Array, width: number, start: number, partOf: Int32Array, part: number): void {
  const stack = [start];
  partOf[start] = part;
  const visit = (pixel: number) => {
    if (labels[pixel] !== labels[start] || partOf[pixel] > 0) return;
    partOf[pixel] = part;
    stack.push(pixel);
  };
  for (let pixel = stack.pop(); pixel !== undefined; pixel = stack.pop()) {
    const column = pixel % width;
    if (column > 0) visit(pixel - 1);
    if (column < width - 1) visit(pixel + 1);
    if (pixel >= width) visit(pixel - width);
    if (pixel + width < labels.length) visit(pixel + width);
  }
}

/** Follows the edge from a pixel's upper left corner, what is inside on the right hand, until it closes. */
function follow(
  startX: number,
  startY: number,
  inside: (x: number, y: number) => boolean,
  mark: (x: number, y: number) => void,
): Ring {
  const points: Point[] = [];
  let [x, y, direction, area] = [startX, startY, 0, 0];
  do {
    if (direction === 0) mark(x, y);
    const [dx, dy] = steps[direction];
    area += x * (y + dy) - (x + dx) * y;
    x += dx;
    y += dy;
    // The pixels ahead of the corner, on the right and the left hand.
    const [rightX, rightY] = [x + (dx - dy - 1) / 2, y + (dy + dx - 1) / 2];
    const [leftX, leftY] = [x + (dx + dy - 1) / 2, y + (dy - dx - 1) / 2];
    const before = direction;
    if (!inside(rightX, rightY)) direction = (direction + 1) % 4;
    else if (inside(leftX, leftY)) direction = (direction + 3) % 4;
    if (direction !== before) points.push([x, y]);
  } while (x !== startX || y !== startY || direction !== 0);
  return { points, area: area / 2 };
}

/** Douglas and Peucker on a ring, cut at its first point and the one farthest from it. At least three points stay. */
function simplified(ring: readonly Point[], tolerance: number): readonly Point[] {
  if (ring.length <= 4) return ring;
  const distance = ([x, y]: Point) => Math.hypot(x - ring[0][0], y - ring[0][1]);
  let far = 0;
  for (const [i, point] of ring.entries()) if (distance(point) > distance(ring[far])) far = i;
  const keep = new Uint8Array(ring.length + 1);
  keep[0] = keep[far] = keep[ring.length] = 1;
  const closed = [...ring, ring[0]];
  const stack: [number, number][] = [
    [0, far],
    [far, ring.length],
  ];
  for (let range = stack.pop(); range; range = stack.pop()) {
    const [from, to] = range;
    const [worst, off] = farthest(closed, from, to);
    if (off <= tolerance) continue;
    keep[worst] = 1;
    stack.push([from, worst], [worst, to]);
  }
  const result = ring.filter((_, i) => keep[i]);
  return result.length >= 3 ? result : ring;
}

/** The point between two that is farthest from the line through them, and how far. */
function farthest(points: readonly Point[], from: number, to: number): [index: number, distance: number] {
  const [[ax, ay], [bx, by]] = [points[from], points[to]];
  const length = Math.hypot(bx - ax, by - ay);
  let [worst, most] = [from, 0];
  for (let i = from + 1; i < to; i++) {
    const [x, y] = points[i];
    const off =
      length === 0
        ? Math.hypot(x - ax, y - ay)
        : Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length;
    if (off > most) [worst, most] = [i, off];
  }
  return [worst, most];
}
