import { chartColours } from './colours.js';

const variables = Object.entries(chartColours)
  .map(([name, value]) => `${name}:${value};`)
  .join('');

/** The style sheet of a report: light and dark, one column on a phone. */
export const reportStyle = `
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--text:#1b2430;--dim:#5c6877;--line:#e1e6ec;${variables}}
@media (prefers-color-scheme:dark){:root{--page:#11151a;--card:#1a2027;--text:#e6eaf0;--dim:#98a5b5;--line:#2b343f;
--accent:#6ea3ff;--accent-2:#f08c5a;--accent-3:#4cc79a;--soft:#64748b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
-webkit-text-size-adjust:100%}
main{max-width:1080px;margin:0 auto;padding:clamp(1rem,4vw,2.5rem) clamp(.75rem,3vw,1.5rem) 4rem}
h1{font-size:clamp(1.5rem,4.5vw,2.1rem);line-height:1.15;letter-spacing:-.02em;margin:0 0 .35rem}
h2{font-size:1.06rem;margin:0 0 .75rem;letter-spacing:-.01em}
section{margin-top:2rem}
section>h2{font-size:1.25rem}
p{margin:.25rem 0}
section>p{margin-bottom:.8rem}
.dim{color:var(--dim)}
.live{display:inline-block;margin-left:.5rem;padding:.05rem .55rem;border-radius:1rem;background:var(--accent-3);color:#fff;
font-size:.78rem;font-weight:600;vertical-align:middle;letter-spacing:0}
.headline{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin-top:1.5rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1rem}
.headline .card{padding:.8rem 1rem}
.headline b{display:block;font-size:1.55rem;line-height:1.2;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.headline span{font-size:.86rem;color:var(--dim);display:block}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem;align-items:start}
.card svg{display:block;width:100%;max-width:36rem;margin:0 auto;height:auto;overflow:visible}
table{border-collapse:collapse;width:100%;font-size:.93rem}
td,th{padding:.34rem 0;border-top:1px solid var(--line);vertical-align:top}
.facts tr:first-child td{border-top:0}
.facts td:first-child{color:var(--dim);padding-right:1rem}
td.value{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
details td.value{white-space:normal;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
.runs th{border-top:0;font-weight:600;text-align:right;padding-left:1.2rem;white-space:nowrap}
.runs th:first-child,.runs td:first-child{text-align:left;padding-left:0}
.runs td{padding-left:1.2rem}
.runs .best{font-weight:700}
summary{cursor:pointer;font-weight:600}
details[open] summary{margin-bottom:.6rem}
td small{display:block;color:var(--dim)}
.samples{display:grid;gap:1rem;min-width:0}
figure{margin:0}
.row{display:grid;grid-template-columns:repeat(var(--columns),1fr);gap:.4rem}
.row div{min-width:0}
.row img{display:block;width:100%;height:auto;border-radius:6px}
.row span{font-size:.8rem;color:var(--dim)}
figcaption{display:flex;justify-content:space-between;gap:1rem;margin-bottom:.5rem;font-size:.93rem}
figcaption span:first-child{overflow-wrap:anywhere}
figcaption b{white-space:nowrap;font-variant-numeric:tabular-nums}
@media (max-width:40rem){.row{grid-template-columns:1fr 1fr}.row div:first-child:nth-last-child(odd){grid-column:1/-1}
.card{padding:.75rem}}
.legend{display:flex;flex-wrap:wrap;gap:.3rem .9rem;margin:0 0 1rem;padding:0;list-style:none;font-size:.86rem;color:var(--dim)}
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.35em;vertical-align:-.05em;
box-shadow:0 0 0 1px color-mix(in srgb,currentColor 35%,transparent)}
ul.lines{margin:.6rem 0 0}
.lines i{width:1.4em;height:3px;border-radius:0;box-shadow:none;background:var(--line-colour);vertical-align:.25em}
.lines i.faint{opacity:.35;height:2px}
.lines i.dashed{background:repeating-linear-gradient(90deg,var(--line-colour) 0 4px,transparent 4px 7px);height:2px}
footer{margin-top:3rem;font-size:.86rem;color:var(--dim)}
`;
