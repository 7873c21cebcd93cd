import { UserError } from '../errors.js';
import type { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import type { Network } from './network.js';

/** A schema of any library that follows the Standard Schema (zod, valibot, ArkType): https://standardschema.dev */
export interface Schema<Input, Output> {
  readonly '~standard': {
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output };
  };
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[];
}

/** Makes networks of one kind. Its `name` is what files and `networkFromConfig` know it by. */
export interface NetworkKind<Options = never> {
  /** @throws UserError naming what is wrong with the options. */
  (options: Options): Network;
  readonly name: string;
  /** The same for options from a file, of which nothing is known. */
  fromConfig(config: unknown): Network;
}

/**
 * Defines a kind of network: everything that a network's author writes.
 *
 *     const tiny = defineNetwork('tiny', z.object({ classes: z.int(), width: z.int().default(16) }), (b, images, config) => {
 *       const x = b.conv('stem', images, { out: config.width, kernel: 3, stride: 2, normalize: imageNorm });
 *       return b.conv('head', b.batchNorm('norm', x, { act: 'relu' }), { out: config.classes, kernel: 1, bias: true });
 *     });
 *     const network = tiny({ classes: 4 });
 *
 * @param name unlike that of any other kind; stored in model files with the checked options.
 * @param schema of the options; they must be JSON, as model files hold them.
 * @param build writes the network down: `images` is u8 `N×H×W×3`, the result logits `N×h×w×classes` at any resolution.
 */
export function defineNetwork<
  Input extends { readonly classes: number },
  Output extends { readonly classes: number },
>(
  name: string,
  schema: Schema<Input, Output>,
  build: (b: Builder, images: Value, config: Output) => Value,
): NetworkKind<Input> {
  const fromConfig = (given: unknown): Network => {
    const config = parse(name, schema, given);
    return {
      name,
      classes: config.classes,
      config: { ...config },
      alignCorners: 'alignCorners' in config && config.alignCorners === true,
      build: (b, images) => build(b, images, config),
    };
  };
  const kind = (options: Input) => fromConfig(options);
  return Object.defineProperty(Object.assign(kind, { fromConfig }), 'name', { value: name });
}

function parse<Output>(name: string, schema: Schema<unknown, Output>, given: unknown): Output {
  const result = schema['~standard'].validate(given);
  if (result instanceof Promise) throw new TypeError(`network ${name}: its schema may not be asynchronous`);
  if (!result.issues) return result.value;
  const [{ message, path = [] }] = result.issues;
  const where = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  throw new UserError(`network ${name}: ${where || 'configuration'}: ${message}`);
}

/** The network of a name and configuration, among kinds. @throws UserError naming what is wrong with it. */
export function networkOfKind(name: string, config: unknown, kinds: readonly NetworkKind[]): Network {
  const kind = kinds.find((candidate) => candidate.name === name);
  if (!kind)
    throw new UserError(`unknown network ${name}: known are ${kinds.map(({ name }) => name).join(', ')}`);
  return kind.fromConfig(config);
}
