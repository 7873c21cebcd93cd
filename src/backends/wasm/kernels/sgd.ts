import { Span } from './span';

@unmanaged
class SgdArgs {
  param: usize;
  grad: usize;
  velocity: usize;
  hyper: usize;
  newParam: usize;
  newVelocity: usize;
  elements: Span;
}

/** Members in the order of `sgdHyper`. */
@unmanaged
class SgdHyper {
  learningRate: f32;
  momentum: f32;
  weightDecay: f32;
}

export function sgd(a: SgdArgs, chunk: i32, local: usize): void {
  const h = changetype<SgdHyper>(a.hyper);
  const momentum = f32x4.splat(h.momentum);
  const weightDecay = f32x4.splat(h.weightDecay);
  const learningRate = f32x4.splat(h.learningRate);
  let i = (a.elements.first(chunk) as usize) << 2;
  const end = (a.elements.last(chunk) as usize) << 2;
  const body = i + ((end - i) & ~15);
  for (; i < body; i += 16) {
    const p = v128.load(a.param + i);
    const g = f32x4.add(v128.load(a.grad + i), f32x4.mul(weightDecay, p));
    const v = f32x4.add(f32x4.mul(momentum, v128.load(a.velocity + i)), g);
    v128.store(a.newVelocity + i, v);
    v128.store(a.newParam + i, f32x4.sub(p, f32x4.mul(learningRate, v)));
  }
  for (; i < end; i += 4) {
    const p = load<f32>(a.param + i);
    const v = h.momentum * load<f32>(a.velocity + i) + (load<f32>(a.grad + i) + h.weightDecay * p);
    store<f32>(a.newVelocity + i, v);
    store<f32>(a.newParam + i, p - h.learningRate * v);
  }
}
