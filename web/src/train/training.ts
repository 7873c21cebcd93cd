import { useEffect, useRef, useState } from 'preact/hooks';
import type { Metrics, PicturesConfig, TrainEvent } from '../library.ts';
import { openOpfs } from '../library.ts';
import { text } from '../text.ts';
import type { Beginning, FromWorker, Job, Prediction, ToWorker } from './protocol.ts';
import { runPlace } from './protocol.ts';
import { RunFiles } from './runFiles.ts';

/** A run that was kept when the page was closed. */
export interface KeptRun {
  readonly config: PicturesConfig;
  readonly beginning: Beginning;
  readonly train: readonly string[];
  readonly validation: readonly string[];
  /** Optimiser steps done. */
  readonly step: number;
  /** Epochs done; a run with all of them has nothing to go on with. */
  readonly epoch: number;
}

export type StepEvent = Extract<TrainEvent, { type: 'step' }>;

/** One curve: pairs of a step and a value. */
export type Curve = readonly (readonly [step: number, value: number])[];

export interface Training {
  readonly running: boolean;
  /** Asked to stop; the step is being finished and saved. */
  readonly stopping: boolean;
  readonly latest: StepEvent | undefined;
  readonly loss: Curve;
  readonly miou: Curve;
  readonly predictions: ReadonlyMap<string, Prediction>;
  readonly notices: readonly string[];
  readonly kept: KeptRun | undefined;
  start(job: Omit<Job, 'held'>): void;
  stop(): void;
  /** The best model by held-out pictures, else the newest weights. */
  model(): Promise<File | undefined>;
}

const isKept = (value: unknown): value is Omit<KeptRun, 'step' | 'epoch'> => {
  const { config, train, validation } = (value ?? {}) as Partial<KeptRun>;
  return typeof config === 'object' && Array.isArray(train) && Array.isArray(validation);
};

async function readKept(
  files: RunFiles,
): Promise<{ kept: KeptRun; metrics: readonly Metrics[] } | undefined> {
  const bytes = await files.read('run.json');
  const state = bytes && (await files.store.readLast());
  const run: unknown = bytes && JSON.parse(new TextDecoder().decode(bytes));
  if (!state || !isKept(run)) return undefined;
  const { step, epoch } = state.progress;
  return { kept: { ...run, step, epoch }, metrics: await files.store.readMetrics() };
}

/** The training of the page: one at a time, in a worker of its own. */
export function useTraining(onProblem: (message: string) => void): Training {
  const worker = useRef<Worker | undefined>(undefined);
  const [running, setRunning] = useState(false);
  const [stopping, setStopping] = useState(false);
  const [latest, setLatest] = useState<StepEvent | undefined>(undefined);
  const [loss, setLoss] = useState<Curve>([]);
  const [miou, setMiou] = useState<Curve>([]);
  const [predictions, setPredictions] = useState<ReadonlyMap<string, Prediction>>(new Map());
  const [notices, setNotices] = useState<readonly string[]>([]);
  const [kept, setKept] = useState<KeptRun | undefined>(undefined);

  const held = useRef(new Map<string, Uint8Array>());
  const [onlyHere, setOnlyHere] = useState(false);
  // Whoever closes the tab is asked first, where it has what is nowhere else.
  useEffect(() => {
    if (!onlyHere) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [onlyHere]);

  const files = async () => new RunFiles(await openOpfs(runPlace).catch(() => undefined), held.current);
  const refresh = async () => {
    try {
      const found = await readKept(await files());
      setKept(found?.kept);
      if (!found) return;
      setLoss(
        found.metrics.flatMap((line) => (line.type === 'step' ? [[line.step, line.loss] as const] : [])),
      );
      setMiou(
        found.metrics.flatMap((line) =>
          line.type === 'validation' && line.miou !== null ? [[line.step, line.miou] as const] : [],
        ),
      );
    } catch (error) {
      onProblem((error as Error).message);
    }
  };
  useEffect(() => {
    void refresh();
    return () => worker.current?.terminate();
  }, []);

  const end = () => {
    worker.current?.terminate();
    worker.current = undefined;
    setRunning(false);
    setStopping(false);
    void refresh();
  };
  const hear = (event: TrainEvent) => {
    if (event.type === 'start') {
      // Steps after the checkpoint are done again.
      const before = ([step]: readonly [number, number]) => step <= event.step;
      setLoss((points) => points.filter(before));
      setMiou((points) => points.filter(before));
    } else if (event.type === 'step') {
      setLatest(event);
      setLoss((before) => [...before, [event.step, event.loss]]);
    } else if (event.type === 'validation' && event.scores.miou !== undefined) {
      const value = event.scores.miou;
      setMiou((before) => [...before, [event.step, value]]);
    } else if (event.type === 'notice') {
      const { message, otherClasses } = event;
      setNotices((before) => [...before, otherClasses ? text.train.otherClasses(otherClasses) : message]);
    }
  };
  const start = (job: Omit<Job, 'held'>) => {
    const made = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    worker.current = made;
    setRunning(true);
    setLatest(undefined);
    setNotices([]);
    setPredictions(new Map());
    if (!job.resume) {
      setLoss([]);
      setMiou([]);
    }
    made.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind === 'event') hear(data.event);
      else if (data.kind === 'prediction') setPredictions((before) => new Map(before).set(data.id, data));
      else if (data.kind === 'notice') {
        onProblem(data.message);
        if (data.onlyHere) setOnlyHere(true);
      } else {
        if (data.problem) onProblem(data.problem);
        held.current = new Map(data.held);
        setOnlyHere(data.held.size > 0);
        end();
      }
    };
    made.onerror = ({ message }) => {
      onProblem(message);
      end();
    };
    made.postMessage({ kind: 'start', job: { ...job, held: held.current } } satisfies ToWorker);
  };
  const stop = () => {
    setStopping(true);
    worker.current?.postMessage({ kind: 'stop' } satisfies ToWorker);
  };
  const model = async () => {
    const run = await files();
    // Scores of pictures that are trained on say little: the newest weights have seen the most.
    const heldOut = kept && !kept.validation.some((id) => kept.train.includes(id));
    const best = heldOut ? await run.read(run.store.best) : undefined;
    const bytes = best ?? (await run.read(run.store.last));
    return bytes && new File([bytes as Uint8Array<ArrayBuffer>], 'own.safetensors');
  };
  return { running, stopping, latest, loss, miou, predictions, notices, kept, start, stop, model };
}
