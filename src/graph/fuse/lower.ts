import { opOf } from '../../ops/index.js';
import type { Rule } from './rewriter.js';

/** What no backend has becomes what they have. */
export const lower: Rule = (node, work) => {
  const op = opOf(node);
  if (op.lower) work.rewrite(node, undefined, (context) => op.lower!(node, context));
};
