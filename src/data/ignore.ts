/** The train id of pixels that count neither in the loss nor in the score. */
export const ignoreId = 255;
