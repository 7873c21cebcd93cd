/** Colours of charts as CSS variables, so that a page can change them (dark mode); these are the light ones. */
export const chartColours = {
  '--accent': '#2f6fde',
  '--accent-2': '#e0662f',
  '--accent-3': '#2a9d6f',
  '--soft': '#94a3b8',
} as const;
