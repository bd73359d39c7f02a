import process from "node:process";

/** Of the random lists of plugins; `CNI_SEED` chooses another. */
export const SEED = Number(process.env["CNI_SEED"] ?? 20_261);

/** How many of them are asked; `CNI_RUNS` for more. */
export const RUNS = Number(process.env["CNI_RUNS"] ?? 10);
