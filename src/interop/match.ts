import { UserError } from '../errors.js';
import { networkFromConfig, networkNames } from '../nets/index.js';
import type { Network } from '../nets/network.js';
import type { Checkpoint } from './checkpoint.js';
import { countClasses } from './classes.js';
import { inferConfig } from './infer.js';
import type { ForeignTensor } from './pytorch.js';
import { pytorchNames } from './pytorch.js';
import type { Scheme } from './schemes.js';
import { schemesOf } from './schemes.js';
import { tensorsOf } from './tensors.js';

/** What is asked of a match; what is not asked for is taken from the file. */
export interface MatchOptions {
  /** Default: the network of which most tensors are there. */
  readonly network?: string;
  /** Configuration that goes before what the shapes say. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Take averaged weights (EMA) instead of the trained ones. Default false. */
  readonly average?: boolean;
}

/** The network that a checkpoint is of, and where its tensors are. */
export interface Match {
  readonly network: Network;
  /** What the names of the tensors start with in the file, such as `state_dict.module.`. */
  readonly prefix: string;
  /** The tensors under the prefix, in the names of `pytorchNames`. */
  readonly tensors: ReadonlyMap<string, ForeignTensor>;
  /** Names of the network's tensors that the file lacks. */
  readonly missing: readonly string[];
  /** Other places of the file that would match as well, such as an average of the weights. */
  readonly others: readonly string[];
}

/** The name of an average of weights, as a part of a path. */
const averaged = /(^|[._])(ema|averaged?|swa|teacher|shadow)([._]|$)/i;

/** Parts of a name that are looked at. */
const deepest = 24;

/**
 * Finds the network and the place in the file whose names agree best, whatever the tensors are wrapped in: prefixes
 * (`module.`, `_orig_mod.`, …), dictionaries in dictionaries, a saved model.
 * @param file is what messages name.
 * @throws UserError where nothing agrees.
 */
export function matchCheckpoint(checkpoint: Checkpoint, file: string, options: MatchOptions = {}): Match {
  const { dictionaries } = checkpoint;
  const tensors = new Map<string, ForeignTensor>();
  for (const { path, tensors: inside } of dictionaries) {
    for (const [name, tensor] of inside) tensors.set(path ? `${path}.${name}` : name, tensor);
  }
  let best: (Match & { share: number }) | undefined;
  const asked = options.network ?? checkpoint.network;
  const told = asked === checkpoint.network ? checkpoint.config : undefined;
  const wanted = { ...options, config: { ...told, ...options.config } };
  for (const name of asked === undefined ? networkNames : [asked]) {
    for (const scheme of schemesOf(name)) {
      const match = matchScheme(tensors, file, name, scheme, wanted);
      if (match && match.share > (best?.share ?? 0)) best = match;
    }
  }
  if (best && best.share >= 0.5) return best;
  const known = asked ?? `any known network (${networkNames.join(', ')})`;
  const first = [...tensors.keys()].slice(0, 3).join(', ');
  throw new UserError(`${file}: its tensors are not those of ${known}; it has ${first}, …`);
}

function matchScheme(
  tensors: ReadonlyMap<string, ForeignTensor>,
  file: string,
  name: string,
  scheme: Scheme,
  { config = {}, average = false }: MatchOptions,
): (Match & { share: number }) | undefined {
  // Any depth and width will do to find the place: most names are those of every configuration.
  const start = { ...scheme.config, ...config };
  const places = prefixesOf(tensors.keys(), usualNames(name, start, scheme));
  const fitting = places.filter(({ prefix }) => averaged.test(prefix) === average);
  if (average && places.length > 0 && fitting.length === 0) {
    throw new UserError(
      `${file}: has no averaged weights; its tensors are at ${places[0].prefix || 'the top'}`,
      2,
    );
  }
  const [place] = fitting.length > 0 ? fitting : places;
  if (!place) return undefined;
  const { prefix } = place;
  const inside = new Map(
    [...tensors].flatMap(([key, tensor]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), tensor] as const] : [],
    ),
  );
  const shapes = new Map([...inside].map(([key, { shape }]) => [key, shape]));
  const inferred = { ...inferConfig(name, shapes), ...start };
  const make = (classes: number) => networkFromConfig(name, { ...inferred, classes });
  let network: Network;
  try {
    network = make(2);
    const classes = countClasses(make, (wanted) => inside.get(scheme.rename(wanted)));
    if (classes !== undefined) network = make(classes);
  } catch (error) {
    // Shapes that give no network: another scheme or network may fit.
    if (error instanceof UserError) return undefined;
    throw error;
  }
  const names = foreignNames(network, scheme);
  const found = new Map<string, ForeignTensor>();
  const missing: string[] = [];
  for (const [own, foreign] of names) {
    const tensor = inside.get(foreign);
    inside.delete(foreign);
    if (tensor) found.set(own, tensor);
    else missing.push(foreign);
  }
  const fits = found.size / names.size;
  for (const [key, tensor] of inside) found.set(key, tensor);
  const others = places
    .filter((other) => other !== place && other.count === place.count)
    .map((other) => other.prefix);
  return { network, prefix, tensors: found, missing, others, share: fits };
}

const usual = new WeakMap<Scheme, Map<string, ReadonlySet<string>>>();

/** Names of a scheme in one configuration of a network; kept, since every file is compared with all of them. */
function usualNames(
  name: string,
  config: Readonly<Record<string, unknown>>,
  scheme: Scheme,
): ReadonlySet<string> {
  const key = `${name} ${JSON.stringify(config)}`;
  const known = usual.get(scheme) ?? new Map<string, ReadonlySet<string>>();
  usual.set(scheme, known);
  let names = known.get(key);
  if (!names) {
    names = new Set(foreignNames(networkFromConfig(name, { ...config, classes: 2 }), scheme).values());
    known.set(key, names);
  }
  return names;
}

/** Names of a network's tensors in its exported `state_dict` → those of a scheme. */
function foreignNames(network: Network, scheme: Scheme): Map<string, string> {
  const names = pytorchNames(tensorsOf(network).keys()).values();
  return new Map([...names].map((name) => [name, scheme.rename(name)]));
}

/** What stands before wanted names, at the start or after a dot, and how many of them it stands before; most first. */
function prefixesOf(
  names: Iterable<string>,
  wanted: ReadonlySet<string>,
): { prefix: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const name of names) {
    for (let at = 0, parts = 0; at >= 0 && parts < deepest; parts++) {
      if (wanted.has(name.slice(at))) {
        const prefix = name.slice(0, at);
        counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
      }
      const dot = name.indexOf('.', at);
      at = dot < 0 ? -1 : dot + 1;
    }
  }
  return [...counts].map(([prefix, count]) => ({ prefix, count })).sort((a, b) => b.count - a.count);
}
