interface ChoiceProps<T extends string | number> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly T[];
  /** What an option is called; default: itself. */
  readonly title?: (option: T) => string;
  readonly disabled?: boolean;
  readonly onChoose: (option: T) => void;
}

/** One of several. */
export function Choice<T extends string | number>(props: ChoiceProps<T>) {
  const { label, value, options, title = String, disabled, onChoose } = props;
  return (
    <label>
      {label}
      <select
        value={value}
        disabled={disabled}
        onChange={({ currentTarget }) => onChoose(options[currentTarget.selectedIndex])}
      >
        {options.map((option) => (
          <option key={option} value={option}>
            {title(option)}
          </option>
        ))}
      </select>
    </label>
  );
}
