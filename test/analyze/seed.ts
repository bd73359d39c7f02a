const { HOPSCOPE_SEED } = process.env;

/** Of the random tests here; they print it, and `HOPSCOPE_SEED=n` repeats a run. */
export const SEED = HOPSCOPE_SEED === undefined ? Date.now() % 2 ** 31 : Number(HOPSCOPE_SEED);
