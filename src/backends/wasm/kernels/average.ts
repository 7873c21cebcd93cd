import { Span } from './span';

@unmanaged
class AverageArgs {
  x: usize;
  average: usize;
  decay: usize;
  newAverage: usize;
  elements: Span;
}

export function average(a: AverageArgs, chunk: i32, local: usize): void {
  const share: f32 = (1 as f32) - load<f32>(a.decay);
  const share4 = f32x4.splat(share);
  let i = (a.elements.first(chunk) as usize) << 2;
  const end = (a.elements.last(chunk) as usize) << 2;
  const body = i + ((end - i) & ~15);
  for (; i < body; i += 16) {
    const before = v128.load(a.average + i);
    v128.store(a.newAverage + i, f32x4.add(before, f32x4.mul(share4, f32x4.sub(v128.load(a.x + i), before))));
  }
  for (; i < end; i += 4) {
    const before = load<f32>(a.average + i);
    store<f32>(a.newAverage + i, before + share * (load<f32>(a.x + i) - before));
  }
}
