import { Span } from './span';

@unmanaged
class AdamArgs {
  param: usize;
  grad: usize;
  m: usize;
  v: usize;
  newParam: usize;
  newM: usize;
  newV: usize;
  hyper: usize;
  elements: Span;
}

/** Members in the order of `adamHyper`. */
@unmanaged
class AdamHyper {
  learningRate: f32;
  beta1: f32;
  beta2: f32;
  eps: f32;
  weightDecay: f32;
  decoupledDecay: f32;
  correction1: f32;
  correction2: f32;
}

export function adam(a: AdamArgs, chunk: i32, local: usize): void {
  const h = changetype<AdamHyper>(a.hyper);
  const beta1 = h.beta1;
  const beta2 = h.beta2;
  const keep: f32 = (1 as f32) - h.learningRate * h.decoupledDecay;
  const step = h.learningRate / h.correction1;
  const root2 = sqrt<f32>(h.correction2);
  let i = (a.elements.first(chunk) as usize) << 2;
  const end = (a.elements.last(chunk) as usize) << 2;
  const body = i + ((end - i) & ~15);
  for (; i < body; i += 16) {
    const p = v128.load(a.param + i);
    const g = f32x4.add(v128.load(a.grad + i), f32x4.mul(f32x4.splat(h.weightDecay), p));
    const m = f32x4.add(f32x4.mul(f32x4.splat(beta1), v128.load(a.m + i)), f32x4.mul(f32x4.splat(1 - beta1), g));
    const v = f32x4.add(
      f32x4.mul(f32x4.splat(beta2), v128.load(a.v + i)),
      f32x4.mul(f32x4.splat(1 - beta2), f32x4.mul(g, g)),
    );
    const d = f32x4.add(f32x4.div(f32x4.sqrt(v), f32x4.splat(root2)), f32x4.splat(h.eps));
    v128.store(a.newM + i, m);
    v128.store(a.newV + i, v);
    v128.store(
      a.newParam + i,
      f32x4.sub(f32x4.mul(f32x4.splat(keep), p), f32x4.mul(f32x4.splat(step), f32x4.div(m, d))),
    );
  }
  for (; i < end; i += 4) {
    const p = load<f32>(a.param + i);
    const g = load<f32>(a.grad + i) + h.weightDecay * p;
    const m = beta1 * load<f32>(a.m + i) + (1 - beta1) * g;
    const v = beta2 * load<f32>(a.v + i) + (1 - beta2) * (g * g);
    store<f32>(a.newM + i, m);
    store<f32>(a.newV + i, v);
    store<f32>(a.newParam + i, keep * p - step * (m / (sqrt<f32>(v) / root2 + h.eps)));
  }
}
