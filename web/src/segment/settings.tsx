import type { Segmenter } from '../library.ts';
import { Choice } from '../parts/choice.tsx';
import { Share } from '../parts/share.tsx';
import { text } from '../text.ts';
import type { Device } from './engine.ts';
import type { Side } from './frames.ts';
import { sides } from './frames.ts';

const words = text.segment;

interface SettingsProps {
  readonly device: Device;
  readonly side: Side;
  readonly opacity: number;
  readonly divider: number;
  readonly comparing: boolean;
  readonly model: File | undefined;
  readonly rival: File | undefined;
  readonly segmenter: Segmenter | undefined;
  readonly ms: number | undefined;
  readonly rate: number | undefined;
  readonly onDevice: (device: Device) => void;
  readonly onSide: (side: Side) => void;
  readonly onOpacity: (opacity: number) => void;
  readonly onDivider: (divider: number) => void;
  readonly onModel: (model: File | undefined) => void;
  readonly onRival: (model: File | undefined) => void;
}

/** The device that runs, in words. */
function running({ device }: Segmenter): string {
  if (device.name !== 'wasm') return device.gpu ?? device.name;
  const threads = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  return words.runsOn(words.devices.wasm, threads);
}

/** How pictures are segmented and shown, and how fast. */
export function Settings(props: SettingsProps) {
  const { device, side, opacity, divider, comparing, model, rival, segmenter, ms, rate } = props;
  const open = (take: (file: File | undefined) => void) => (event: { currentTarget: HTMLInputElement }) => {
    const file = event.currentTarget.files?.[0];
    event.currentTarget.value = '';
    if (file) take(file);
  };
  return (
    <section class="card fields">
      <dl class="facts">
        <div>
          <dt>{words.latency}</dt>
          <dd data-fact="latency">{ms === undefined ? '–' : `${ms.toFixed(0)} ms`}</dd>
        </div>
        <div>
          <dt>{words.rate}</dt>
          <dd data-fact="rate">{rate === undefined ? '–' : rate.toFixed(1)}</dd>
        </div>
        {segmenter && (
          <div class="wide">
            <dt>{words.device}</dt>
            <dd data-fact="device">{running(segmenter)}</dd>
          </div>
        )}
      </dl>
      {segmenter?.device.name === 'wasm' && !crossOriginIsolated && <p class="note">{words.notIsolated}</p>}
      <Share label={words.opacity} value={opacity} onChange={props.onOpacity} />
      {comparing && <Share label={words.divider} value={divider} onChange={props.onDivider} />}
      <Choice
        label={words.device}
        value={device}
        options={Object.keys(words.devices) as Device[]}
        title={(name) => words.devices[name]}
        onChoose={props.onDevice}
      />
      <Choice
        label={words.size}
        value={side}
        options={sides}
        title={(pixels) =>
          pixels === 'auto' ? words.fittingSize : pixels === 0 ? words.ownSize : `${pixels}`
        }
        onChoose={props.onSide}
      />
      <div>
        <span class="dim">{words.model}</span>
        <p class="model">{model?.name ?? words.modelInBox}</p>
        {rival && <p class="note">{words.rival(rival.name)}</p>}
        <div class="bar">
          <label class="button">
            {words.openModel}
            <input type="file" accept=".safetensors" onChange={open(props.onModel)} />
          </label>
          {rival ? (
            <button type="button" onClick={() => props.onRival(undefined)}>
              {words.endCompare}
            </button>
          ) : (
            <label class="button">
              {words.compare}
              <input type="file" accept=".safetensors" onChange={open(props.onRival)} />
            </label>
          )}
        </div>
      </div>
    </section>
  );
}
