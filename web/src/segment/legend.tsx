import type { ClassArea } from '../library.ts';
import { text } from '../text.ts';

interface LegendProps {
  readonly areas: readonly ClassArea[];
  readonly hidden: ReadonlySet<number>;
  readonly onToggle: (id: number) => void;
}

/** Every class with its colour and its share of the picture; a tick says whether it is shown. */
export function Legend({ areas, hidden, onToggle }: LegendProps) {
  return (
    <ul class="legend">
      {areas.map(({ id, name, colour, share }) => (
        <li key={id} class={share === 0 ? 'absent' : ''}>
          <label>
            <input
              type="checkbox"
              checked={!hidden.has(id)}
              onChange={() => onToggle(id)}
              aria-label={text.segment.show(name)}
            />
            <i style={{ background: `rgb(${colour.join(',')})` }} />
            <span>{name}</span>
            <span class="value" style={{ '--share': share }} title={text.segment.share}>
              {(100 * share).toFixed(1)} %
            </span>
          </label>
        </li>
      ))}
    </ul>
  );
}
