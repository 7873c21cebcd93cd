export { verifyGraph } from './verifyGraph.js';
export { verifyPlacement } from './verifyPlacement.js';
