import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { TabProps } from './parts/tabs.ts';
import { PlanTab } from './plan/tab.tsx';
import { RunsTab } from './runs/tab.tsx';
import { SegmentTab } from './segment/tab.tsx';
import { text } from './text.ts';
import { TrainTab } from './train/tab.tsx';

const tabs: Readonly<Record<keyof typeof text.tabs, ComponentType<TabProps>>> = {
  segment: SegmentTab,
  train: TrainTab,
  runs: RunsTab,
  plan: PlanTab,
};
type Tab = keyof typeof tabs;
const names = Object.keys(tabs) as Tab[];
const isTab = (name: string): name is Tab => Object.hasOwn(tabs, name);
const fromAddress = (): Tab => {
  const name = location.hash.slice(1);
  return isTab(name) ? name : 'segment';
};

/** The page: a head with its tabs, below it the chosen one. Tabs once opened keep their state. */
export function App() {
  const [tab, setTab] = useState<Tab>(fromAddress);
  const [opened, setOpened] = useState<ReadonlySet<Tab>>(new Set([tab]));
  const [model, setModel] = useState<File | undefined>(undefined);
  const open = (name: Tab) => {
    setTab(name);
    setOpened((before) => new Set(before).add(name));
    history.replaceState(null, '', `#${name}`);
  };
  useEffect(() => {
    const follow = () => open(fromAddress());
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = names[(names.indexOf(tab) + step + names.length) % names.length];
    open(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <>
      <header class="head">
        <h1>
          <img src="./icon.svg" alt="" width="28" height="28" />
          {text.name}
        </h1>
        <p>{text.tagline}</p>
        <div role="tablist" aria-label={text.name} onKeyDown={move}>
          {names.map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tab-${name}`}
              aria-controls={`panel-${name}`}
              aria-selected={name === tab}
              tabIndex={name === tab ? 0 : -1}
              onClick={() => open(name)}
            >
              {text.tabs[name]}
            </button>
          ))}
        </div>
      </header>
      <main>
        {names
          .filter((name) => opened.has(name))
          .map((name) => {
            const Panel = tabs[name];
            return (
              <div
                key={name}
                role="tabpanel"
                id={`panel-${name}`}
                aria-labelledby={`tab-${name}`}
                hidden={name !== tab}
              >
                <Panel
                  model={model}
                  onModel={(given) => {
                    setModel(given);
                    open('segment');
                  }}
                />
              </div>
            );
          })}
      </main>
    </>
  );
}
