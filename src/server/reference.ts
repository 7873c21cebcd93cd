import { z } from 'zod';
import { escapeHtml } from '../report/escape.js';

const parameter = z.object({
  name: z.string(),
  in: z.string(),
  required: z.boolean().optional(),
  schema: z
    .object({ description: z.string().optional(), default: z.unknown().optional() })
    .loose()
    .optional(),
});
const operation = z.object({
  summary: z.string().optional(),
  description: z.string().optional(),
  parameters: z.array(parameter).optional(),
  requestBody: z.object({ content: z.record(z.string(), z.unknown()) }).optional(),
  responses: z.record(
    z.string(),
    z.object({ description: z.string(), content: z.record(z.string(), z.unknown()).optional() }),
  ),
});
const document = z.object({
  info: z.object({ title: z.string(), version: z.string(), description: z.string().optional() }),
  paths: z.record(z.string(), z.record(z.string(), operation)),
});

const escaped = (text: string): string => escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  rows.length === 0
    ? ''
    : `<table><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr>${rows
        .map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`)
        .join('')}</table>`;

/** A page that shows an OpenAPI document to people: no scripts, nothing from other hosts. */
export function referencePage(openApi: unknown): string {
  const { info, paths } = document.parse(openApi);
  const sections = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, op]) => {
      const parameters = (op.parameters ?? []).map(({ name, in: where, schema, required }) => [
        `<code>${escaped(name)}</code>`,
        escaped(where),
        escaped(
          [
            schema?.description,
            schema?.default === undefined ? '' : `default ${schema.default}`,
            required ? 'required' : '',
          ]
            .filter(Boolean)
            .join('; '),
        ),
      ]);
      const responses = Object.entries(op.responses).map(([status, { description, content }]) => [
        status,
        escaped(description),
        escaped(Object.keys(content ?? {}).join(', ')),
      ]);
      const bodies = Object.keys(op.requestBody?.content ?? {})
        .map(escaped)
        .join(', ');
      return `<section><h2><b class="${method}">${method.toUpperCase()}</b> ${escaped(path)}</h2>
<p><strong>${escaped(op.summary ?? '')}</strong>${op.description ? `<br>${escaped(op.description)}` : ''}</p>
${bodies ? `<p>Body: ${bodies}</p>` : ''}
${table(['parameter', 'in', 'meaning'], parameters)}
${table(['status', 'meaning', 'type'], responses)}</section>`;
    }),
  );
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(info.title)}: HTTP interface</title>
<style>
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:52rem;margin:2rem auto;padding:0 1rem}
h2{font:600 1.1rem ui-monospace,monospace;margin:0;overflow-wrap:anywhere}
h2 b{padding:.1em .5em;border-radius:.3em;background:#2a7;color:#fff}h2 b.post{background:#36c}
section{margin:1.2rem 0;padding:1rem;border:1px solid #8886;border-radius:.6rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;margin-top:.6rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #8883;overflow-wrap:anywhere}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{overflow-x:auto;padding:.8rem;background:#8881;border-radius:.4rem}
</style>
<h1>${escaped(info.title)} <small>${escaped(info.version)}</small></h1>
<p>${escaped(info.description ?? '')} The same as a document for programs: <a href="openapi.json">openapi.json</a>.</p>
<pre>curl -F image=@street.jpg -H 'Accept: image/jpeg' http://127.0.0.1:8080/v1/segment -o overlay.jpg
curl -F image=@street.jpg -H 'Accept: application/json' http://127.0.0.1:8080/v1/segment</pre>
${sections.join('\n')}
</html>`;
}
