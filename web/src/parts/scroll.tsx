import type { ComponentChildren } from 'preact';

/** What is wider than a narrow page: it is moved sideways, by keys too. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: not every browser lets keys move what scrolls.
    <section class="scroll" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
