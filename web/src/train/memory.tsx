import { useEffect, useState } from 'preact/hooks';
import type { Plan } from '../library.ts';
import { compileInference, compileTraining, networkFromConfig, wasmBackend } from '../library.ts';
import { MemoryCurves } from '../plan/curves.tsx';
import { text } from '../text.ts';

const words = text.train;
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

interface MemoryProps {
  readonly classes: number;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

/** What a training step and a validation will take, before anything runs. */
export function Memory({ classes, batch, height, width }: MemoryProps) {
  const [plans, setPlans] = useState<{ step: Plan; validation: Plan } | undefined>(undefined);
  useEffect(() => {
    const { scratchBytes } = wasmBackend;
    // Planning takes a moment: not for every letter that is typed.
    const timer = setTimeout(() => {
      const network = networkFromConfig('vnet', { classes });
      const step = compileTraining(network, { batch, height, width, scratchBytes, classWeights: true });
      const validation = compileInference(network, { batch: 1, height, width, scratchBytes });
      setPlans({ step, validation });
    }, 150);
    return () => clearTimeout(timer);
  }, [classes, batch, height, width]);
  if (!plans) return null;
  const { step, validation } = plans;
  const usable = wasmBackend.usableBytes();
  return (
    <>
      <details class="memory">
        <summary>{words.memory(mib(step.arenaBytes), batch, height, width)}</summary>
        <p class="note">{words.memoryMore(mib(validation.arenaBytes), step.calls.length)}</p>
        <MemoryCurves plans={[{ policy: 'reversible', plan: step }]} />
      </details>
      {step.arenaBytes > usable && <p class="note">{words.memoryShort(mib(usable))}</p>}
    </>
  );
}
