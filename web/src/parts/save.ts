/** Offers a file for download. */
export function save(name: string, content: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The download has the blob by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** `street` of `holiday/street.jpg`. */
export const stem = (name: string): string => name.replace(/^.*\//, '').replace(/\.[^.]*$/, '');

/** The PNG of a canvas. */
export const pngOf = (canvas: HTMLCanvasElement): Promise<Blob> =>
  new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the picture is too large for a PNG'))));
  });
