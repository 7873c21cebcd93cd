export { throughJpeg } from '../image.js';
