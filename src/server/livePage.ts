import { escapeHtml } from '../report/escape.js';

/** Pictures that a browser keeps loading from one host: of six connections, one is for the numbers. */
const mostShown = 5;

/**
 * The page of the live streams: each as motion JPEG, with its numbers below, asked for once a second.
 * @param asksToken whether its user must know the token before anything is shown.
 */
export function livePage(names: readonly string[], asksToken: boolean, problem?: string): string {
  const shown = names.slice(0, mostShown).map((name) => {
    const [text, path] = [escapeHtml(name), encodeURIComponent(name)];
    return `<figure><img src="/v1/streams/${path}" alt="${text}"><figcaption><b>${text}</b> <span data-name="${text}"></span></figcaption></figure>`;
  });
  const others =
    names.length > mostShown
      ? `<p>A browser shows ${mostShown} at a time; the others: ${names
          .slice(mostShown)
          .map((name) => `<a href="/v1/streams/${encodeURIComponent(name)}">${escapeHtml(name)}</a>`)
          .join(', ')}</p>`
      : '';
  const none =
    '<p>No stream: the server was started without one (<code>vnet serve</code>, option <code>stream</code>, NAME=SOURCE).</p>';
  const form = `<form method="post" action="/streams" id="token"${problem ? '' : ' hidden'}><p>${escapeHtml(problem ?? 'This server asks for its token.')}</p><label>Token <input type="password" name="token" autocomplete="current-password" required></label> <button>Show</button></form>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Live streams</title><style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 84rem; padding: 1rem; color: #222; background: #fff; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; }
figure { margin: 0; } img { width: 100%; background: #ddd; min-height: 6rem; display: block; }
figcaption { font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; } img { background: #333; } a { color: #8bf; } }
</style></head><body><h1>Live streams</h1>${asksToken ? form : ''}
<main>${shown.join('') || none}</main>${others}
<script>
const say = ({ running, problem, framesPerSecond, latencyMs, dropped, reconnects }) =>
  !running ? problem ?? 'waits for viewers'
    : framesPerSecond.toFixed(1) + ' frames/s · latency ' + latencyMs + ' ms · ' + dropped + ' dropped'
      + (reconnects ? ' · connected again ' + reconnects + ' times' : '');
async function tell() {
  const answer = await fetch('/v1/streams').catch(() => undefined);
  const form = document.getElementById('token');
  if (form) form.hidden = answer?.status !== 401;
  if (!answer?.ok) return;
  const { streams } = await answer.json();
  for (const span of document.querySelectorAll('[data-name]')) {
    const state = streams.find(({ name }) => name === span.dataset.name);
    if (state) span.textContent = say(state);
  }
}
if (document.querySelector('[data-name]')) { tell(); setInterval(tell, 1000); }
</script></body></html>
`;
}
