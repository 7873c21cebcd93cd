import { useEffect, useRef, useState } from 'preact/hooks';
import { text } from '../text.ts';
import type { OwnClass, OwnPicture } from './project.ts';
import { unpainted } from './project.ts';
import type { Point } from './strokes.ts';
import { brush, polygon } from './strokes.ts';

const words = text.train;
const tools = ['brush', 'polygon', 'eraser'] as const;
type Tool = (typeof tools)[number];

interface PainterProps {
  readonly picture: OwnPicture;
  readonly classes: readonly OwnClass[];
  readonly chosen: number;
  readonly disabled: boolean;
  readonly onChoose: (id: number) => void;
  /** The mask was painted on, in place. */
  readonly onPainted: () => void;
  /** Puts the current model's prediction where nothing is painted. */
  readonly onPredict: () => void;
}

const mostUndo = 30;

/** A picture to paint classes on: by brush, polygon and eraser; by pointer or by keys. */
export function Painter({
  picture,
  classes,
  chosen,
  disabled,
  onChoose,
  onPainted,
  onPredict,
}: PainterProps) {
  const { width, height, rgb, mask } = picture;
  const base = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const [tool, setTool] = useState<Tool>('brush');
  const [diameter, setDiameter] = useState(Math.max(8, Math.round(Math.max(width, height) / 20)));
  const [corners, setCorners] = useState<readonly Point[]>([]);
  const [cursor, setCursor] = useState<Point | undefined>(undefined);
  const last = useRef<Point | undefined>(undefined);
  const undone = useRef<Uint8Array[]>([]);
  const [undos, setUndos] = useState(0);

  const draw = () => {
    const canvas = overlay.current;
    if (!canvas) return;
    const colours = new Uint32Array(256);
    const bytes = new Uint8Array(colours.buffer);
    for (const [id, { colour }] of classes.entries()) bytes.set([...colour, 255], 4 * id);
    const pixels = new Uint32Array(mask.length);
    for (let i = 0; i < mask.length; i++) pixels[i] = colours[mask[i]];
    const image = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    canvas.getContext('2d')!.putImageData(image, 0, 0);
  };
  useEffect(() => {
    const image = new ImageData(width, height);
    for (let p = 0, o = 0; o < rgb.length; p += 4, o += 3) {
      image.data[p] = rgb[o];
      image.data[p + 1] = rgb[o + 1];
      image.data[p + 2] = rgb[o + 2];
      image.data[p + 3] = 255;
    }
    base.current!.getContext('2d')!.putImageData(image, 0, 0);
    undone.current = [];
    setUndos(0);
    setCorners([]);
  }, [picture.id]);
  useEffect(draw);

  const remember = () => {
    undone.current.push(Uint8Array.from(mask));
    if (undone.current.length > mostUndo) undone.current.shift();
    setUndos(undone.current.length);
  };
  const undo = () => {
    if (corners.length > 0) {
      setCorners(corners.slice(0, -1));
      return;
    }
    const before = undone.current.pop();
    if (!before) return;
    mask.set(before);
    setUndos(undone.current.length);
    onPainted();
  };
  const id = tool === 'eraser' ? unpainted : chosen;
  const ready = !disabled && (tool === 'eraser' || chosen < classes.length);
  const dab = (points: readonly Point[]) => {
    brush(picture, id, points, diameter);
    draw();
  };
  const close = () => {
    if (corners.length >= 3) {
      remember();
      polygon(picture, id, corners);
      onPainted();
    }
    setCorners([]);
  };
  const at = ({ clientX, clientY }: PointerEvent): Point => {
    const box = base.current!.getBoundingClientRect();
    return {
      x: ((clientX - box.left) / box.width) * width,
      y: ((clientY - box.top) / box.height) * height,
    };
  };
  const addCorner = (point: Point) => {
    const [first] = corners;
    const near = first && Math.hypot(point.x - first.x, point.y - first.y) < Math.max(width, height) / 60;
    if (near && corners.length >= 3) close();
    else setCorners([...corners, point]);
  };
  const down = (event: PointerEvent) => {
    if (!ready || event.button !== 0) return;
    const point = at(event);
    if (tool === 'polygon') {
      addCorner(point);
      return;
    }
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    remember();
    last.current = point;
    dab([point]);
  };
  const move = (event: PointerEvent) => {
    const point = at(event);
    setCursor(point);
    if (!last.current) return;
    dab([last.current, point]);
    last.current = point;
  };
  const up = () => {
    if (!last.current) return;
    last.current = undefined;
    onPainted();
  };
  const press = (event: KeyboardEvent) => {
    const { key } = event;
    const step = (event.shiftKey ? 1 : 8) as number;
    const arrows: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    const here = cursor ?? { x: width / 2, y: height / 2 };
    const digit = Number(key) - 1;
    if (arrows[key]) {
      const [x, y] = arrows[key];
      const inside = (value: number, most: number) => Math.min(most, Math.max(0, value));
      setCursor({ x: inside(here.x + x, width), y: inside(here.y + y, height) });
    } else if (key === ' ' && ready) {
      setCursor(here);
      if (tool === 'polygon') addCorner(here);
      else {
        remember();
        dab([here]);
        onPainted();
      }
    } else if (key === 'Enter') close();
    else if (key === 'Escape') setCorners([]);
    else if (key === 'z') undo();
    else if (key === '[') setDiameter((value) => Math.max(1, Math.round(value / 1.3)));
    else if (key === ']') setDiameter((value) => Math.min(400, Math.ceil(value * 1.3)));
    else if (digit >= 0 && digit < classes.length) onChoose(digit);
    else if (key === 'b') setTool('brush');
    else if (key === 'p') setTool('polygon');
    else if (key === 'e') setTool('eraser');
    else return;
    event.preventDefault();
  };
  return (
    <div class="painter">
      <div class="bar" role="toolbar" aria-label={words.tools}>
        {tools.map((name) => (
          <button key={name} type="button" aria-pressed={tool === name} onClick={() => setTool(name)}>
            {words.tool[name]}
          </button>
        ))}
        <label class="inline">
          {words.brushSize}
          <input
            type="range"
            min="1"
            max="160"
            value={diameter}
            onInput={({ currentTarget }) => setDiameter(Number(currentTarget.value))}
          />
        </label>
        <button type="button" disabled={undos === 0 && corners.length === 0} onClick={undo}>
          {words.undo}
        </button>
        {corners.length >= 3 && (
          <button type="button" onClick={close}>
            {words.closePolygon}
          </button>
        )}
        <button
          type="button"
          disabled={disabled}
          onClick={() => {
            remember();
            onPredict();
          }}
        >
          {words.predict}
        </button>
      </div>
      <div
        class="view"
        role="application"
        aria-label={words.canvas}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move the brush over the picture
        tabIndex={0}
        onKeyDown={press}
        onDblClick={close}
      >
        <div
          class="layers"
          style={{ '--shape': width / height }}
          data-tool={tool}
          onPointerDown={down}
          onPointerMove={move}
          onPointerUp={up}
          onPointerCancel={up}
          onPointerLeave={() => last.current === undefined && setCursor(undefined)}
        >
          <canvas ref={base} width={width} height={height} class="picture" />
          <canvas ref={overlay} width={width} height={height} class="overlay mask" />
          <svg class="marks" viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
            {corners.length > 0 && (
              <polyline
                points={[...corners, ...(cursor ? [cursor] : [])].map(({ x, y }) => `${x},${y}`).join(' ')}
              />
            )}
            {corners.map(({ x, y }, i) => (
              <circle key={i} cx={x} cy={y} r={width / 160} />
            ))}
            {cursor && tool !== 'polygon' && (
              <circle class="tip" cx={cursor.x} cy={cursor.y} r={diameter / 2} />
            )}
          </svg>
        </div>
      </div>
      <p class="note">{words.keys}</p>
    </div>
  );
}
