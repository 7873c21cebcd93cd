import { classChart, lossChart, memoryChart, phaseColours, scoreChart } from './charts.js';
import type { Fact, ReportData, SampleImages } from './data.js';
import { escapeHtml } from './escape.js';
import { formatScore } from './format.js';
import { card, chartLegend, grid, legend, page, pictureRow } from './page.js';

/** Seconds after which the page of a run that goes on loads itself again. */
const reloadSeconds = 15;

const worstNote = '<p class="dim">The validation images with the lowest mIoU of their own, lowest first.</p>';

/** The report as one self-contained HTML page: styles, charts and images are inside, nothing is loaded. */
export function renderReport(data: ReportData): string {
  const { title, subtitle, running } = data;
  return page(
    { title, subtitle, ...(running ? { badge: 'training', reloadSeconds } : {}) },
    [
      headline(data.headline),
      curves(data),
      samples('Input, prediction, truth', legend(data.classes), data.samples),
      resources(data),
      samples('Worst images', worstNote, data.worst),
      settings(data.settings),
    ].join('\n'),
  );
}

const headline = (facts: readonly Fact[]): string =>
  `<div class="headline">${facts
    .map(
      ({ label, value, note }) =>
        `<div class="card"><span>${escapeHtml(label)}</span><b>${escapeHtml(value)}</b>${note ? `<span>${escapeHtml(note)}</span>` : ''}</div>`,
    )
    .join('')}</div>`;

function curves({ loss, scores, classes, images }: ReportData): string {
  const cards: string[] = [];
  if (loss.length > 1) {
    const lines = chartLegend([
      { text: 'as logged', colour: 'var(--accent)', style: 'faint' },
      { text: 'running mean over a twentieth of the run', colour: 'var(--accent)' },
    ]);
    cards.push(card('Loss', lossChart(loss) + lines));
  }
  if (scores.length > 0) {
    const rests = images === undefined ? '' : `, ${images} images`;
    const lines = chartLegend([
      { text: `validation split${rests}; the best is named`, colour: 'var(--accent-3)' },
    ]);
    cards.push(card('Validation mIoU', scoreChart(scores) + lines));
  }
  const scored = classes.some(({ iou }) => iou !== undefined);
  return grid('Learning', cards) + (scored ? classSection(classes) : '');
}

/** Many classes are cut into two charts side by side. */
function classSection(classes: ReportData['classes']): string {
  const half = classes.length > 8 ? Math.ceil(classes.length / 2) : classes.length;
  const parts = [classes.slice(0, half), classes.slice(half)].filter((part) => part.length > 0);
  const charts = parts.map((part) => `<div>${classChart(part, half)}</div>`).join('');
  return `<section><h2>IoU per class</h2><div class="card grid">${charts}</div></section>`;
}

function resources({ memory, time }: ReportData): string {
  const cards: string[] = [];
  if (memory) {
    const phases = [...new Set(memory.timeline.map(({ phase }) => phase))];
    const lines = chartLegend([
      ...phases.map((phase) => ({ text: phase, colour: phaseColours[phase] })),
      { text: 'size of the arena', colour: 'currentColor', style: 'dashed' },
    ]);
    cards.push(card('Arena over one training step', memoryChart(memory.timeline, memory.arenaBytes) + lines));
  }
  const tables = [
    memory ? card('Memory', table(memory.facts)) : '',
    time.length > 0 ? card('Time', table(time)) : '',
  ].filter(Boolean);
  if (tables.length > 0) cards.push(`<div class="samples">${tables.join('')}</div>`);
  return grid('Memory and time', cards);
}

const settings = (facts: readonly Fact[]): string =>
  facts.length > 0
    ? `<section><details class="card"><summary>Settings of this run</summary>${table(facts)}</details></section>`
    : '';

const table = (facts: readonly Fact[]): string =>
  `<table class="facts">${facts
    .map(
      ({ label, value, note }) =>
        `<tr><td>${escapeHtml(label)}${note ? `<small>${escapeHtml(note)}</small>` : ''}</td><td class="value">${escapeHtml(value)}</td></tr>`,
    )
    .join('')}</table>`;

function samples(title: string, about: string, list: readonly SampleImages[]): string {
  if (list.length === 0) return '';
  const rows = list.map(({ name, miou, image, prediction, truth }) =>
    pictureRow(name, miou === undefined ? '' : `${formatScore(miou)} % mIoU`, [
      { label: 'input', source: image },
      { label: 'prediction', source: prediction },
      ...(truth ? [{ label: 'truth', source: truth }] : []),
    ]),
  );
  return `<section><h2>${title}</h2>${about}<div class="samples">${rows.join('\n')}</div></section>`;
}
