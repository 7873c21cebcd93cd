import { UserError } from '../errors.js';

/** A group of classes by train id. */
export interface Category {
  readonly name: string;
  readonly classes: readonly number[];
}

/** Weighted true-positive and false-negative pixels. */
export interface WeightedPixels {
  tp: number;
  fn: number;
}

/** What {@link InstanceCounter} gathers; by train id and by category name. */
export interface InstanceTotals {
  readonly classes: ReadonlyMap<number, Readonly<WeightedPixels>>;
  /** Only categories whose classes all have instances. */
  readonly categories: ReadonlyMap<string, Readonly<WeightedPixels>>;
}

/** Average instance sizes in pixels over the Cityscapes training set, at 1024×2048, as its benchmark fixes them. */
export const cityscapesInstanceSizes: Readonly<Record<string, number>> = {
  person: 3462.4756337644,
  rider: 3930.4788056518,
  car: 12794.0202738185,
  truck: 27855.1264367816,
  bus: 35732.1511111111,
  train: 67583.7075812274,
  motorcycle: 6298.7200839748,
  bicycle: 4672.3249222261,
};

/** A class whose objects are numbered in the instance files. */
export interface InstanceClass {
  readonly trainId: number;
  /** Instance values `raw·1000 + n` belong to this class. */
  readonly raw: number;
  /** Average instance size of the class, in pixels. */
  readonly averageSize: number;
}

/**
 * Gathers the instance-weighted pixels of the Cityscapes iIoU: each instance's true positives and false
 * negatives are weighted by `average instance size of its class / size of this instance`, so that every object
 * counts alike whatever its distance. Instances of categories count as found where any class of the category
 * is predicted.
 */
export class InstanceCounter implements InstanceTotals {
  readonly classes: ReadonlyMap<number, WeightedPixels>;
  readonly categories: ReadonlyMap<string, WeightedPixels>;
  private readonly byRaw: ReadonlyMap<number, InstanceClass>;
  private readonly categoryOf = new Map<number, { total: WeightedPixels; members: ReadonlySet<number> }>();

  constructor(instanceClasses: readonly InstanceClass[], categories: readonly Category[] = []) {
    this.byRaw = new Map(instanceClasses.map((entry) => [entry.raw, entry]));
    this.classes = new Map(instanceClasses.map(({ trainId }) => [trainId, { tp: 0, fn: 0 }]));
    const withInstances = categories.filter(({ classes }) => classes.every((c) => this.classes.has(c)));
    this.categories = new Map(withInstances.map(({ name }) => [name, { tp: 0, fn: 0 }]));
    for (const { name, classes } of withInstances) {
      const entry = { total: this.categories.get(name)!, members: new Set(classes) };
      for (const c of classes) this.categoryOf.set(c, entry);
    }
  }

  /**
   * Adds one image.
   * @param instances `raw·1000 + n` on objects; values up to 1000 are no instances.
   * @param prediction train id of each pixel.
   * @throws UserError where the lengths differ.
   */
  add(instances: Uint16Array | Uint8Array, prediction: Uint8Array): void {
    if (instances.length !== prediction.length) {
      throw new UserError(
        `instance map has ${instances.length} pixels but the prediction has ${prediction.length}; both must have the same size`,
      );
    }
    const found = new Map<number, { size: number; correct: number; inCategory: number }>();
    for (let i = 0; i < instances.length; i++) {
      const value = instances[i];
      if (value <= 1000) continue;
      const owner = this.byRaw.get(Math.floor(value / 1000));
      if (!owner) continue;
      let entry = found.get(value);
      if (!entry) {
        entry = { size: 0, correct: 0, inCategory: 0 };
        found.set(value, entry);
      }
      entry.size++;
      if (prediction[i] === owner.trainId) entry.correct++;
      if (this.categoryOf.get(owner.trainId)?.members.has(prediction[i])) entry.inCategory++;
    }
    for (const [value, { size, correct, inCategory }] of found) {
      const owner = this.byRaw.get(Math.floor(value / 1000))!;
      const weight = owner.averageSize / size;
      accumulate(this.classes.get(owner.trainId)!, weight * correct, weight * (size - correct));
      const category = this.categoryOf.get(owner.trainId);
      if (category) accumulate(category.total, weight * inCategory, weight * (size - inCategory));
    }
  }

  /** All totals as numbers: true positives and false negatives of each class, then of each category. */
  values(): number[] {
    return [...this.classes.values(), ...this.categories.values()].flatMap(({ tp, fn }) => [tp, fn]);
  }

  /** Adds the {@link values} of a counter of the same classes. */
  addValues(values: readonly number[]): void {
    const totals = [...this.classes.values(), ...this.categories.values()];
    for (const [i, total] of totals.entries()) accumulate(total, values[2 * i], values[2 * i + 1]);
  }
}

function accumulate(total: WeightedPixels, tp: number, fn: number): void {
  total.tp += tp;
  total.fn += fn;
}
