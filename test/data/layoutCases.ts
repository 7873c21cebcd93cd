/** One layout as its publisher lays it out: files, and what must be read from them. */
export interface LayoutCase {
  readonly name: string;
  /** Path → `image`, a grey value, an RGB colour, or text. */
  readonly files: Readonly<
    Record<string, 'image' | number | readonly [number, number, number] | { text: string }>
  >;
  readonly splits: readonly string[];
  readonly classes: number;
  /** Split, id of its first sample, name of the class that its label's value is. */
  readonly reads: readonly (readonly [split: string, id: string, className: string])[];
}

export const text = (content: unknown) => ({
  text: typeof content === 'string' ? content : JSON.stringify(content),
});

export const layoutCases: readonly LayoutCase[] = [
  {
    name: 'cityscapes',
    files: {
      'leftImg8bit/train/ulm/ulm_000000_000001_leftImg8bit.png': 'image',
      'gtFine/train/ulm/ulm_000000_000001_gtFine_labelIds.png': 26,
      'leftImg8bit/val/bonn/bonn_000000_000001_leftImg8bit.png': 'image',
      'gtFine/val/bonn/bonn_000000_000001_gtFine_labelTrainIds.png': 10,
    },
    splits: ['train', 'val'],
    classes: 19,
    reads: [
      ['train', 'ulm_000000_000001', 'car'],
      ['val', 'bonn_000000_000001', 'sky'],
    ],
  },
  {
    name: 'idd',
    files: {
      'leftImg8bit/train/0/frame01_leftImg8bit.jpg': 'image',
      'gtFine/train/0/frame01_gtFine_labellevel3Ids.png': 8,
      'leftImg8bit/val/7/frame02_leftImg8bit.png': 'image',
      'gtFine/val/7/frame02_gtFine_labellevel3Ids.png': 25,
    },
    splits: ['train', 'val'],
    classes: 26,
    reads: [
      ['train', '0/frame01_leftImg8bit', 'autorickshaw'],
      ['val', '7/frame02_leftImg8bit', 'sky'],
    ],
  },
  {
    name: 'bdd100k',
    files: {
      'images/10k/train/0a.jpg': 'image',
      'labels/sem_seg/masks/train/0a.png': 13,
      'images/10k/val/0b.jpg': 'image',
      'labels/sem_seg/masks/val/0b.png': 0,
      'images/10k/test/0c.jpg': 'image',
    },
    splits: ['train', 'val', 'test'],
    classes: 19,
    reads: [
      ['train', '0a', 'car'],
      ['val', '0b', 'road'],
    ],
  },
  {
    name: 'bdd100k',
    files: { 'seg/images/train/0a.jpg': 'image', 'seg/labels/train/0a_train_id.png': 18 },
    splits: ['train'],
    classes: 19,
    reads: [['train', '0a', 'bicycle']],
  },
  {
    name: 'ade20k',
    files: {
      'images/training/ADE_train_00000001.jpg': 'image',
      'annotations/training/ADE_train_00000001.png': 150,
      'images/validation/ADE_val_00000001.jpg': 'image',
      'annotations/validation/ADE_val_00000001.png': 1,
    },
    splits: ['train', 'val'],
    classes: 150,
    reads: [
      ['train', 'ADE_train_00000001', 'flag'],
      ['val', 'ADE_val_00000001', 'wall'],
    ],
  },
  {
    name: 'mapillary',
    files: {
      'training/images/x_1.jpg': 'image',
      'training/v2.0/labels/x_1.png': 1,
      'validation/images/y.jpg': 'image',
      'validation/v2.0/labels/y.png': 0,
      'config_v2.0.json': text({
        labels: [
          { name: 'animal--bird', readable: 'Bird', color: [165, 42, 42], evaluate: true, instances: true },
          { name: 'object--car', readable: 'Car', color: [0, 0, 142], evaluate: true, instances: true },
          { name: 'void', readable: 'Unlabeled', color: [0, 0, 0], evaluate: false, instances: false },
        ],
      }),
    },
    splits: ['train', 'val'],
    classes: 2,
    reads: [
      ['train', 'x_1', 'Car'],
      ['val', 'y', 'Bird'],
    ],
  },
  {
    name: 'kitti',
    files: {
      ...Object.fromEntries(
        Array.from({ length: 10 }, (_, i) => [`training/image_2/00000${i}_10.png`, 'image'] as const),
      ),
      ...Object.fromEntries(
        Array.from({ length: 10 }, (_, i) => [`training/semantic/00000${i}_10.png`, 7] as const),
      ),
      'testing/image_2/000000_10.png': 'image',
    },
    splits: ['train', 'val', 'test'],
    classes: 19,
    reads: [['train', '000000_10', 'road']],
  },
  {
    name: 'voc',
    files: {
      'JPEGImages/2007_000001.jpg': 'image',
      'SegmentationClass/2007_000001.png': 15,
      'JPEGImages/2007_000002.jpg': 'image',
      'SegmentationClass/2007_000002.png': [128, 0, 128],
      'JPEGImages/2007_000003.jpg': 'image',
      'ImageSets/Segmentation/train.txt': text('2007_000001\n'),
      'ImageSets/Segmentation/val.txt': text('2007_000002\r\n'),
    },
    splits: ['train', 'val'],
    classes: 21,
    reads: [
      ['train', '2007_000001', 'person'],
      ['val', '2007_000002', 'bottle'],
    ],
  },
  {
    name: 'voc',
    files: {
      'JPEGImages/a.jpg': 'image',
      'SegmentationClass/a.png': [10, 128, 0],
      'ImageSets/Segmentation/default.txt': text('a\n'),
      'labelmap.txt': text('# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:10,128,0::\n'),
    },
    splits: ['train'],
    classes: 2,
    reads: [['train', 'a', 'road']],
  },
  {
    name: 'mmseg',
    files: {
      'img_dir/train/a.jpg': 'image',
      'ann_dir/train/a.png': 1,
      'img_dir/val/b.jpg': 'image',
      'ann_dir/val/b_labelTrainIds.png': 0,
      'classes.json': text({ names: ['sea', 'ship'] }),
    },
    splits: ['train', 'val'],
    classes: 2,
    reads: [
      ['train', 'a', 'ship'],
      ['val', 'b', 'sea'],
    ],
  },
  {
    name: 'camvid',
    files: {
      'train/0001.png': 'image',
      'trainannot/0001.png': 3,
      'val/0002.png': 'image',
      'valannot/0002.png': 0,
    },
    splits: ['train', 'val'],
    classes: 11,
    reads: [
      ['train', '0001', 'road'],
      ['val', '0002', 'sky'],
    ],
  },
  {
    name: 'camvid',
    files: {
      'default/a.png': 'image',
      'defaultannot/a.png': [0, 100, 0],
      'label_colors.txt': text('0 0 0 Void\n0 100 0 grass\n9 9 9 a thing\n'),
    },
    splits: ['default'],
    classes: 2,
    reads: [['default', 'a', 'grass']],
  },
  {
    name: 'camvid-32',
    files: {
      '701_StillsRaw_full/0001TP_006690.png': 'image',
      'LabeledApproved_full/0001TP_006690_L.png': [192, 192, 0],
    },
    splits: ['train'],
    classes: 31,
    reads: [['train', '0001TP_006690', 'VegetationMisc']],
  },
  {
    name: 'camvid-32',
    files: {
      'train/0001TP.png': 'image',
      'train_labels/0001TP_L.png': [64, 0, 64],
      'class_dict.csv': text('name,r,g,b\nTunnel,64,0,64\nRoad, 128, 64, 128\nVoid,0,0,0\n'),
    },
    splits: ['train'],
    classes: 2,
    reads: [['train', '0001TP', 'Tunnel']],
  },
  {
    name: 'supervisely',
    files: {
      'meta.json': text({ classes: [{ title: 'kiwi', color: '#FF0000', shape: 'bitmap' }] }),
      'obj_class_to_machine_color.json': text({ kiwi: [1, 1, 1] }),
      'train/img/a.jpg': 'image',
      'train/masks_machine/a.png': 1,
      'val/img/b.jpg': 'image',
      'val/masks_machine/b.jpg.png': 0,
    },
    splits: ['train', 'val'],
    classes: 2,
    reads: [
      ['train', 'train/a', 'kiwi'],
      ['val', 'val/b', 'background'],
    ],
  },
  {
    name: 'roboflow',
    files: {
      'train/a_jpg.rf.1f.jpg': 'image',
      'train/a_jpg.rf.1f_mask.png': 2,
      'train/_classes.csv': text('Pixel Value, Class\n0, background\n1, cat\n2, dog\n'),
      'valid/b.jpg': 'image',
      'valid/b_mask.png': 0,
      'valid/_classes.csv': text('Pixel Value, Class\n0, background\n1, cat\n2, dog\n'),
    },
    splits: ['train', 'val'],
    classes: 3,
    reads: [
      ['train', 'a_jpg.rf.1f', 'dog'],
      ['val', 'b', 'background'],
    ],
  },
  {
    name: 'folder',
    files: {
      'images/a.png': 'image',
      'labels/a_P.png': 1,
      'images/b.png': 'image',
      'labels/b_P.png': 0,
      'codes.txt': text('Animal\nArchway\n'),
      'valid.txt': text('b.png\n'),
    },
    splits: ['train', 'val'],
    classes: 2,
    reads: [
      ['train', 'a', 'Archway'],
      ['val', 'b', 'Animal'],
    ],
  },
];
