import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Problem } from '../parts/problem.tsx';
import { save } from '../parts/save.ts';
import { Scroll } from '../parts/scroll.tsx';
import { sentence } from '../parts/sentence.ts';
import type { TabProps } from '../parts/tabs.ts';
import { text } from '../text.ts';
import { Compare } from './compare.tsx';
import { ValidationPictures } from './pictures.tsx';
import type { RunDetails, RunSummary } from './server.ts';
import { NoRuns, RunsServer, TokenWanted } from './server.ts';

const words = text.runs;
/** Seconds from one look to the next. */
const everySeconds = 3;
/** Runs that are compared at most: as many as there are colours. */
const mostCompared = 5;
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const kept = 'vnet-token';

/** The runs of a folder while they train: curves, validation pictures, memory, several compared. */
export function RunsTab({ onModel }: TabProps) {
  const [token, setToken] = useState(() => sessionStorage.getItem(kept) ?? '');
  const server = useMemo(() => new RunsServer(token), [token]);
  const [runs, setRuns] = useState<readonly RunSummary[] | undefined>(undefined);
  const [absent, setAbsent] = useState<string | undefined>(undefined);
  const [wantsToken, setWantsToken] = useState(false);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const [chosen, setChosen] = useState<readonly string[] | undefined>(undefined);
  const [opened, setOpened] = useState<ReadonlyMap<string, RunDetails>>(new Map());
  const section = useRef<HTMLElement>(null);
  const complain = (error: unknown) => setProblem(sentence(error));
  const seen = useRef(new Map<string, string>());

  const names =
    chosen ??
    runs
      ?.filter((run) => run.problem === undefined)
      .slice(0, 1)
      .map(({ name }) => name) ??
    [];
  useEffect(() => {
    let current = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      // A tab of the page, or of the browser, that nobody sees asks for nothing.
      const isSeen = section.current?.offsetParent !== null && !document.hidden;
      try {
        if (isSeen) {
          const list = await server.list();
          if (!current) return;
          setRuns(list);
          setAbsent(undefined);
          setWantsToken(false);
          const shown =
            chosen ??
            list
              .filter((run) => run.problem === undefined)
              .slice(0, 1)
              .map(({ name }) => name);
          for (const name of shown) {
            const summary = JSON.stringify(list.find((run) => run.name === name));
            if (seen.current.get(name) === summary) continue;
            const details = await server.open(name);
            if (!current) return;
            seen.current.set(name, summary);
            setOpened((before) => new Map(before).set(name, details));
          }
          setProblem(undefined);
        }
      } catch (error) {
        if (!current) return;
        if (error instanceof NoRuns) setAbsent(error.message);
        else if (error instanceof TokenWanted) setWantsToken(true);
        else complain(error);
        // A page without such a server will not get one.
        if (error instanceof NoRuns) return;
      }
      timer = setTimeout(look, 1000 * everySeconds);
    };
    void look();
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [server, chosen]);

  const compared = names.flatMap((name) => opened.get(name) ?? []);
  const focus = compared[0];
  const toggle = (name: string) =>
    setChosen(
      names.includes(name) ? names.filter((each) => each !== name) : [...names, name].slice(-mostCompared),
    );
  const withModel = async (use: (model: File) => void) => {
    try {
      use(await server.model(focus.name));
    } catch (error) {
      complain(error);
    }
  };
  return (
    <section class="runs" ref={section} aria-label={text.tabs.runs}>
      <Problem message={problem} onClose={() => setProblem(undefined)} />
      {absent !== undefined && (
        <div class="card">
          <h2>{text.tabs.runs}</h2>
          <p>{words.none}</p>
          <pre>vnet serve --runs runs/</pre>
        </div>
      )}
      {wantsToken && (
        <form
          class="card bar fields-row"
          onSubmit={(event) => {
            event.preventDefault();
            const given = String(new FormData(event.currentTarget).get('token') ?? '');
            sessionStorage.setItem(kept, given);
            setToken(given);
          }}
        >
          <label>
            {words.token}
            <input type="password" name="token" autocomplete="off" />
          </label>
          <button type="submit">{words.giveToken}</button>
        </form>
      )}
      {runs && absent === undefined && (
        <div class="card">
          <h2>{text.tabs.runs}</h2>
          {runs.length === 0 && <p class="note">{words.empty}</p>}
          {runs.length > 0 && (
            <Scroll label={words.table}>
              <table>
                <thead>
                  <tr>
                    <th>{words.run}</th>
                    <th>{words.state}</th>
                    <th>{words.epoch}</th>
                    <th>{words.loss}</th>
                    <th>{words.miou}</th>
                  </tr>
                </thead>
                <tbody>
                  {runs.map((run) => {
                    const place = names.indexOf(run.name);
                    return (
                      <tr key={run.name} data-run={run.name}>
                        <th scope="row">
                          <label class="inline">
                            <input
                              type="checkbox"
                              checked={place >= 0}
                              disabled={run.problem !== undefined}
                              onChange={() => toggle(run.name)}
                            />
                            {place >= 0 && <i class={`series-${place}`} />}
                            {run.name}
                          </label>
                        </th>
                        {run.problem === undefined ? (
                          <>
                            <td>{run.running ? <strong>{words.running}</strong> : words.ended}</td>
                            <td>
                              {run.epoch} / {run.epochs}
                            </td>
                            <td>{run.loss === null ? '–' : run.loss.toFixed(3)}</td>
                            <td>{run.miou === null ? '–' : percent(run.miou)}</td>
                          </>
                        ) : (
                          <td class="dim" colSpan={4}>
                            {run.problem}
                          </td>
                        )}
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </Scroll>
          )}
        </div>
      )}
      {compared.length > 0 && (
        <div class="card">
          <h2>{compared.length > 1 ? words.compared(compared.length) : focus.name}</h2>
          <div class="curves">
            <Compare
              runs={compared}
              title={words.loss}
              points={({ steps }) => steps.map(({ step, loss }) => [step, loss])}
              format={(value) => value.toFixed(2)}
            />
            <Compare
              runs={compared}
              title={words.validationMiou}
              points={({ validations }) =>
                validations.flatMap(({ step, miou }) => (miou === null ? [] : [[step, miou] as const]))
              }
              format={(value) => `${Math.round(100 * value)} %`}
              most={1}
            />
            <Compare
              runs={compared}
              title={words.memory}
              points={({ steps }) =>
                steps.flatMap(({ step, rssBytes }) =>
                  rssBytes === undefined ? [] : [[step, rssBytes / 2 ** 20] as const],
                )
              }
              format={(value) => `${value.toFixed(0)} MiB`}
            />
            <Compare
              runs={compared}
              title={words.speed}
              points={({ steps }) => steps.map(({ step, imagesPerSecond }) => [step, imagesPerSecond])}
              format={(value) => value.toFixed(value < 10 ? 1 : 0)}
            />
          </div>
          {focus.hasModel && (
            <div class="bar">
              <button type="button" onClick={() => withModel(onModel)}>
                {words.use(focus.name)}
              </button>
              <button
                type="button"
                onClick={() => withModel((model) => save(`${focus.name}.safetensors`, model))}
              >
                {words.download}
              </button>
            </div>
          )}
        </div>
      )}
      {focus && <ValidationPictures {...{ server }} run={focus} onProblem={complain} />}
      {compared.length > 0 && (
        <details class="card memory">
          <summary>{words.settings}</summary>
          <Scroll label={words.settings}>
            <Settings runs={compared} />
          </Scroll>
        </details>
      )}
    </section>
  );
}

/** What runs were trained with; of several, what differs is marked. */
function Settings({ runs }: { runs: readonly RunDetails[] }) {
  const names = [...new Set(runs.flatMap(({ settings }) => settings.map(({ name }) => name)))];
  const of = (run: RunDetails, name: string) => run.settings.find((each) => each.name === name)?.value ?? '–';
  return (
    <table>
      <thead>
        <tr>
          <td />
          {runs.map(({ name }) => (
            <th key={name}>{name}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {names.map((name) => {
          const values = runs.map((run) => of(run, name));
          const differs = values.some((value) => value !== values[0]);
          return (
            <tr key={name}>
              <th scope="row">{differs ? <strong>{name}</strong> : name}</th>
              {values.map((value, i) => (
                <td key={runs[i].name}>{differs ? <strong>{value}</strong> : value}</td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
