/** Shapes of a `state_dict` in PyTorch's order of axes, by name, without any prefix. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** One more than the largest number that `pattern` finds in a name; 0 where it finds none. */
function depth(shapes: Shapes, pattern: RegExp): number {
  let most = -1;
  for (const name of shapes.keys()) {
    const found = pattern.exec(name);
    if (found) most = Math.max(most, Number(found[1]));
  }
  return most + 1;
}

const outputs = (shapes: Shapes, name: string): number | undefined => shapes.get(name)?.[0];

function espnet(shapes: Shapes): Record<string, unknown> {
  const last = shapes.get('conv.conv.weight');
  const decoder = shapes.has('level3_C.conv.weight');
  return {
    alpha2: depth(shapes, /^(?:encoder\.)?level2\.(\d+)\./),
    alpha3: depth(shapes, /^(?:encoder\.)?level3\.(\d+)\./),
    decoder,
    ...(decoder && last ? { detail: last[1] - last[0] } : {}),
  };
}

function vnet(shapes: Shapes): Record<string, unknown> {
  const stem = outputs(shapes, 'stem.conv1.weight') ?? 0;
  const first = stem + (outputs(shapes, 'stage2.cpp.pointwise.weight') ?? 0);
  const second = first + (outputs(shapes, 'stage3.cpp.pointwise.weight') ?? 0);
  const further = depth(shapes, /\.F\.conv1_(\d+)\.weight$/) - 1;
  return {
    alpha: Math.max(0, depth(shapes, /^stage2\.v(\d+)\./) - 1),
    beta: Math.max(0, depth(shapes, /^stage3\.v(\d+)\./) - 1),
    stem,
    widths: [first, second],
    pairs: Math.max(1, further),
  };
}

function pspnet(shapes: Shapes): Record<string, unknown> {
  return {
    blocks: [1, 2, 3, 4].map((stage) => depth(shapes, new RegExp(`^layer${stage}\\.(\\d+)\\.`))),
    width: outputs(shapes, 'layer0.0.weight'),
  };
}

const byNetwork: Readonly<Record<string, (shapes: Shapes) => Record<string, unknown>>> = {
  vnet,
  espnet,
  pspnet,
  enet: (shapes) => (shapes.has('bottleneck4.1.act.weight') ? { decoder: 'prelu' } : {}),
  segnet: (shapes) => ({ width: outputs(shapes, 'conv1_1.weight') }),
  icnet: (shapes) => ({ keep: (outputs(shapes, 'conv1_1_3x3_s2.weight') ?? 0) / 64 }),
};

/**
 * What the shapes of a network's weights say about its configuration: numbers of modules and channels. What they do not
 * say (dilations, windows of poolings) is left to the network's defaults.
 */
export const inferConfig = (network: string, shapes: Shapes): Record<string, unknown> =>
  Object.hasOwn(byNetwork, network) ? byNetwork[network](shapes) : {};
