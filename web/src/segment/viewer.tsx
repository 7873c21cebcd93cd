import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Segmentation } from '../library.ts';
import { text } from '../text.ts';

/** A picture with what the network says of it, and what another model says, if two are compared. */
export interface Frame {
  readonly name: string;
  readonly picture: ImageData;
  readonly segmentation: Segmentation;
  readonly second?: Segmentation;
  /** Milliseconds from pixels to labels, of the first model. */
  readonly ms: number;
}

interface ViewerProps {
  readonly frame: Frame;
  readonly opacity: number;
  /** Ids of the classes that are not shown. */
  readonly hidden: ReadonlySet<number>;
  /** Where the second model begins, 0 to 1 from the left. */
  readonly divider: number;
  /** It was dragged. */
  readonly onDivider: (divider: number) => void;
  /** Takes the canvas on which a GPU draws the frames of a video with their overlay, instead of what is here. */
  readonly screen?: RefObject<HTMLCanvasElement | null>;
}

interface Probe {
  readonly x: number;
  readonly y: number;
}

function draw(canvas: HTMLCanvasElement | null, image: ImageData): void {
  if (!canvas) return;
  if (canvas.width !== image.width) canvas.width = image.width;
  if (canvas.height !== image.height) canvas.height = image.height;
  canvas.getContext('2d')!.putImageData(image, 0, 0);
}

/** The classes that are not hidden, as options of what is coloured. */
export const shownOf = (
  { classes }: Pick<Segmentation, 'classes'>,
  hidden: ReadonlySet<number>,
): { readonly only?: number[] } =>
  hidden.size === 0 ? {} : { only: classes.map(({ id }) => id).filter((id) => !hidden.has(id)) };

/** The class colours of a segmentation, without those that are hidden. */
export const coloursOf = (of: Segmentation, hidden: ReadonlySet<number>): ImageData =>
  of.toImageData(shownOf(of, hidden)) as ImageData;

/** The picture under its overlay. A pointer or the arrow keys ask for the class of a pixel. */
export function Viewer({ frame, opacity, hidden, divider, onDivider, screen }: ViewerProps) {
  const { picture, segmentation, second } = frame;
  const base = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const other = useRef<HTMLCanvasElement>(null);
  const [probe, setProbe] = useState<Probe | undefined>(undefined);
  useEffect(() => draw(base.current, picture), [picture, screen]);
  useEffect(() => {
    if (!screen) draw(overlay.current, coloursOf(segmentation, hidden));
  }, [segmentation, hidden, screen]);
  useEffect(() => {
    if (second) draw(other.current, coloursOf(second, hidden));
  }, [second, hidden]);

  const { width, height } = picture;
  const inside = (value: number, length: number) => Math.min(length - 1, Math.max(0, Math.floor(value)));
  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * width;
    const y = ((event.clientY - box.top) / box.height) * height;
    setProbe({ x: inside(x, width), y: inside(y, height) });
  };
  const drag = ({ currentTarget, pointerId, clientX }: PointerEvent & { currentTarget: HTMLElement }) => {
    if (!currentTarget.hasPointerCapture(pointerId)) return;
    const box = currentTarget.parentElement!.getBoundingClientRect();
    onDivider(Math.min(1, Math.max(0, (clientX - box.left) / box.width)));
  };
  const press = (event: KeyboardEvent) => {
    const arrows: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const step = arrows[event.key];
    if (!step) return;
    event.preventDefault();
    const far = event.shiftKey ? 1 : Math.ceil(Math.max(width, height) / 50);
    const at = probe ?? { x: width / 2, y: height / 2 };
    setProbe({ x: inside(at.x + far * step[0], width), y: inside(at.y + far * step[1], height) });
  };
  const shown = second && probe && probe.x >= divider * width ? second : segmentation;
  const at = probe && Math.min(probe.y, height - 1) * width + Math.min(probe.x, width - 1);
  const sure = at === undefined ? undefined : shown.confidence?.[at];
  const says =
    at === undefined
      ? text.segment.pixelHint
      : text.segment.pixel(
          shown.classes[shown.labels[at]].name,
          sure === undefined ? undefined : sure / 255,
          probe!.x,
          probe!.y,
        );
  const clip = second ? { clipPath: `inset(0 ${100 - 100 * divider}% 0 0)` } : {};
  const percent = (value: number, length: number) => `${(100 * (value + 0.5)) / length}%`;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move the probe over the picture */}
      <div class="view" role="img" aria-label={text.segment.view(frame.name)} tabIndex={0} onKeyDown={press}>
        <div class="layers" style={{ '--shape': width / height }} onPointerMove={point} onPointerDown={point}>
          {screen ? (
            <canvas key="screen" ref={screen} class="picture" />
          ) : (
            <>
              <canvas key="picture" ref={base} class="picture" />
              <canvas key="overlay" ref={overlay} class="overlay" style={{ opacity, ...clip }} />
            </>
          )}
          {second && (
            <canvas
              ref={other}
              class="overlay second"
              style={{ opacity, clipPath: `inset(0 0 0 ${100 * divider}%)` }}
            />
          )}
          {second && (
            <span
              class="divider"
              style={{ left: `${100 * divider}%` }}
              onPointerDown={({ currentTarget, pointerId }) => currentTarget.setPointerCapture(pointerId)}
              onPointerMove={drag}
            />
          )}
          {probe && (
            <span class="probe" style={{ left: percent(probe.x, width), top: percent(probe.y, height) }} />
          )}
        </div>
      </div>
      <output class="says">{says}</output>
    </>
  );
}
