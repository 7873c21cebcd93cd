/** Names of a network's tensors in the code that others trained it with; the first is what this program exports. */
export interface Scheme {
  /** Configuration that this scheme's names belong to. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** From the name in a `state_dict` of this program. */
  rename(name: string): string;
}

const same: Scheme = { rename: (name) => name };

/** First versions of that code called the activation of a block differently. */
const oldActivations: Scheme = {
  config: { variant: 'pytorch-old' },
  rename: (name) => name.replace('.out_activation.', '.out_prelu.'),
};

/** Bottlenecks in their order, as elements 4 to 30 of the sequence below. */
const bottlenecks = [
  ...[0, 1, 2, 3, 4].map((i) => `bottleneck1.${i}`),
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => `bottleneck2.${i}`),
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((i) => `bottleneck3.${i}`),
  ...[0, 1, 2].map((i) => `bottleneck4.${i}`),
  ...[0, 1].map((i) => `bottleneck5.${i}`),
];

/** The authors' Cityscapes weights as converted from Torch: one sequence, whose elements have numbers for names. */
const converted: Scheme = {
  config: { decoder: 'prelu' },
  rename(name) {
    const [, block, layer, rest] = /^(bottleneck\d\.\d|initial|fullconv)\.?(.*)\.(\w+)$/.exec(name) ?? [];
    if (block === 'fullconv') return `31.${rest}`;
    if (block === 'initial') return `${{ conv: '0.0', 'norm.bn': '2', 'norm.act': '3' }[layer]}.${rest}`;
    const place = 4 + bottlenecks.indexOf(block);
    if (layer === 'act') return `${place}.2.${rest}`;
    if (layer.startsWith('main.')) return `${place}.0.1.${layer === 'main.conv' ? 1 : 2}.${rest}`;
    const asymmetric = /\.[37]$/.test(block) && /^bottleneck[23]/.test(block);
    const order = ['reduce', 'norm1.bn', 'norm1.act', ...(asymmetric ? ['conv1', 'conv2'] : ['conv'])];
    order.push('norm2.bn', 'norm2.act', 'expand', 'norm3');
    return `${place}.0.0.${order.indexOf(layer)}.${rest}`;
  },
};

/** ESPNet-C is the encoder of ESPNet, which alone has no prefix. */
const withoutEncoder: Scheme = {
  config: { decoder: false },
  rename: (name) => name.replace(/^encoder\./, ''),
};

const byNetwork: Readonly<Record<string, readonly Scheme[]>> = {
  enet: [same, { ...same, config: { variant: 'pytorch' } }, oldActivations, converted],
  espnet: [same, withoutEncoder],
};

/** All schemes that a network's weights are known to come in. */
export const schemesOf = (network: string): readonly Scheme[] =>
  Object.hasOwn(byNetwork, network) ? byNetwork[network] : [same];
