/** A browser has no variables of the environment that ask for it, and a small page no room. */
export const verifyGraph = (): void => undefined;
export const verifyPlacement = (): void => undefined;
