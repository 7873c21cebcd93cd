import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { DeviceError, fittingSize } from '../library.ts';
import { useHidden, useTitle } from '../parts/background.ts';
import { useDrop } from '../parts/drop.ts';
import { Problem } from '../parts/problem.tsx';
import { pngOf, save, stem } from '../parts/save.ts';
import { sentence } from '../parts/sentence.ts';
import type { TabProps } from '../parts/tabs.ts';
import { text } from '../text.ts';
import { archiveOf } from './archive.ts';
import type { Device } from './engine.ts';
import { frameOf, frameOfFile, gpuGaveUp, useSegmenter } from './engine.ts';
import type { Playing, Side } from './frames.ts';
import { fitted, nextFrame, openCamera, openVideo, pixelsOf } from './frames.ts';
import { nameOf, sorted } from './inputs.ts';
import { Legend } from './legend.tsx';
import { Recording } from './record.ts';
import { composed, labelPng } from './results.ts';
import { Settings } from './settings.tsx';
import { Sources } from './sources.tsx';
import type { Frame } from './viewer.tsx';
import { shownOf, Viewer } from './viewer.tsx';

interface Live extends Playing {
  readonly name: string;
}

const words = text.segment;

/** @returns what gives, at each call, the calls a second, the last ones more than those before. */
function paceOf(): () => number {
  let last = performance.now();
  let seconds = 0;
  return () => {
    const passed = (performance.now() - last) / 1000;
    last = performance.now();
    seconds = seconds === 0 ? passed : 0.9 * seconds + 0.1 * passed;
    return 1 / seconds;
  };
}

/** Pictures, folders, videos and the camera under the model's classes. */
export function SegmentTab({ model, onModel: setModel }: TabProps) {
  const [device, setDevice] = useState<Device>('auto');
  const [side, setSide] = useState<Side>('auto');
  const [rival, setRival] = useState<File | undefined>(undefined);
  const [opacity, setOpacity] = useState(0.55);
  const [divider, setDivider] = useState(0.5);
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const [pictures, setPictures] = useState<readonly File[]>([]);
  const [chosen, setChosen] = useState(0);
  const [live, setLive] = useState<Live | undefined>(undefined);
  const [frame, setFrame] = useState<Frame | undefined>(undefined);
  const [rate, setRate] = useState<number | undefined>(undefined);
  const [busy, setBusy] = useState<string | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const [recording, setRecording] = useState<Recording | undefined>(undefined);
  /** Everything on the page is still there: only the models are loaded again. */
  const withCores = (says: string) => {
    setProblem(says);
    setDevice('wasm');
  };
  /** There is no model at all: it cannot be fetched, say. */
  const [unable, setUnable] = useState(false);
  const wanted = !unable && (pictures.length > 0 || live !== undefined);
  // What cannot be had is given up, so that the rest goes on with what there is.
  const noModel = (error: unknown) => {
    if (error instanceof DeviceError) return withCores(text.problems.gpuLost);
    setProblem(sentence(error));
    if (device === 'webgpu') setDevice('auto');
    else if (model) setModel(undefined);
    else setUnable(true);
  };
  const noRival = (error: unknown) => {
    if (error instanceof DeviceError) return withCores(text.problems.gpuLost);
    setProblem(sentence(error));
    setRival(undefined);
  };
  const isLive = live !== undefined;
  const segmenter = useSegmenter(model, device, wanted, noModel, isLive);
  const second = useSegmenter(rival, device, wanted && rival !== undefined, noRival, isLive);
  const complain = (error: unknown, of: string) => {
    const gone = gpuGaveUp(error, segmenter, of);
    if (gone) withCores(gone);
    else setProblem(sentence(error, { name: of, way: 'picture' }));
  };
  const ready = segmenter !== undefined && (rival === undefined || second !== undefined);

  // What the loop of a video asks for at each frame, without being started again.
  const now = useRef({ opacity, hidden, divider, recording });
  now.current = { opacity, hidden, divider, recording };

  const picture = live ? undefined : pictures[chosen];
  // Before the page is drawn, so that it never looks idle between a model that is loaded and the picture it is loaded for.
  useLayoutEffect(() => {
    if (!picture || !ready) return undefined;
    let current = true;
    setBusy(words.working(picture.name));
    frameOfFile(picture, segmenter!, second, { confidence: true, side })
      .then((made) => current && setFrame(made))
      .catch((error: unknown) => current && complain(error, picture.name))
      .finally(() => current && setBusy(undefined));
    return () => {
      current = false;
      setBusy(undefined);
    };
  }, [picture, segmenter, second, ready, side]);

  // A GPU draws the frames of a video itself, unless two are compared, a video is made of them, or it said no.
  const screen = useRef<HTMLCanvasElement>(null);
  const [refused, setRefused] = useState(false);
  const onGpu = isLive && segmenter?.device.name === 'webgpu' && !second && !recording && !refused;
  useEffect(() => {
    if (!live || !ready) return undefined;
    let current = true;
    const { video, name } = live;
    const pace = paceOf();
    /** Waits for the next frame. @returns the size at which the network sees it. */
    const coming = async () => {
      do await nextFrame(video);
      while (current && video.videoWidth === 0);
      const [width, height] = [video.videoWidth, video.videoHeight];
      // Drawn at the size that suits the model, if that is less: browsers resize faster than we do.
      const suits = side === 'auto' ? fittingSize(segmenter!.model, { width, height }) : undefined;
      return suits && suits[1] < width ? { width: suits[1], height: suits[0] } : fitted(width, height, side);
    };
    const read = async () => pixelsOf(video, await coming());
    const seen = (pixels: ImageData) =>
      frameOf(name, pixels, segmenter!, second, { confidence: false, side: 0 });
    const byPixels = async () => {
      let next = read();
      while (current) {
        const pixels = await next;
        if (!current) return;
        // The next frame is read while the network has this one.
        next = read();
        next.catch(() => undefined);
        const made = await seen(pixels);
        if (!current) return;
        setFrame(made);
        setRate(pace());
        const { opacity, hidden, divider, recording } = now.current;
        await recording?.add(composed(made, opacity, hidden, divider)).catch((error: unknown) => {
          // The video goes on without it.
          setRecording(undefined);
          complain(error, words.record);
        });
      }
    };
    const onScreen = async () => {
      let read = Number.NEGATIVE_INFINITY;
      while (current) {
        const size = await coming();
        if (!current) return;
        // What is asked of a frame is what it holds of each class, often enough for an eye.
        if (performance.now() - read > 500) {
          read = performance.now();
          setFrame(await seen(pixelsOf(video, size)));
        }
        const { opacity, hidden } = now.current;
        if (!screen.current) continue;
        const look = { opacity, ...shownOf(segmenter!, hidden), resize: [size.height, size.width] as const };
        try {
          await segmenter!.draw(video, screen.current, look);
        } catch (error) {
          if (error instanceof DeviceError) throw error;
          setRefused(true);
          return;
        }
        setRate(pace());
      }
    };
    (onGpu ? onScreen() : byPixels()).catch((error: unknown) => current && complain(error, name));
    return () => {
      current = false;
      setRate(undefined);
    };
  }, [live, segmenter, second, ready, onGpu, side]);
  useEffect(() => () => live?.stop(), [live]);

  const stop = () => {
    if (now.current.recording) void endRecording();
    setLive(undefined);
  };
  const start = async (name: string, opening: Promise<Playing>) => {
    setProblem(undefined);
    setUnable(false);
    try {
      const playing = await opening;
      setLive({ name, ...playing });
      void playing.broken.then((says) => {
        stop();
        setProblem(says);
      });
    } catch (error) {
      complain(error, name);
    }
  };
  const take = (files: Iterable<File>) => {
    const given = sorted(files);
    setProblem(undefined);
    setUnable(false);
    if (given.models.length > 0) setModel(given.models[0]);
    if (given.pictures.length > 0) {
      setLive(undefined);
      setPictures(given.pictures);
      setChosen(0);
    } else if (given.videos.length > 0) {
      void start(given.videos[0].name, openVideo(given.videos[0]));
    } else if (given.models.length === 0) setProblem(text.problems.nothing);
  };
  const toggle = (id: number) =>
    setHidden((before) => {
      const after = new Set(before);
      if (!after.delete(id)) after.add(id);
      return after;
    });
  const saveAll = async () => {
    try {
      const { zip, failed } = await archiveOf(pictures, {
        ...{ model, device, side, opacity },
        onProgress: setBusy,
        onGpuGone: withCores,
      });
      if (failed.length > 0) setProblem(failed.join(' '));
      if (zip) save('vnet-labels.zip', zip);
    } catch (error) {
      complain(error, words.zip);
    }
    setBusy(undefined);
  };
  const endRecording = async () => {
    setRecording(undefined);
    const made = await now.current.recording
      ?.finish()
      .catch((error: unknown) => complain(error, words.record));
    if (made) save(`vnet.${made.ending}`, made.video);
  };
  // Of a video, numbers change four times a second: faster ones nobody reads, and browsers lay them out each time.
  const moment = isLive ? Math.floor(performance.now() / 250) : undefined;
  const areas = useMemo(() => frame?.segmentation.areas ?? [], [moment ?? frame]);
  const facts = useMemo(() => ({ rate, ms: frame?.ms }), [moment ?? frame, moment ?? rate]);
  const drop = useDrop(take);
  const paused = useHidden() && isLive;
  useTitle(paused ? words.pausedTitle : undefined);
  const says = wanted && !ready ? words.loading : paused ? words.paused : busy;

  return (
    <section aria-label={text.tabs.segment} {...drop.handlers}>
      <Problem message={problem} onClose={() => setProblem(undefined)} />
      <div class="bar">
        <Sources
          live={isLive}
          onFiles={take}
          onCamera={() => start(words.camera, openCamera(side))}
          onStop={stop}
        />
        {frame && (
          <>
            <button
              type="button"
              onClick={async () =>
                save(
                  `${stem(frame.name)}_overlay.png`,
                  await pngOf(composed(frame, opacity, hidden, divider)),
                )
              }
            >
              {words.snapshot}
            </button>
            <button
              type="button"
              onClick={() =>
                save(
                  `${stem(frame.name)}_labels.png`,
                  new Blob([labelPng(frame.segmentation)], { type: 'image/png' }),
                )
              }
            >
              {words.labels}
            </button>
          </>
        )}
        {pictures.length > 1 && !isLive && segmenter && (
          <button type="button" disabled={busy !== undefined} onClick={saveAll}>
            {words.zip}
          </button>
        )}
        {isLive && (
          <button
            type="button"
            aria-pressed={recording !== undefined}
            onClick={() => (recording ? void endRecording() : setRecording(new Recording()))}
          >
            {recording ? words.endRecord(recording.seconds) : words.record}
          </button>
        )}
        <span role="status" class="dim">
          {says}
        </span>
      </div>
      <div class="work">
        <div>
          <div class={`card stage${drop.over ? ' over' : ''}`}>
            {frame ? (
              <Viewer
                {...{ frame, opacity, hidden, divider }}
                onDivider={setDivider}
                {...(onGpu ? { screen } : {})}
              />
            ) : (
              <p class="empty">{says ?? words.drop}</p>
            )}
          </div>
          {pictures.length > 1 && !isLive && (
            <nav class="strip" aria-label={words.pictures}>
              {pictures.map((file, i) => (
                <button
                  type="button"
                  key={nameOf(file)}
                  aria-current={i === chosen}
                  title={nameOf(file)}
                  onClick={() => setChosen(i)}
                >
                  {file.name}
                </button>
              ))}
            </nav>
          )}
        </div>
        <aside class="side">
          <Settings
            {...{ device, side, opacity, divider, model, rival, segmenter, ...facts }}
            comparing={frame?.second !== undefined}
            onDevice={(chosen) => {
              setUnable(false);
              setDevice(chosen);
            }}
            {...{ onSide: setSide, onOpacity: setOpacity, onDivider: setDivider }}
            {...{ onModel: setModel, onRival: setRival }}
          />
          {areas.length > 0 && (
            <section class="card">
              <h2>{words.classes}</h2>
              <Legend areas={areas} hidden={hidden} onToggle={toggle} />
            </section>
          )}
        </aside>
      </div>
    </section>
  );
}
