/** A function of numbers, as data: every backend makes its own text or code of it. */
export type Expression =
  /** What the function is of, by name: elements of feature maps, parameters of the channel, attributes. */
  | { readonly kind: 'operand'; readonly name: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'add' | 'multiply' | 'max' | 'min'; readonly a: Expression; readonly b: Expression }
  | { readonly kind: 'multiplyAdd'; readonly a: Expression; readonly b: Expression; readonly c: Expression }
  | { readonly kind: 'prelu'; readonly a: Expression; readonly slope: Expression }
  | { readonly kind: 'sigmoid'; readonly a: Expression }
  | {
      readonly kind: 'where';
      readonly condition: Expression;
      readonly a: Expression;
      readonly b: Expression;
    };

/** What each part of an expression becomes. */
export interface Translation<T> {
  operand(name: string): T;
  number(value: number): T;
  add(a: T, b: T): T;
  multiply(a: T, b: T): T;
  /** `a·b + c`, in one rounding where there is such an instruction. */
  multiplyAdd(a: T, b: T, c: T): T;
  max(a: T, b: T): T;
  min(a: T, b: T): T;
  /** `a > 0 ? a : slope·a`. */
  prelu(a: T, slope: T): T;
  /** `1/(1 + e⁻ᵃ)`. */
  sigmoid(a: T): T;
  /** `condition > 0 ? a : b`. */
  where(condition: T, a: T, b: T): T;
}

/** Turns an expression into something else, from the inside out. */
export function translate<T>(expression: Expression, into: Translation<T>): T {
  const of = (e: Expression): T => translate(e, into);
  switch (expression.kind) {
    case 'operand':
      return into.operand(expression.name);
    case 'number':
      return into.number(expression.value);
    case 'sigmoid':
      return into.sigmoid(of(expression.a));
    case 'prelu':
      return into.prelu(of(expression.a), of(expression.slope));
    case 'multiplyAdd':
      return into.multiplyAdd(of(expression.a), of(expression.b), of(expression.c));
    case 'where':
      return into.where(of(expression.condition), of(expression.a), of(expression.b));
    default:
      return into[expression.kind](of(expression.a), of(expression.b));
  }
}

/**
 * An expression as the text of a program: what is computed has a name and a line, and what occurs twice is computed once.
 * @param into the text of one operation of named values.
 * @param declare the line that names a value.
 * @returns the lines, and the name of the whole.
 */
export function program(
  expression: Expression,
  into: Translation<string>,
  declare: (name: string, text: string) => string,
): { readonly lines: readonly string[]; readonly result: string } {
  const names = new Map<string, string>();
  const lines: string[] = [];
  const named =
    (make: (...operands: string[]) => string) =>
    (...operands: string[]): string => {
      const text = make(...operands);
      const known = names.get(text);
      if (known) return known;
      const name = `t${names.size}`;
      names.set(text, name);
      lines.push(declare(name, text));
      return name;
    };
  const { operand, number, add, multiply, multiplyAdd, max, min, prelu, sigmoid, where } = into;
  const result = translate<string>(expression, {
    ...{ operand, number },
    ...{ add: named(add), multiply: named(multiply), multiplyAdd: named(multiplyAdd) },
    ...{ max: named(max), min: named(min) },
    ...{ prelu: named(prelu), sigmoid: named(sigmoid), where: named(where) },
  });
  return { lines, result };
}

type Operand = Expression | number;
const expressionOf = (e: Operand): Expression => (typeof e === 'number' ? { kind: 'number', value: e } : e);
const isNumber = (e: Expression, value: number): boolean => e.kind === 'number' && e.value === value;

export const operand = (name: string): Expression => ({ kind: 'operand', name });
export const x = operand('x');
/** The function's own result, in gradients that are easier to say with it. */
export const y = operand('y');
/** The gradient that comes in. */
export const g = operand('g');

export function add(left: Operand, right: Operand): Expression {
  const [a, b] = [expressionOf(left), expressionOf(right)];
  if (a.kind === 'number' && b.kind === 'number') return expressionOf(a.value + b.value);
  if (isNumber(a, 0)) return b;
  return isNumber(b, 0) ? a : { kind: 'add', a, b };
}

export function multiply(left: Operand, right: Operand): Expression {
  const [a, b] = [expressionOf(left), expressionOf(right)];
  if (a.kind === 'number' && b.kind === 'number') return expressionOf(a.value * b.value);
  if (isNumber(a, 0) || isNumber(b, 1)) return a;
  return isNumber(b, 0) || isNumber(a, 1) ? b : { kind: 'multiply', a, b };
}

export const multiplyAdd = (a: Expression, b: Expression, c: Expression): Expression => ({
  ...{ kind: 'multiplyAdd', a, b, c },
});
export const max = (a: Operand, b: Operand): Expression => ({
  kind: 'max',
  a: expressionOf(a),
  b: expressionOf(b),
});
export const min = (a: Operand, b: Operand): Expression => ({
  kind: 'min',
  a: expressionOf(a),
  b: expressionOf(b),
});
export const sigmoid = (a: Operand): Expression => ({ kind: 'sigmoid', a: expressionOf(a) });

/** `a > 0 ? a : slope·a`. */
export const prelu = (a: Expression, slope: Expression): Expression => ({ kind: 'prelu', a, slope });

/** `condition > 0 ? a : b`. */
export function where(condition: Expression, left: Operand, right: Operand): Expression {
  const [a, b] = [expressionOf(left), expressionOf(right)];
  if (a.kind === 'number' && b.kind === 'number' && a.value === b.value) return a;
  return { kind: 'where', condition, a, b };
}

/** An expression of x with its slope. */
interface Dual {
  readonly value: Expression;
  readonly slope: Expression;
}

/** The derivative of an expression of x, by the rules of calculus; at a kink that of the second argument. */
export function derivative(expression: Expression): Expression {
  const choice =
    (better: (a: Expression, b: Expression) => Expression, combine: typeof max) =>
    (a: Dual, b: Dual): Dual => ({
      value: combine(a.value, b.value),
      slope: where(better(a.value, b.value), a.slope, b.slope),
    });
  return translate<Dual>(expression, {
    operand: (name) => ({ value: operand(name), slope: expressionOf(name === 'x' ? 1 : 0) }),
    number: (value) => ({ value: expressionOf(value), slope: expressionOf(0) }),
    add: (a, b) => ({ value: add(a.value, b.value), slope: add(a.slope, b.slope) }),
    multiply: (a, b) => ({
      value: multiply(a.value, b.value),
      slope: add(multiply(a.slope, b.value), multiply(a.value, b.slope)),
    }),
    multiplyAdd: (a, b, c) => ({
      value: multiplyAdd(a.value, b.value, c.value),
      slope: add(add(multiply(a.slope, b.value), multiply(a.value, b.slope)), c.slope),
    }),
    max: choice((a, b) => add(a, multiply(-1, b)), max),
    min: choice((a, b) => add(b, multiply(-1, a)), min),
    prelu: (a, slope) => ({
      value: prelu(a.value, slope.value),
      slope: where(a.value, a.slope, multiply(slope.value, a.slope)),
    }),
    sigmoid(a) {
      const s = sigmoid(a.value);
      return { value: s, slope: multiply(multiply(s, add(1, multiply(-1, s))), a.slope) };
    },
    where: (condition, a, b) => ({
      value: where(condition.value, a.value, b.value),
      slope: where(condition.value, a.slope, b.slope),
    }),
  }).slope;
}

/** The value of an expression in float64. @param of the values of its operands. */
export const evaluate = (expression: Expression, of: (name: string) => number): number =>
  translate<number>(expression, {
    operand: of,
    number: (value) => value,
    add: (a, b) => a + b,
    multiply: (a, b) => a * b,
    multiplyAdd: (a, b, c) => a * b + c,
    max: Math.max,
    min: Math.min,
    prelu: (a, slope) => (a > 0 ? a : slope * a),
    sigmoid: (a) => 1 / (1 + Math.exp(-a)),
    where: (condition, a, b) => (condition > 0 ? a : b),
  });

/** Sums over an expression: of its operands, and of its operations, where a sigmoid counts `ten`. */
const count = (expression: Expression, operand: (name: string) => number, one: number, ten: number): number =>
  translate<number>(expression, {
    ...{ operand, number: () => 0 },
    add: (a, b) => a + b + one,
    multiply: (a, b) => a + b + one,
    multiplyAdd: (a, b, c) => a + b + c + 2 * one,
    max: (a, b) => a + b + one,
    min: (a, b) => a + b + one,
    prelu: (a, slope) => a + slope + one,
    sigmoid: (a) => a + ten,
    where: (condition, a, b) => condition + a + b + one,
  });

/** Floating-point operations of one evaluation; a sigmoid counts as ten. */
export const workOf = (expression: Expression): number => count(expression, () => 0, 1, 10);

/** Whether an expression reads the function's result. */
export const readsResult = (expression: Expression): boolean =>
  count(expression, (name) => Number(name === 'y'), 0, 0) > 0;
