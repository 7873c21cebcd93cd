import { useEffect, useState } from 'preact/hooks';

/** Whether the tab is in the background. */
export function useHidden(): boolean {
  const [hidden, setHidden] = useState(document.hidden);
  useEffect(() => {
    const look = () => setHidden(document.hidden);
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, []);
  return hidden;
}

/** Resolves when the tab is in front: at once, mostly. */
export const whenShown = (): Promise<void> =>
  new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    look();
  });

const title = document.title;

/** What the tab is called while something goes on in it, for those who look at another one. */
export function useTitle(says: string | undefined): void {
  useEffect(() => {
    if (says === undefined) return undefined;
    document.title = says;
    return () => {
      document.title = title;
    };
  }, [says]);
}
