interface ShareProps {
  readonly label: string;
  /** From 0 to 1. */
  readonly value: number;
  readonly onChange: (value: number) => void;
}

/** A slider for a part of a whole. */
export function Share({ label, value, onChange }: ShareProps) {
  return (
    <label>
      {label}
      <input
        type="range"
        min="0"
        max="100"
        value={100 * value}
        onInput={({ currentTarget }) => onChange(Number(currentTarget.value) / 100)}
      />
    </label>
  );
}
