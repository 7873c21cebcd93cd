/** Pixels of each class over all images, and all labelled pixels of those images that contain it. */
export function pixelsByClass(images: readonly Uint8Array[], classes: number) {
  const pixels = new Array<number>(classes).fill(0);
  const pixelsOfImages = new Array<number>(classes).fill(0);
  for (const labels of images) {
    const counts = new Array<number>(256).fill(0);
    for (const id of labels) counts[id]++;
    const valid = counts.slice(0, classes).reduce((a, b) => a + b, 0);
    for (let c = 0; c < classes; c++) {
      pixels[c] += counts[c];
      if (counts[c] > 0) pixelsOfImages[c] += valid;
    }
  }
  return { pixels, pixelsOfImages };
}

/** ENet's class weights 1 / ln(c + p) with p the class's share of the pixels; c = 1.02 bounds them by 50.5. */
export function enetWeights(pixels: readonly number[], c = 1.02): number[] {
  const all = pixels.reduce((a, b) => a + b, 0);
  return pixels.map((count) => 1 / Math.log(c + (all > 0 ? count / all : 0)));
}

/** median(f) / f with f = pixels of the class / pixels of the images that contain it; 0 for absent classes. */
export function medianWeights(pixels: readonly number[], pixelsOfImages: readonly number[]): number[] {
  const f = pixels.map((count, i) => (pixelsOfImages[i] > 0 ? count / pixelsOfImages[i] : 0));
  const present = f.filter((value) => value > 0).sort((a, b) => a - b);
  if (present.length === 0) return f.map(() => 0);
  const half = present.length >> 1;
  const median = present.length % 2 === 1 ? present[half] : (present[half - 1] + present[half]) / 2;
  return f.map((value) => (value > 0 ? median / value : 0));
}
