import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Plan } from '../library.ts';
import { compileInference, compileTraining, costOf, policies, wasmBackend } from '../library.ts';
import { Choice } from '../parts/choice.tsx';
import { Problem } from '../parts/problem.tsx';
import { Scroll } from '../parts/scroll.tsx';
import { sentence } from '../parts/sentence.ts';
import type { TabProps } from '../parts/tabs.ts';
import { text } from '../text.ts';
import { MemoryCurves } from './curves.tsx';
import { choices, loaded, useNetwork } from './network.ts';
import { Times } from './times.tsx';

const words = text.plan;
const sizes = ['128×256', '256×512', '360×480', '512×1024', '1024×2048'] as const;
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

type Policy = (typeof policies)[number];
interface Planned {
  readonly policy: Policy;
  readonly plan: Plan;
}

/** The plan of a network at a chosen size: memory over one training step under each policy, all without running it. */
export function PlanTab({ model }: TabProps) {
  const [choice, setChoice] = useState(loaded);
  const [size, setSize] = useState<(typeof sizes)[number]>('512×1024');
  const [batch, setBatch] = useState(4);
  const [plans, setPlans] = useState<readonly Planned[]>([]);
  const [inference, setInference] = useState<number | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const network = useNetwork(choice, model, (error) => setProblem(sentence(error)));
  useEffect(() => {
    setPlans([]);
    setInference(undefined);
    if (!network) return undefined;
    const [height, width] = size.split('×').map(Number);
    const { scratchBytes } = wasmBackend;
    let current = true;
    const work = async () => {
      for (const policy of policies) {
        // Planning takes a moment: the page is drawn in between.
        await new Promise((resolve) => setTimeout(resolve));
        if (!current) return;
        const plan = compileTraining(network, { batch, height, width, policy, scratchBytes });
        setPlans((before) => [...before, { policy, plan }]);
      }
      setInference(compileInference(network, { batch: 1, height, width, scratchBytes }).arenaBytes);
    };
    work().catch((error: unknown) => current && setProblem(sentence(error)));
    return () => {
      current = false;
    };
  }, [network, size, batch]);
  const [height, width] = size.split('×').map(Number);
  const costs = useMemo(() => plans.map(({ plan }) => costOf(plan).total), [plans]);
  return (
    <section class="plan" aria-label={text.tabs.plan}>
      <Problem message={problem} onClose={() => setProblem(undefined)} />
      <div class="card">
        <h2>{words.title}</h2>
        <p class="note">{words.about}</p>
        <div class="bar fields-row">
          <Choice
            label={words.network}
            value={choice}
            options={choices}
            title={(name) => (name === loaded ? words.loaded(model?.name) : name)}
            onChoose={setChoice}
          />
          <Choice label={words.size} value={size} options={sizes} onChoose={setSize} />
          <Choice label={words.batch} value={batch} options={[1, 2, 4, 8]} onChoose={setBatch} />
          <span role="status">{plans.length < policies.length ? words.planning : ''}</span>
        </div>
        <Scroll label={words.curves}>{plans.length > 0 && <MemoryCurves plans={plans} />}</Scroll>
        <Scroll label={words.needs}>
          <table>
            <thead>
              <tr>
                <td />
                <th>{words.arena}</th>
                <th>{words.kept}</th>
                <th>{words.work}</th>
                <th>{words.calls}</th>
              </tr>
            </thead>
            <tbody>
              {plans.map(({ policy, plan }, i) => {
                const { forward, recompute, backward } = costs[i].flops;
                return (
                  <tr key={policy} data-policy={policy}>
                    <th scope="row">
                      <i class={policy} />
                      {words.policies[policy]}
                    </th>
                    <td>{mib(plan.arenaBytes)}</td>
                    <td>{mib(costs[i].keptBytes)}</td>
                    <td>{((forward + recompute + backward) / 1e9).toFixed(1)} GFLOP</td>
                    <td>{plan.calls.length}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
        {inference !== undefined && (
          <p class="note">
            {words.inference} {mib(inference)}.
          </p>
        )}
      </div>
      {network && <Times {...{ network, height, width }} onProblem={setProblem} />}
    </section>
  );
}
