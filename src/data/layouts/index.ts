import type { LayoutKind } from '../dataset.js';
import { ade20k } from './ade20k.js';
import { bdd100k } from './bdd100k.js';
import { camvid } from './camvid.js';
import { camvidOriginal } from './camvid-original.js';
import { cityscapes } from './cityscapes.js';
import { folder } from './folder.js';
import { idd } from './idd.js';
import { kitti } from './kitti.js';
import { mapillary } from './mapillary.js';
import { mmseg } from './mmseg.js';
import { roboflow } from './roboflow.js';
import { supervisely } from './supervisely.js';
import { voc } from './voc.js';

/** All layouts, in the order they are tried: those that others would take for theirs come first. */
export const layouts: readonly LayoutKind[] = [
  idd,
  cityscapes,
  bdd100k,
  ade20k,
  mapillary,
  kitti,
  voc,
  mmseg,
  camvid,
  camvidOriginal,
  supervisely,
  roboflow,
  folder,
];
