import { Problem } from '../problem.js';

/** Places for few at a time. */
export class Places {
  private taken = 0;

  /** @param most at a time. @param what they are for, in messages. */
  constructor(
    private readonly most: number,
    private readonly what: string,
  ) {}

  get used(): number {
    return this.taken;
  }

  /** Takes one. @returns what gives it back. @throws Problem 429 where none is free. */
  take(): () => void {
    if (this.taken >= this.most) {
      throw new Problem(
        429,
        `${this.taken} ${this.what} are being computed and ${this.most} may; try again later`,
        10,
      );
    }
    this.taken++;
    let given = false;
    return () => {
      if (!given) this.taken--;
      given = true;
    };
  }
}
