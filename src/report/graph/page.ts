import type { Call, Plan, TensorRef } from '../../graph/planned.js';
import { formatShape } from '../../ir/value.js';
import { escapeHtml } from '../escape.js';
import { formatBytes, formatCount, formatExact, formatGiga, formatMiB } from '../format.js';
import { page } from '../page.js';
import { memoryMap } from './memory.js';
import type { AfterPass } from './passes.js';
import { passSections } from './passes.js';

const style = `<style>
.headline .card{min-width:0;overflow-wrap:anywhere}
.map{min-width:44rem;max-width:none!important;font-size:11px;fill:currentColor}
.stays rect{fill-opacity:.75;stroke:var(--card);stroke-width:.4}
.stays rect:hover{fill-opacity:1}
.pass{margin-top:1rem}
.pass td,.pass th,.calls td,.calls th{padding:0 .9rem 0 0;border:0;white-space:nowrap;font-size:.84rem;line-height:22px;text-align:left}
.pass .value,.calls .value{text-align:right;color:var(--dim)}
.lanes svg{display:block;max-width:none!important;margin:0!important;width:auto;overflow:visible}
.lanes path{fill:none;stroke:var(--accent);stroke-opacity:.55;stroke-width:1.5}
.lanes circle{fill:var(--accent)}
.pass .new td{background:color-mix(in srgb,var(--accent-3) 14%,transparent)}
.pass .new .lanes{background:none}
.pass .new circle{fill:var(--accent-3)}
</style>`;

const fact = (label: string, value: string, note: string): string =>
  `<div class="card"><span>${label}</span><b>${value}</b><span>${note}</span></div>`;

const place = (ref: TensorRef | undefined): string =>
  ref ? `${formatShape(ref.shape)} at ${formatExact(ref.offset)}` : '';

function callTable(plan: Plan): string {
  const row = (call: Call, i: number) => {
    const outputs = Object.values(call.outputs) as (TensorRef | undefined)[];
    return (
      `<tr><td class="value">${i + 1}</td><td>${call.phase}</td><td><b>${call.op}</b></td><td>${escapeHtml(call.label)}</td>` +
      `<td>${outputs.map(place).filter(Boolean).join(', ')}</td><td class="value">${formatMiB(call.scratch.bytes)}</td>` +
      `<td class="value">${formatMiB(plan.timeline[i].bytes)}</td><td class="value">${formatGiga(call.flops)}</td></tr>`
    );
  };
  const titles = ['#', 'phase', 'op', 'label', 'writes, at byte', 'scratch, MiB', 'in use, MiB', 'GFLOP'];
  const head = titles.map((title) => `<th>${title}</th>`).join('');
  return `<details class="card calls"><summary>plan: ${plan.calls.length} kernel calls</summary><div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${plan.calls.map(row).join('')}</tbody></table></div></details>`;
}

/** A network as its compilation sees it: memory over time, the graph after every pass, the calls of the plan. */
export function graphPage(title: string, subtitle: string, passes: readonly AfterPass[], plan: Plan): string {
  const { peak } = plan;
  const facts = [
    fact('arena', formatBytes(plan.arenaBytes), `${formatExact(plan.arenaBytes)} bytes`),
    fact(
      'peak',
      formatBytes(peak.bytes),
      `in ${escapeHtml(peak.label)}, call ${plan.timeline.indexOf(peak) + 1}`,
    ),
    fact('kernel calls', String(plan.calls.length), `of ${passes.at(-1)?.graph.nodes.length ?? 0} nodes`),
    fact('parameters', formatCount(plan.parameters), formatExact(plan.parameters)),
  ];
  return page(
    { title, subtitle },
    `${style}<div class="headline">${facts.join('')}</div>
<section><h2>Memory over time</h2><p class="dim">Every tensor where it lies in the arena and while it lives; the line is what is in use. Point at a block for its name.</p>
<div class="card">${memoryMap(plan)}</div></section>
<section><h2>The graph after every pass</h2><p class="dim">Lines are activations, from the node that writes one to the last that reads it. Green: new in this pass. Parameters and state are left out.</p>
${passSections(passes)}
<div class="pass">${callTable(plan)}</div></section>`,
  );
}
