/**
 * Where a piece of state came from. In the kernel an origin is an opaque number; the World keeps the table that turns it
 * into a file and line, or into the object and field an agent derived it from (`world/origins.ts`).
 */
export type Origin = number;

/** No origin known. */
export const ORIGIN_NONE: Origin = 0;
