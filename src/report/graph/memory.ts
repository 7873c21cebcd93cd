import { stageOf } from '../../graph/cost.js';
import type { Plan, TensorRef } from '../../graph/planned.js';
import { elementBytes, formatShape } from '../../ir/value.js';
import { escapeHtml } from '../escape.js';
import { formatBytes } from '../format.js';

/** A tensor's stay in the arena: calls `first` to `last`, bytes `start` to `end`. */
export interface Stay {
  readonly name: string;
  readonly stage: string;
  readonly what: string;
  readonly first: number;
  readonly last: number;
  readonly start: number;
  readonly end: number;
}

const placed = (refs: object): TensorRef[] =>
  Object.values<TensorRef | undefined>(refs as never).filter((ref) => ref !== undefined);

/**
 * Where every tensor of a run lies from the first call that touches it to the last, and every call's private memory.
 * A range of channels of a wider tensor takes its share of the bytes, though its pixels lie between those of the others.
 */
export function staysOf(plan: Plan): Stay[] {
  const entries: { readonly ref: TensorRef; readonly label: string; readonly first: number; last: number }[] =
    [];
  const latest = new Map<string, (typeof entries)[number]>();
  plan.calls.forEach((call, at) => {
    const see = (ref: TensorRef, written: boolean) => {
      if (ref.offset < plan.persistentBytes) return;
      const key = `${ref.name} ${ref.offset}`;
      const known = latest.get(key);
      // Written again, a name is another tensor: constants that recomputation makes anew.
      if (known && (!written || known.last === at)) {
        known.last = at;
        return;
      }
      const entry = { ref, label: call.label, first: at, last: at };
      entries.push(entry);
      latest.set(key, entry);
    };
    for (const ref of placed(call.inputs)) see(ref, false);
    for (const ref of placed(call.outputs)) see(ref, true);
  });
  const stays = entries.map(({ ref, label, first, last }): Stay => {
    const { shape, dtype, pixelStride, offset, name } = ref;
    const pixel = pixelStride * elementBytes[dtype];
    const bytes = shape[0] * shape[1] * shape[2] * pixel;
    // Ranges of one tensor live together and start within its first pixel: the first of them says where it lies.
    const together = entries.filter(
      (other) =>
        other.ref.pixelStride === pixelStride &&
        Math.abs(other.ref.offset - offset) < pixel &&
        other.first <= last &&
        first <= other.last,
    );
    const whole = Math.min(...together.map((other) => other.ref.offset));
    const start = whole + ((offset - whole) / pixel) * bytes;
    return {
      name,
      stage: stageOf(label),
      what: `${name} ${formatShape(shape)} ${dtype}`,
      first,
      last,
      start,
      end: start + (shape[3] / pixelStride) * bytes,
    };
  });
  plan.calls.forEach(({ label, scratch }, at) => {
    if (scratch.bytes === 0) return;
    const place = { first: at, last: at, start: scratch.offset, end: scratch.offset + scratch.bytes };
    stays.push({ name: `${label} scratch`, stage: 'scratch', what: `private memory of ${label}`, ...place });
  });
  return stays;
}

const hues = [215, 25, 150, 280, 50, 185, 330, 100];
const colourOf = (stages: readonly string[], stage: string): string =>
  stage === 'scratch' ? 'var(--soft)' : `hsl(${hues[stages.indexOf(stage) % hues.length]} 62% 55%)`;

const [width, height, left, bottom, top] = [1000, 420, 62, 34, 10];

/** The arena over the calls of one run: each tensor where it lies and while it lives, and the bytes in use as a line. */
export function memoryMap(plan: Plan): string {
  const stays = staysOf(plan);
  const stages = [...new Set(stays.map(({ stage }) => stage))].filter((stage) => stage !== 'scratch');
  const x = (call: number) => left + ((width - left) * call) / plan.calls.length;
  const y = (bytes: number) => height - bottom - ((height - bottom - top) * bytes) / plan.arenaBytes;
  const round = (value: number) => Number(value.toFixed(2));
  const rect = (from: number, to: number, start: number, end: number, style: string, title: string) =>
    `<rect x="${round(x(from))}" y="${round(y(end))}" width="${round(x(to) - x(from))}" height="${round(y(start) - y(end))}" ${style}><title>${escapeHtml(title)}</title></rect>`;
  const blocks = stays.map(({ stage, what, first, last, start, end }) => {
    const calls = first === last ? `call ${first + 1}` : `calls ${first + 1} to ${last + 1}`;
    const title = `${what}: ${formatBytes(Math.round(end - start))}, ${calls}`;
    return rect(first, last + 1, start, end, `fill="${colourOf(stages, stage)}"`, title);
  });
  const persistent = rect(
    ...([0, plan.calls.length, 0, plan.persistentBytes] as const),
    'fill="currentColor" fill-opacity=".28"',
    `inputs, parameters and their state: ${formatBytes(plan.persistentBytes)}`,
  );
  const line = plan.timeline.map(
    ({ bytes }, i) => `${i ? 'H' : 'M'}${round(x(i))}${i ? '' : ' '}${i ? 'V' : ''}${round(y(bytes))}`,
  );
  const use = `<path d="${line.join('')}H${width}" fill="none" stroke="currentColor" stroke-width="1.5"/>`;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = round(y(share * plan.arenaBytes));
    return `<path d="M${left} ${at}H${width}" stroke="currentColor" stroke-opacity=".15"/><text x="${left - 6}" y="${at + 4}" text-anchor="end">${formatBytes(Math.round(share * plan.arenaBytes))}</text>`;
  });
  const starts = plan.calls.flatMap(({ phase }, i) =>
    i === 0 || plan.calls[i - 1].phase !== phase
      ? [
          `<text x="${round(x(i)) + (x(i) > width - 60 ? -2 : 2)}" y="${height - 12}"${x(i) > width - 60 ? ' text-anchor="end"' : ''}>${phase}</text><path d="M${round(x(i))} ${top}V${height - 8}" stroke="currentColor" stroke-opacity=".4" stroke-dasharray="3 3"/>`,
        ]
      : [],
  );
  const key = [...stages, 'scratch']
    .map((stage) => `<li><i style="background:${colourOf(stages, stage)}"></i>${escapeHtml(stage)}</li>`)
    .join('');
  return (
    `<ul class="legend">${key}<li><i style="background:currentColor;opacity:.35"></i>inputs, parameters, state</li></ul>` +
    `<div class="scroll"><svg class="map" viewBox="0 0 ${width} ${height}" role="img" aria-label="The arena over the calls of one run">` +
    `${ticks.join('')}${persistent}<g class="stays">${blocks.join('')}</g>${starts.join('')}${use}</svg></div>`
  );
}
