export interface Point {
  readonly x: number;
  readonly y: number;
}

let context: OffscreenCanvasRenderingContext2D | undefined;

/** Gives a class to the pixels that a path covers by half or more, in place. */
function cover(
  { mask, width, height }: { mask: Uint8Array; width: number; height: number },
  id: number,
  points: readonly Point[],
  margin: number,
  draw: (context: OffscreenCanvasRenderingContext2D) => void,
): void {
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const left = Math.max(0, Math.floor(Math.min(...xs) - margin));
  const top = Math.max(0, Math.floor(Math.min(...ys) - margin));
  const right = Math.min(width, Math.ceil(Math.max(...xs) + margin) + 1);
  const bottom = Math.min(height, Math.ceil(Math.max(...ys) + margin) + 1);
  if (right <= left || bottom <= top) return;
  context ??= new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })!;
  // Setting a size clears the canvas.
  Object.assign(context.canvas, { width: right - left, height: bottom - top });
  context.translate(-left, -top);
  draw(context);
  const { data } = context.getImageData(0, 0, right - left, bottom - top);
  for (let y = top, i = 3; y < bottom; y++) {
    for (let x = left; x < right; x++, i += 4) if (data[i] >= 128) mask[y * width + x] = id;
  }
}

type Canvas = { mask: Uint8Array; width: number; height: number };

/** A brush of a diameter in pixels along points. */
export function brush(on: Canvas, id: number, points: readonly Point[], diameter: number): void {
  cover(on, id, points, diameter, (context) => {
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.lineWidth = diameter;
    context.beginPath();
    // A line without a length would draw nothing: a dot has a hundredth of a pixel.
    context.moveTo(points[0].x + 0.01, points[0].y);
    for (const { x, y } of points) context.lineTo(x, y);
    context.stroke();
  });
}

/** The inside of a polygon. */
export function polygon(on: Canvas, id: number, points: readonly Point[]): void {
  cover(on, id, points, 1, (context) => {
    context.beginPath();
    for (const { x, y } of points) context.lineTo(x, y);
    context.closePath();
    context.fill();
  });
}
