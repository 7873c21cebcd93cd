import path from 'node:path';
import { outlinesOf } from '../../segmenter/outlines.js';
import type { OutputKind } from './kind.js';
import { markedJson } from './mark.js';

/** How far a corner may be moved away, in pixels: a person corrects ten corners, not a thousand. */
const tolerance = 1;
/** Specks of fewer pixels are not worth a person's time. */
const leastArea = 24;

/**
 * Polygons for labelme, which a person corrects and `vnet data convert` reads back. labelme paints in the order of the
 * file and knows no holes: what lies in a region comes after it.
 */
export const labelme: OutputKind = {
  name: 'labelme',
  ending: 'labelme.json',
  help: 'polygons for labelme',
  async encode({ input, labels, info }, file, mark) {
    const { height, width, data } = labels;
    const shapes = info.classes.names
      .flatMap((label, value) =>
        outlinesOf(data, width, height, value, { tolerance, minArea: leastArea }).map(({ points }) => ({
          label,
          points,
          enclosed: areaOf(points),
        })),
      )
      .sort((a, b) => b.enclosed - a.enclosed)
      .map(({ label, points }) => ({
        label,
        points,
        group_id: null,
        description: '',
        shape_type: 'polygon',
        flags: {},
      }));
    const picture = input.plain
      ? { imagePath: path.relative(path.dirname(file), input.file), imageData: null }
      : { imagePath: path.basename(input.file), imageData: (await input.read()).toString('base64') };
    return markedJson(
      { version: '5.5.0', flags: {}, shapes, ...picture, imageHeight: height, imageWidth: width },
      mark,
    );
  },
};

function areaOf(points: readonly (readonly [number, number])[]): number {
  let twice = 0;
  points.forEach(([x, y], i) => {
    const [nextX, nextY] = points[(i + 1) % points.length];
    twice += x * nextY - nextX * y;
  });
  return Math.abs(twice) / 2;
}
