import path from 'node:path';
import { z } from 'zod';
import { UserError } from '../../errors.js';
import { readJson } from '../classes.js';
import { stem } from '../dataset.js';
import { isFile, isFolder, walkFiles } from '../files.js';
import { Canvas } from './canvas.js';
import { decodeMask } from './mask.js';
import { type AnnotationKind, type AnnotationSource, mostJsonBytes } from './source.js';

const point = z.tuple([z.number(), z.number()]);
const side = z.number().int().min(1).max(65535);
const file = z.object({
  shapes: z.array(
    z.object({
      label: z.string().min(1),
      points: z.array(point),
      shape_type: z.string().default('polygon'),
      mask: z.string().nullish(),
    }),
  ),
  imagePath: z.string(),
  imageData: z.string().nullish(),
  imageHeight: side,
  imageWidth: side,
});
type LabelmeFile = z.infer<typeof file>;
type Shape = LabelmeFile['shapes'][number];

/** Corners of the polygon that stands for a circle. */
const corners = 90;

/**
 * labelme's JSON, one beside each picture: polygons, rectangles, circles and masks, painted in the order they are in.
 * Lines and points are no areas and left out.
 */
export const labelme: AnnotationKind = {
  name: 'labelme',
  looks: "a folder of labelme's JSON files, or one of them",
  test: (source, start) =>
    isFolder(source) ? jsonBelow(source).length > 0 : source.endsWith('.json') && /"shapes"\s*:/.test(start),
  async open(source, images): Promise<AnnotationSource> {
    const folder = isFolder(source) ? source : path.dirname(source);
    const files = isFolder(source) ? jsonBelow(source) : [path.basename(source)];
    // Names of classes are only in the files: they are read twice, one at a time.
    const classes = new Set<string>();
    const wrong = new Map<string, string>();
    for (const name of files) {
      try {
        for (const { label } of (await read(path.join(folder, name))).shapes) classes.add(label);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        wrong.set(name, error.message);
      }
    }
    let skipped = 0;
    return {
      classes: [...classes].sort(),
      count: files.length,
      get skipped() {
        return skipped;
      },
      async *pictures() {
        for (const name of files) {
          const failed = wrong.get(name);
          if (failed) {
            yield { failed };
            continue;
          }
          const json = path.join(folder, name);
          const { imagePath, imageData, imageHeight, imageWidth, shapes } = await read(json);
          const stated = imagePath.replaceAll('\\', '/');
          const own = path.basename(stated);
          const here = path.dirname(name);
          const places = [
            path.join(images ?? folder, here, own),
            path.join(images ?? folder, own),
            path.join(folder, here, stated),
          ];
          const found = places.find(isFile);
          if (!found && !imageData) {
            yield { failed: `${json}: its picture ${own} is not in ${images ?? folder}, nor in the file` };
            continue;
          }
          yield {
            // As `vnet predict` names them: their pictures are named without.
            name: stem(name).replace(/_labelme$/, ''),
            picture: found ? { file: found } : { bytes: Buffer.from(imageData!, 'base64') },
            ending: path.extname(own) || '.png',
            async paint(toValue, background) {
              const canvas = new Canvas(json, { height: imageHeight, width: imageWidth }, background);
              for (const shape of shapes) {
                if (!(await draw(canvas, shape, toValue(shape.label), json))) skipped++;
              }
              return canvas.labels;
            },
          };
        }
      },
    };
  },
};

/** The JSON files in and below a folder, but for a data set's own. */
const jsonBelow = (folder: string): string[] =>
  [...walkFiles(folder)].filter((name) => name.endsWith('.json') && path.basename(name) !== 'classes.json');

async function read(json: string): Promise<LabelmeFile> {
  const parsed = file.safeParse(await readJson(json, mostJsonBytes));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError(`${json}: "${issue.path.join('.')}": ${issue.message}; expected a file of labelme`);
}

/** @returns false for a figure that is no area. */
async function draw(canvas: Canvas, shape: Shape, value: number, json: string): Promise<boolean> {
  const { shape_type: type, points, mask } = shape;
  const [first, second] = points;
  if (type === 'polygon') canvas.polygon([points.flat()], value);
  else if (type === 'mask' && mask && first) {
    const pixels = await decodeMask(Buffer.from(mask, 'base64'), json);
    canvas.mask(pixels, Math.round(first[0]), Math.round(first[1]), value);
  } else if (type === 'rectangle' && second) {
    const [[x0, y0], [x1, y1]] = [first, second];
    canvas.polygon([[x0, y0, x1, y0, x1, y1, x0, y1]], value);
  } else if (type === 'circle' && second) {
    const radius = Math.hypot(second[0] - first[0], second[1] - first[1]);
    const ring = Array.from({ length: corners }, (_, i) => {
      const angle = (2 * Math.PI * i) / corners;
      return [first[0] + radius * Math.cos(angle), first[1] + radius * Math.sin(angle)];
    });
    canvas.polygon([ring.flat()], value);
  } else return false;
  return true;
}
