/** One entry of a recording's `probes`, kept as recorded (`lab compare` and the tests read it). */
export interface Recording {
  readonly file: string;
  readonly name: string;
  readonly description: string;
  /** What was run to set it up, `[host, shell text]`: a dump does not tell all of it. */
  readonly setup: readonly (readonly [string, string])[];
  readonly probes: readonly Probe[];
}

/** A recorded probe: the query sent, and everything the real kernel did with it. Its fields stay as JSON. */
export interface Probe {
  readonly query: Readonly<Record<string, unknown>>;
  readonly recorded: Readonly<Record<string, unknown>>;
}
