import type { ClassScore } from './data.js';
import { escapeHtml } from './escape.js';
import { reportStyle } from './style.js';

export interface PageOptions {
  readonly title: string;
  readonly subtitle: string;
  /** A short mark behind the title. */
  readonly badge?: string;
  /** Seconds after which the page loads itself again. */
  readonly reloadSeconds?: number;
}

/** A self-contained HTML page around `body`: the style is inside, nothing is loaded. */
export function page({ title, subtitle, badge, reloadSeconds }: PageOptions, body: string): string {
  const refresh = reloadSeconds ? `<meta http-equiv="refresh" content="${reloadSeconds}">\n` : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh}<title>${escapeHtml(title)}</title>
<style>${reportStyle}</style>
</head>
<body>
<main>
<header>
<h1>${escapeHtml(title)}${badge ? `<span class="live">${escapeHtml(badge)}</span>` : ''}</h1>
<p class="dim">${escapeHtml(subtitle)}</p>
</header>
${body}
<footer>Made by vnet-segmentation. Everything on this page is inside this one file.</footer>
</main>
</body>
</html>
`;
}

export const card = (title: string, content: string): string =>
  `<div class="card"><h2>${escapeHtml(title)}</h2>${content}</div>`;

/** Cards side by side where there is room; nothing without cards. */
export const grid = (title: string, cards: readonly string[]): string =>
  cards.length > 0
    ? `<section><h2>${escapeHtml(title)}</h2><div class="grid">${cards.join('\n')}</div></section>`
    : '';

/** What the lines and colours of a chart stand for. `dashed`: a line that is broken. */
export const chartLegend = (
  entries: readonly { readonly text: string; readonly colour: string; readonly style?: 'faint' | 'dashed' }[],
): string =>
  `<ul class="legend lines">${entries
    .map(
      ({ text, colour, style = '' }) =>
        `<li><i class="${style}" style="--line-colour:${colour}"></i>${escapeHtml(text)}</li>`,
    )
    .join('')}</ul>`;

export const legend = (classes: readonly Pick<ClassScore, 'name' | 'colour'>[]): string =>
  `<ul class="legend">${classes
    .map(
      ({ name, colour }) => `<li><i style="background:rgb(${colour.join(',')})"></i>${escapeHtml(name)}</li>`,
    )
    .join('')}</ul>`;

/** Pictures of one image side by side, each with its label below; `source` is a `data:` URI. */
export function pictureRow(
  name: string,
  note: string,
  pictures: readonly { readonly label: string; readonly source: string }[],
): string {
  const parts = pictures.map(
    ({ label, source }) =>
      `<div><img src="${source}" alt="${escapeHtml(`${label} of ${name}`)}"><span>${escapeHtml(label)}</span></div>`,
  );
  return (
    `<figure class="card"><figcaption><span>${escapeHtml(name)}</span><b>${escapeHtml(note)}</b></figcaption>` +
    `<div class="row" style="--columns:${pictures.length}">${parts.join('')}</div></figure>`
  );
}
