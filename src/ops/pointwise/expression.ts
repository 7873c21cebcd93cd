/** A function of one number, as data: every backend makes its own text or code of it. */
export type Expression =
  | { readonly kind: 'x' | 'y' | 'g' }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'add' | 'multiply' | 'max' | 'min'; readonly a: Expression; readonly b: Expression }
  | { readonly kind: 'sigmoid'; readonly a: Expression }
  | {
      readonly kind: 'where';
      readonly condition: Expression;
      readonly a: Expression;
      readonly b: Expression;
    };

/** What each part of an expression becomes. */
export interface Translation<T> {
  readonly x?: T;
  /** The function's own result, in gradients that are easier to say with it. */
  readonly y?: T;
  /** The gradient that comes in. */
  readonly g?: T;
  number(value: number): T;
  add(a: T, b: T): T;
  multiply(a: T, b: T): T;
  max(a: T, b: T): T;
  min(a: T, b: T): T;
  /** `1/(1 + e⁻ᵃ)`. */
  sigmoid(a: T): T;
  /** `condition > 0 ? a : b`. */
  where(condition: T, a: T, b: T): T;
}

/** Turns an expression into something else, from the inside out. */
export function translate<T>(expression: Expression, into: Translation<T>): T {
  const of = (e: Expression): T => translate(e, into);
  switch (expression.kind) {
    case 'x':
    case 'y':
    case 'g': {
      const value = into[expression.kind];
      if (value === undefined) throw new Error(`the expression needs ${expression.kind}`);
      return value;
    }
    case 'number':
      return into.number(expression.value);
    case 'sigmoid':
      return into.sigmoid(of(expression.a));
    case 'where':
      return into.where(of(expression.condition), of(expression.a), of(expression.b));
    default:
      return into[expression.kind](of(expression.a), of(expression.b));
  }
}

type Operand = Expression | number;
const expressionOf = (e: Operand): Expression => (typeof e === 'number' ? { kind: 'number', value: e } : e);
const isNumber = (e: Expression, value: number): boolean => e.kind === 'number' && e.value === value;

export const x: Expression = { kind: 'x' };
/** The function's own result. */
export const y: Expression = { kind: 'y' };
/** The gradient that comes in. */
export const g: Expression = { kind: 'g' };

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
    x: { value: x, slope: expressionOf(1) },
    number: (value) => ({ value: expressionOf(value), slope: expressionOf(0) }),
    add: (a, b) => ({ value: add(a.value, b.value), slope: add(a.slope, b.slope) }),
    multiply: (a, b) => ({
      value: multiply(a.value, b.value),
      slope: add(multiply(a.slope, b.value), multiply(a.value, b.slope)),
    }),
    max: choice((a, b) => add(a, multiply(-1, b)), max),
    min: choice((a, b) => add(b, multiply(-1, a)), min),
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

/** The value of an expression in float64. */
export const evaluate = (expression: Expression, at: Pick<Translation<number>, 'x' | 'y' | 'g'>): number =>
  translate<number>(expression, {
    ...at,
    number: (value) => value,
    add: (a, b) => a + b,
    multiply: (a, b) => a * b,
    max: Math.max,
    min: Math.min,
    sigmoid: (a) => 1 / (1 + Math.exp(-a)),
    where: (condition, a, b) => (condition > 0 ? a : b),
  });

/** Floating-point operations of one evaluation; a sigmoid counts as ten. */
export const workOf = (expression: Expression): number =>
  translate<number>(expression, {
    ...{ x: 0, y: 0, g: 0, number: () => 0, sigmoid: (a) => a + 10 },
    add: (a, b) => a + b + 1,
    multiply: (a, b) => a + b + 1,
    max: (a, b) => a + b + 1,
    min: (a, b) => a + b + 1,
    where: (condition, a, b) => condition + a + b + 1,
  });

/** Whether an expression reads the function's result. */
export const readsResult = (expression: Expression): boolean =>
  translate<boolean>(expression, {
    ...{ x: false, y: true, g: false, number: () => false, sigmoid: (a) => a },
    add: (a, b) => a || b,
    multiply: (a, b) => a || b,
    max: (a, b) => a || b,
    min: (a, b) => a || b,
    where: (condition, a, b) => condition || a || b,
  });
