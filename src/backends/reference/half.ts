const bits = new Uint32Array(2);
const number = new Float64Array(bits.buffer);
/** Which word holds the exponent. */
number[0] = 1;
const high = bits[1] === 0 ? 0 : 1;

/** Adding and subtracting it leaves a whole number, ties to even, of anything below 2⁵¹. */
const toWhole = 1.5 * 2 ** 52;

/** The nearest float16 of a number, ties to even; infinity beyond 65504. */
export function roundToHalf(value: number): number {
  const size = Math.abs(value);
  if (!(size < 65520)) return Number.isNaN(value) ? value : Math.sign(value) * Number.POSITIVE_INFINITY;
  number[0] = size;
  const exponent = Math.max(-14, ((bits[high] >>> 20) & 0x7ff) - 1023);
  const step = 2 ** (exponent - 10);
  const rounded = (size / step + toWhole - toWhole) * step;
  return value < 0 ? -rounded : rounded;
}
