import { text } from '../text.ts';
import type { OwnClass, Rgb } from './project.ts';
import { colourOf } from './project.ts';

const words = text.train;

interface ClassesProps {
  readonly classes: readonly OwnClass[];
  readonly chosen: number;
  readonly disabled: boolean;
  readonly onChoose: (id: number) => void;
  readonly onChange: (classes: readonly OwnClass[]) => void;
  readonly onRemove: (id: number) => void;
}

const hex = (colour: Rgb): string =>
  `#${colour.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
const rgb = (colour: string): Rgb => {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
};

/** The classes of one's own: name, colour, and which one is painted. */
export function Classes({ classes, chosen, disabled, onChoose, onChange, onRemove }: ClassesProps) {
  const replace = (id: number, entry: OwnClass) =>
    onChange(classes.map((old, i) => (i === id ? entry : old)));
  return (
    <section class="card" aria-label={words.classes}>
      <h2>{words.classes}</h2>
      <ol class="classes">
        {classes.map((entry, id) => (
          <li key={id}>
            <input
              type="radio"
              name="class"
              checked={id === chosen}
              aria-label={words.paint(entry.name)}
              onChange={() => onChoose(id)}
            />
            <input
              type="color"
              value={hex(entry.colour)}
              aria-label={words.colour(entry.name)}
              onInput={({ currentTarget }) => replace(id, { ...entry, colour: rgb(currentTarget.value) })}
            />
            <input
              type="text"
              value={entry.name}
              maxLength={60}
              aria-label={words.className(id + 1)}
              disabled={disabled}
              onChange={({ currentTarget }) => {
                const name = currentTarget.value.trim();
                if (name !== '') replace(id, { ...entry, name });
                else currentTarget.value = entry.name;
              }}
            />
            <button
              type="button"
              class="small"
              disabled={disabled}
              aria-label={words.removeClass(entry.name)}
              onClick={() => onRemove(id)}
            >
              ×
            </button>
          </li>
        ))}
      </ol>
      <button
        type="button"
        disabled={disabled || classes.length >= 60}
        onClick={() => {
          const place = classes.length;
          onChange([...classes, { name: text.train.classNamed(place + 1), colour: colourOf(place) }]);
          onChoose(place);
        }}
      >
        {words.addClass}
      </button>
    </section>
  );
}
