/** What each network's own paper reports; VNet's memory is its paper's for a GPU. */
export interface Published {
  /** As the paper writes the name. */
  readonly title: string;
  /** Millions of parameters. */
  readonly parameters: number;
  /** Mean IoU on the test split of Cityscapes, in percent; VNet: none known here. */
  readonly miou?: number;
  /** Where published numbers and this program's differ in meaning. */
  readonly note?: string;
}

export const published: Readonly<Record<string, Published>> = {
  vnet: { title: 'VNet(1, 2)', parameters: 0.16 },
  enet: { title: 'ENet', parameters: 0.36, miou: 58.3 },
  espnet: { title: 'ESPNet', parameters: 0.36, miou: 60.3 },
  erfnet: { title: 'ERFNet', parameters: 2.07, miou: 68.0, note: 'at 20 classes, trained from scratch' },
  segnet: { title: 'SegNet', parameters: 29.5, miou: 56.1 },
  icnet: {
    title: 'ICNet',
    parameters: 7.8,
    miou: 69.5,
    note: "the authors' compressed caffemodel, followed here, has 6.7 M; 25.6 M before compression",
  },
  'bisenet-r18': {
    title: 'BiSeNet-ResNet18',
    parameters: 49.0,
    miou: 74.7,
    note: "the authors' code, followed here, has 12.9 M, of which ResNet-18 is 11.2 M",
  },
  'bisenet-x39': {
    title: 'BiSeNet-Xception39',
    parameters: 5.8,
    miou: 68.4,
    note: "the authors' code, followed here, has 1.5 M",
  },
  pspnet: { title: 'PSPNet-ResNet101', parameters: 65.7, miou: 78.4 },
};
