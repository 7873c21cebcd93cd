import type { Segmenter } from '../library.ts';
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

const share = (event: { currentTarget: HTMLInputElement }): number => Number(event.currentTarget.value) / 100;

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
      <label>
        {words.opacity}
        <input
          type="range"
          min="0"
          max="100"
          value={100 * opacity}
          onInput={(event) => props.onOpacity(share(event))}
        />
      </label>
      {comparing && (
        <label>
          {words.divider}
          <input
            type="range"
            min="0"
            max="100"
            value={100 * divider}
            onInput={(event) => props.onDivider(share(event))}
          />
        </label>
      )}
      <label>
        {words.device}
        <select
          value={device}
          onChange={({ currentTarget }) => props.onDevice(currentTarget.value as Device)}
        >
          {Object.entries(words.devices).map(([name, title]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label>
        {words.size}
        <select
          value={side}
          onChange={({ currentTarget: { value } }) =>
            props.onSide(value === 'auto' ? 'auto' : (Number(value) as Side))
          }
        >
          {sides.map((pixels) => (
            <option key={pixels} value={pixels}>
              {pixels === 'auto' ? words.fittingSize : pixels === 0 ? words.ownSize : pixels}
            </option>
          ))}
        </select>
      </label>
      <div>
        <dt class="dim">{words.model}</dt>
        <p class="model">{model?.name ?? words.modelInBox}</p>
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
