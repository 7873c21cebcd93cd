import path from 'node:path';
import { inflateSync } from 'node:zlib';
import { z } from 'zod';
import { UserError } from '../../errors.js';
import { readJson } from '../classes.js';
import { stem } from '../dataset.js';
import { isFile, isFolder, listNames } from '../files.js';
import { Canvas } from './canvas.js';
import { decodeMask } from './mask.js';
import { type AnnotationKind, type AnnotationSource, mostJsonBytes } from './source.js';

const point = z.tuple([z.number(), z.number()]);
const side = z.number().int().min(1).max(65535);
const meta = z.object({ classes: z.array(z.object({ title: z.string().min(1) })).min(1) });
const file = z.object({
  size: z.object({ height: side, width: side }),
  objects: z.array(
    z.object({
      classTitle: z.string(),
      geometryType: z.string(),
      points: z
        .object({ exterior: z.array(point).default([]), interior: z.array(z.array(point)).default([]) })
        .optional(),
      bitmap: z.object({ data: z.string(), origin: point }).nullish(),
    }),
  ),
});
type Figure = z.infer<typeof file>['objects'][number];

/** Largest PNG of one figure. */
const mostMaskBytes = 2 ** 26;

/** A project of Supervisely: `meta.json`, `DATASET/img/NAME.jpg` and `DATASET/ann/NAME.jpg.json`. */
export const supervisely: AnnotationKind = {
  name: 'supervisely',
  looks: 'a folder with meta.json and */ann/*.json (Supervisely)',
  test: (source) => isFile(path.join(source, 'meta.json')) && datasetsIn(source).length > 0,
  async open(source): Promise<AnnotationSource> {
    const parsed = meta.safeParse(await readJson(path.join(source, 'meta.json'), mostJsonBytes));
    if (!parsed.success) throw new UserError(`${source}: its meta.json names no classes`);
    const files = datasetsIn(source).flatMap((dataset) =>
      listNames(path.join(source, dataset, 'ann'), 'files')
        .filter((name) => name.endsWith('.json'))
        .map((name) => ({ dataset, name })),
    );
    let skipped = 0;
    return {
      classes: parsed.data.classes.map(({ title }) => title),
      count: files.length,
      get skipped() {
        return skipped;
      },
      async *pictures() {
        for (const { dataset, name } of files) {
          const json = path.join(source, dataset, 'ann', name);
          const picture = path.join(source, dataset, 'img', stem(name));
          if (!isFile(picture)) {
            yield { failed: `${json}: its picture ${picture} is not there` };
            continue;
          }
          yield {
            name: path.join(dataset, stem(stem(name))),
            picture: { file: picture },
            ending: path.extname(picture),
            async paint(toValue, background) {
              const found = file.safeParse(await readJson(json, mostJsonBytes));
              if (!found.success) {
                const [issue] = found.error.issues;
                throw new UserError(`${json}: "${issue.path.join('.')}": ${issue.message}`);
              }
              const canvas = new Canvas(json, found.data.size, background);
              for (const figure of found.data.objects) {
                if (!(await draw(canvas, figure, toValue(figure.classTitle), json))) skipped++;
              }
              return canvas.labels;
            },
          };
        }
      },
    };
  },
};

const datasetsIn = (root: string): string[] =>
  listNames(root, 'folders').filter((name) => isFolder(path.join(root, name, 'ann')));

/** @returns false for a figure that is no area. */
async function draw(canvas: Canvas, figure: Figure, value: number, json: string): Promise<boolean> {
  const { geometryType: type, points, bitmap } = figure;
  if (type === 'polygon' && points) {
    canvas.polygon([points.exterior.flat(), ...points.interior.map((ring) => ring.flat())], value);
  } else if (type === 'rectangle' && points?.exterior.length === 2) {
    const [[x0, y0], [x1, y1]] = points.exterior;
    canvas.polygon([[x0, y0, x1, y0, x1, y1, x0, y1]], value);
  } else if (type === 'bitmap' && bitmap) {
    let png: Buffer;
    try {
      png = inflateSync(Buffer.from(bitmap.data, 'base64'), { maxOutputLength: mostMaskBytes });
    } catch {
      throw new UserError(`${json}: a bitmap in it cannot be decompressed`);
    }
    canvas.mask(
      await decodeMask(png, json),
      Math.round(bitmap.origin[0]),
      Math.round(bitmap.origin[1]),
      value,
    );
  } else return false;
  return true;
}
