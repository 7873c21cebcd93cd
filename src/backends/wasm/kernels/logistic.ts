/**
 * `eˣ` to 2 units in the last place: `2ᵏ·p(r)`, `x = k·ln 2 + r`, coefficients of Cephes. Results below 2⁻¹²⁶ are 0,
 * those above e⁸⁸ stay there.
 */
// @ts-ignore: decorator
@inline
function exponential4(x: v128): v128 {
  const clipped = f32x4.min(x, f32x4.splat(88));
  const k = f32x4.nearest(f32x4.mul(clipped, f32x4.splat(1.44269504)));
  const r = f32x4.add(
    f32x4.sub(clipped, f32x4.mul(k, f32x4.splat(0.693359375))),
    f32x4.mul(k, f32x4.splat(2.1219444e-4)),
  );
  let p = f32x4.splat(1.98756915e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  const scale = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(k), i32x4.splat(127)), 23);
  const power = f32x4.mul(f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), f32x4.splat(1)), scale);
  return v128.andnot(power, f32x4.lt(x, f32x4.splat(-87)));
}

/** `1/(1 + e⁻ˣ)`. */
// @ts-ignore: decorator
@inline
export function logistic4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exponential4(f32x4.neg(x))));
}
