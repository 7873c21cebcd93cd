/** What each network's own paper reports. */
export interface Published {
  /** As the paper writes the name. */
  readonly title: string;
  /** Millions of parameters. */
  readonly parameters: number;
  /** Mean IoU on the test split of Cityscapes, in percent. */
  readonly miou: number;
  /** Frames per second, with the size and the GPU they were measured at. */
  readonly fps: { readonly value: number; readonly at: string };
  /** Where published numbers and this program's differ in meaning. */
  readonly note?: string;
}

export const published: Readonly<Record<string, Published>> = {
  vnet: {
    title: 'VNet(1, 2)',
    parameters: 0.16,
    miou: 63.93,
    fps: { value: 37.4, at: '1024×2048, Titan Xp' },
  },
  enet: { title: 'ENet', parameters: 0.36, miou: 58.3, fps: { value: 21.6, at: '1080×1920, Titan X' } },
  espnet: { title: 'ESPNet', parameters: 0.36, miou: 60.3, fps: { value: 112, at: '512×1024, Titan X' } },
  erfnet: {
    title: 'ERFNet',
    parameters: 2.07,
    miou: 68.0,
    fps: { value: 41.7, at: '512×1024, Titan X' },
    note: 'at 20 classes, trained from scratch',
  },
  segnet: {
    title: 'SegNet',
    parameters: 29.5,
    miou: 56.1,
    fps: { value: 14.6, at: '360×640, Titan X, by the paper of ENet' },
  },
  icnet: {
    title: 'ICNet',
    parameters: 7.8,
    miou: 69.5,
    fps: { value: 30.3, at: '1024×2048, Titan X' },
    note: "the authors' compressed caffemodel, followed here, has 6.7 M; 25.6 M before compression",
  },
  'bisenet-r18': {
    title: 'BiSeNet-ResNet18',
    parameters: 49.0,
    miou: 74.7,
    fps: { value: 65.5, at: '768×1536, Titan Xp' },
    note: "the authors' code, followed here, has 12.9 M, of which ResNet-18 is 11.2 M",
  },
  'bisenet-x39': {
    title: 'BiSeNet-Xception39',
    parameters: 5.8,
    miou: 68.4,
    fps: { value: 105.8, at: '768×1536, Titan Xp' },
    note: "the authors' code, followed here, has 1.5 M",
  },
  pspnet: {
    title: 'PSPNet-ResNet101',
    parameters: 65.7,
    miou: 78.4,
    fps: { value: 0.78, at: '1024×2048, Titan X, by the paper of ICNet' },
  },
};
