import type { LabelImage } from '../image.js';

/** A picture and what was drawn on it. */
export interface Annotated {
  /** Its name in the new data set, without ending; may have folders. */
  readonly name: string;
  /** Where the picture is, or its bytes. */
  readonly picture: { readonly file: string } | { readonly bytes: Buffer };
  /** The ending of the picture's name, with dot. */
  readonly ending: string;
  /** Paints the labels. `toValue` is the value of a class; `background` that of pixels without a figure. */
  paint(toValue: (name: string) => number, background: number): Promise<LabelImage>;
}

/** A file or folder of annotations, opened. */
export interface AnnotationSource {
  /** Classes that figures may have, in an order of their own. */
  readonly classes: readonly string[];
  readonly count: number;
  /** The pictures, or what is wrong with one: the others are still worth having. */
  pictures(): AsyncGenerator<Annotated | { readonly failed: string }>;
  /** Figures that are no areas (lines, points) and were left out. */
  readonly skipped: number;
}

/** A program's way to write annotations. Adding one is a file and a line in `convert.ts`. */
export interface AnnotationKind {
  readonly name: string;
  /** What it looks like, for the message where nothing fits. */
  readonly looks: string;
  /** @returns whether a path is of this kind; looks at names and, of files, at the first bytes. */
  test(source: string, start: string): boolean;
  /** @param images the folder of pictures, where it is not where the annotations say. */
  open(source: string, images: string | undefined): Promise<AnnotationSource>;
}

/** Largest annotation file: what a string can hold. */
export const mostJsonBytes = 500 * 2 ** 20;
