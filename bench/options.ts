/** What the command line sets for every benchmark. */
export interface Options {
  readonly seed: number;
  /** Numbers of services, ascending. */
  readonly sizes: readonly number[];
}

/** The largest set asked for. */
export function largest({ sizes }: Options): number {
  return sizes.at(-1) as number;
}
