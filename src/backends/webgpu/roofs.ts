import type { Capabilities } from './kernels/kernel.js';
import { leastCapabilities } from './kernels/kernel.js';

/** What a GPU reaches at most, as its maker says: of no use but as a roof over what is measured. */
export interface Roof {
  readonly title: string;
  /** GB/s of its memory. */
  readonly gbytes: number;
  /** TFLOP/s of fused multiply-adds in float32 and in float16, without units for matrices. */
  readonly f32: number;
  readonly f16: number;
  /** What kernels may use there. */
  readonly able: Capabilities;
}

const half = new Set(['shader-f16', 'subgroups']);
const able = (
  vendor: string,
  kibibytes: number,
  invocations: number,
  subgroupSize: number,
): Capabilities => ({
  ...leastCapabilities,
  workgroupBytes: kibibytes * 1024,
  invocations,
  features: half,
  subgroupSize,
  family: { vendor, architecture: '' },
});

/** By the name that `--roof` takes. */
export const roofs: Readonly<Record<string, Roof>> = {
  // NVIDIA H100 (SXM5) and H200 data sheets; float16 outside tensor cores: H100 architecture white paper, table 3.
  h100: { title: 'NVIDIA H100 SXM', gbytes: 3350, f32: 66.9, f16: 133.8, able: able('nvidia', 48, 1024, 32) },
  h200: { title: 'NVIDIA H200', gbytes: 4800, f32: 66.9, f16: 133.8, able: able('nvidia', 48, 1024, 32) },
  // NVIDIA Ada architecture white paper, table 2.
  rtx4090: {
    title: 'NVIDIA RTX 4090',
    gbytes: 1008,
    f32: 82.6,
    f16: 82.6,
    able: able('nvidia', 48, 1024, 32),
  },
  // Apple, "Apple unleashes M1" (2020): 2.6 TFLOP/s; LPDDR4X-4266 at 128 bits.
  m1: { title: 'Apple M1, 8 cores', gbytes: 68.2, f32: 2.6, f16: 2.6, able: able('apple', 32, 1024, 32) },
  // Intel ARK, i7-1185G7: 96 units of 8 lanes at 1.35 GHz, float16 at twice that; LPDDR4x-4266 at 128 bits.
  'iris-xe': {
    title: 'Intel Iris Xe, 96 EU',
    gbytes: 68.2,
    f32: 2.07,
    f16: 4.15,
    able: able('intel', 32, 1024, 0),
  },
};
