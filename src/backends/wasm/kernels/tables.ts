/** Address of a table of 32-bit integers that lies behind the arguments; 0 where it is empty. */
export type Ints = usize;
/** The same of float32. */
export type Floats = usize;
