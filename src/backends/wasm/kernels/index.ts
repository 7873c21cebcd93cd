export { affine } from './affine';
