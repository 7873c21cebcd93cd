import { useEffect, useState } from 'preact/hooks';
import type { Network } from '../library.ts';
import { decodeModel, networkFromConfig, networkNames, readModelBytes } from '../library.ts';

/** That of the model on the tab Segment. */
export const loaded = 'loaded';
export const choices: readonly string[] = [loaded, ...networkNames];

/** A network by its choice; undefined while it is read. @param model default: the one in the box. */
export function useNetwork(
  choice: string,
  model: File | undefined,
  onProblem: (error: unknown) => void,
): Network | undefined {
  const [network, setNetwork] = useState<Network | undefined>(undefined);
  useEffect(() => {
    let current = true;
    const find = async (): Promise<Network> => {
      // As many classes as Cityscapes has.
      if (choice !== loaded) return networkFromConfig(choice, { classes: 19 });
      const bytes = model ? new Uint8Array(await model.arrayBuffer()) : await readModelBytes();
      const { name, config } = decodeModel(bytes, model?.name ?? loaded).info.network;
      return networkFromConfig(name, config);
    };
    setNetwork(undefined);
    find().then(
      (found) => current && setNetwork(found),
      (error: unknown) => current && onProblem(error),
    );
    return () => {
      current = false;
    };
  }, [choice, model]);
  return network;
}
