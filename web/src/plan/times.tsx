import { useEffect, useState } from 'preact/hooks';
import type { Network } from '../library.ts';
import { compile } from '../library.ts';
import { Scroll } from '../parts/scroll.tsx';
import { sentence } from '../parts/sentence.ts';
import { text } from '../text.ts';

const words = text.plan;
/** Kernel calls that are listed. */
const listed = 12;
/** Runs of which the fastest time of each call counts; one before them compiles. */
const runs = 5;

interface Timed {
  readonly label: string;
  readonly op: string;
  readonly ms: number;
  readonly flops: number;
}

interface Measured {
  readonly calls: readonly Timed[];
  readonly total: number;
}

async function measure(network: Network, height: number, width: number): Promise<Measured> {
  const executor = await compile(network, { mode: 'infer', device: 'wasm', batch: 1, height, width });
  try {
    await executor.run('forward');
    let fastest: Float64Array | undefined;
    const totalOf = (profile: Float64Array) => profile.reduce((sum, ms) => sum + ms, 0);
    for (let i = 0; i < runs; i++) {
      const profile = await executor.profile('forward');
      if (!fastest || totalOf(profile) < totalOf(fastest)) fastest = profile;
    }
    const calls = executor.plan.calls
      .filter(({ phase }) => phase === 'forward')
      .map(({ label, op, flops }, i) => ({ label, op, flops, ms: fastest![i] }));
    return { calls, total: calls.reduce((sum, { ms }) => sum + ms, 0) };
  } finally {
    await executor.dispose();
  }
}

interface TimesProps {
  readonly network: Network;
  readonly height: number;
  readonly width: number;
  readonly onProblem: (message: string) => void;
}

/** Each kernel's time in one picture, measured on this machine's CPU cores when it is asked for. */
export function Times({ network, height, width, onProblem }: TimesProps) {
  const [measured, setMeasured] = useState<Measured | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  useEffect(() => setMeasured(undefined), [network, height, width]);
  const start = () => {
    setBusy(true);
    measure(network, height, width)
      .then(setMeasured, (error: unknown) => onProblem(sentence(error, { name: network.name, way: 'plan' })))
      .finally(() => setBusy(false));
  };
  const slowest = measured && [...measured.calls].sort((a, b) => b.ms - a.ms).slice(0, listed);
  return (
    <div class="card">
      <h2>{words.times}</h2>
      <p class="note">{words.timesAbout}</p>
      <div class="bar">
        <button type="button" disabled={busy} onClick={start}>
          {busy ? words.measuring : words.measure}
        </button>
        {measured && (
          <strong data-fact="total">{words.timesTotal(measured.total, measured.calls.length)}</strong>
        )}
      </div>
      {slowest && (
        <Scroll label={words.slowest}>
          <table>
            <thead>
              <tr>
                <th>{words.kernel}</th>
                <th>ms</th>
                <th>{words.timesShare}</th>
                <th>GFLOP/s</th>
              </tr>
            </thead>
            <tbody>
              {slowest.map(({ label, op, ms, flops }) => (
                <tr key={label + op}>
                  <th scope="row">
                    {label} <span class="dim">{op}</span>
                  </th>
                  <td>{ms.toFixed(2)}</td>
                  <td>{((100 * ms) / measured.total).toFixed(0)} %</td>
                  <td>{ms > 0 && flops > 0 ? (flops / ms / 1e6).toFixed(0) : '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </div>
  );
}
