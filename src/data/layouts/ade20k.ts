import path from 'node:path';
import { type ClassTable, classTable } from '../classes.js';
import type { LayoutKind } from '../dataset.js';
import { isFolder } from '../files.js';
import { splitFolders } from './pairs.js';

/** In the order of the values 1 to 150. */
const names = `
  wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth,
  door, table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug,
  field, armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column,
  signboard, chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path,
  stairs, runway, case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee
  table, toilet, flower, book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair,
  boat, bar, arcade machine, hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth,
  television receiver, airplane, dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle,
  buffet, poster, stage, van, ship, fountain, conveyer belt, canopy, washer, plaything, swimming pool, stool,
  barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food, step, tank, trade name, microwave,
  pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray,
  ashcan, fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock, flag
`;

/** The 150 classes of ADE20K as its scene parsing challenge scores them; raw value 0 is "other" and ignored. */
export const ade20kClasses: ClassTable = classTable(
  'ade20k',
  names.split(',').map((name, i) => ({ name: name.trim().replace(/\s+/g, ' '), raw: i + 1 })),
  [0],
);

/** ADE20K of the scene parsing challenge: `images/training/NAME.jpg` with `annotations/training/NAME.png`. */
export const ade20k: LayoutKind = {
  name: 'ade20k',
  looks: 'images/training/ with annotations/training/',
  test: (root) =>
    ['images', 'annotations'].every((folder) =>
      ['training', 'validation'].some((split) => isFolder(path.join(root, folder, split))),
    ),
  open(root, { own }) {
    return { classes: own ?? ade20kClasses, ...splitFolders(root, 'images', 'annotations') };
  },
};
