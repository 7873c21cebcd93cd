import path from 'node:path';
import { UserError } from '../../errors.js';
import { type ClassTable, colourTable, type Rgb } from '../classes.js';
import { isImageName, type LayoutKind, splitsOf, stem } from '../dataset.js';
import { isFile, isFolder, listNames } from '../files.js';
import { readColourList } from './colour-list.js';
import { valOfFlat } from './flat.js';
import { pairUp } from './pairs.js';

const rows: readonly (readonly [name: string, colour: Rgb])[] = [
  ['Animal', [64, 128, 64]],
  ['Archway', [192, 0, 128]],
  ['Bicyclist', [0, 128, 192]],
  ['Bridge', [0, 128, 64]],
  ['Building', [128, 0, 0]],
  ['Car', [64, 0, 128]],
  ['CartLuggagePram', [64, 0, 192]],
  ['Child', [192, 128, 64]],
  ['Column_Pole', [192, 192, 128]],
  ['Fence', [64, 64, 128]],
  ['LaneMkgsDriv', [128, 0, 192]],
  ['LaneMkgsNonDriv', [192, 0, 64]],
  ['Misc_Text', [128, 128, 64]],
  ['MotorcycleScooter', [192, 0, 192]],
  ['OtherMoving', [128, 64, 64]],
  ['ParkingBlock', [64, 192, 128]],
  ['Pedestrian', [64, 64, 0]],
  ['Road', [128, 64, 128]],
  ['RoadShoulder', [128, 128, 192]],
  ['Sidewalk', [0, 0, 192]],
  ['SignSymbol', [192, 128, 128]],
  ['Sky', [128, 128, 128]],
  ['SUVPickupTruck', [64, 128, 192]],
  ['TrafficCone', [0, 0, 64]],
  ['TrafficLight', [0, 64, 64]],
  ['Train', [192, 64, 128]],
  ['Tree', [128, 128, 0]],
  ['Truck_Bus', [192, 128, 192]],
  ['Tunnel', [64, 0, 64]],
  ['VegetationMisc', [192, 192, 0]],
  ['Wall', [64, 192, 0]],
];

/** The 32 colours of the original CamVid, without black, which is Void. */
export const camvidOriginalClasses: ClassTable = {
  ...colourTable('camvid-32', rows),
  palette: 'colours',
};

const [stills, approved] = ['701_StillsRaw_full', 'LabeledApproved_full'];

/**
 * CamVid as its authors published it (`701_StillsRaw_full/NAME.png` with `LabeledApproved_full/NAME_L.png` in 32
 * colours), and the copy in splits (`train/` with `train_labels/NAME_L.png` and `class_dict.csv`). The first has no
 * splits; a tenth by name is `val`.
 */
export const camvidOriginal: LayoutKind = {
  name: 'camvid-32',
  looks: `${stills}/ with ${approved}/, or train/ with train_labels/`,
  test: (root) =>
    (isFolder(path.join(root, stills)) && isFolder(path.join(root, approved))) || foldersIn(root).length > 0,
  async open(root, { own }) {
    const lists = ['class_dict.csv', 'label_colors.txt'].map((name) => path.join(root, name));
    const list = lists.find(isFile);
    const whole = isFolder(path.join(root, approved));
    if (!own && !list && !whole) {
      throw new UserError(
        `${lists[0]}: not found; folders like train/ with train_labels/ need it, with lines such as 'Road, 128, 64, 128', or a classes.json`,
      );
    }
    const classes = own ?? (list ? await readColourList(list, 'camvid-32') : camvidOriginalClasses);
    if (!whole) {
      const splits = splitsOf(foldersIn(root));
      const folder = (split: string) => path.join(root, splits.get(split) ?? split);
      return {
        classes,
        splits: [...splits.keys()],
        list: (split) => pairUp(folder(split), `${folder(split)}_labels`),
        imagesOf: folder,
        labelsOf: (split) => `${folder(split)}_labels`,
      };
    }
    const names = listNames(path.join(root, stills), 'files').filter(isImageName).map(stem);
    const val = valOfFlat(names);
    return {
      classes,
      splits: val.size > 0 ? ['train', 'val'] : ['train'],
      list: (split) =>
        pairUp(path.join(root, stills), path.join(root, approved), {
          only: (name) => val.has(name) === (split === 'val'),
        }),
      imagesOf: () => path.join(root, stills),
      labelsOf: () => path.join(root, approved),
    };
  },
};

function foldersIn(root: string): string[] {
  const folders = listNames(root, 'folders');
  return folders.filter((name) => folders.includes(`${name}_labels`));
}
