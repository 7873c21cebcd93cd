import type { ClassTable } from '../data/classes.js';
import { runsChart } from './charts.js';
import type { ScorePoint } from './data.js';
import { escapeHtml } from './escape.js';
import { card, grid, legend, page, pictureRow } from './page.js';

/** One model of a comparison. */
export interface ComparedModel {
  /** Short and unique. */
  readonly name: string;
  /** Cells of the table, as many as `columns`. */
  readonly cells: readonly string[];
  /** Validations while it was trained; empty for a bare model file. */
  readonly scores: readonly ScorePoint[];
}

/** One image with what each model makes of it, as `data:` URIs. */
export interface ComparedImage {
  readonly name: string;
  readonly image: string;
  /** In the order of the models. */
  readonly predictions: readonly string[];
  readonly truth?: string;
}

export interface Comparison {
  readonly subtitle: string;
  readonly columns: readonly string[];
  readonly models: readonly ComparedModel[];
  readonly classes: Pick<ClassTable, 'names' | 'colours'>;
  readonly images: readonly ComparedImage[];
}

/** Several models side by side as one self-contained page: table, curves, and input | each model | truth. */
export function renderComparison({ subtitle, columns, models, classes, images }: Comparison): string {
  const head = ['', ...columns].map((title) => `<th>${escapeHtml(title)}</th>`).join('');
  const rows = models.map(
    ({ name, cells }) =>
      `<tr><td>${escapeHtml(name)}</td>${cells.map((cell) => `<td class="value">${escapeHtml(cell)}</td>`).join('')}</tr>`,
  );
  const table = `<div class="scroll"><table class="runs"><tr>${head}</tr>${rows.join('')}</table></div>`;
  const trained = models.filter(({ scores }) => scores.length > 0);
  const pictures = images.map(({ name, image, predictions, truth }) =>
    pictureRow(name, '', [
      { label: 'input', source: image },
      ...predictions.map((source, i) => ({ label: models[i].name, source })),
      ...(truth ? [{ label: 'truth', source: truth }] : []),
    ]),
  );
  const colours = classes.names.map((name, i) => ({ name, colour: classes.colours[i] }));
  return page(
    { title: `${models.length} models compared`, subtitle },
    [
      `<section><div class="card">${table}</div></section>`,
      grid('Learning', trained.length > 0 ? [card('Validation mIoU', runsChart(trained))] : []),
      pictures.length > 0
        ? `<section><h2>Input, each model, truth</h2>${legend(colours)}<div class="samples">${pictures.join('\n')}</div></section>`
        : '',
    ].join('\n'),
  );
}
