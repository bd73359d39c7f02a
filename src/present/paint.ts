/** Colours by meaning. The command line hands in a terminal's; a test or a file gets none. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  /** Neither: refused, unknown, assumed. */
  readonly doubtful: (text: string) => string;
  /** What changed in the packet. */
  readonly change: (text: string) => string;
  readonly strong: (text: string) => string;
  /** Labels, rule texts, sources: there when looked for. */
  readonly quiet: (text: string) => string;
}

const plain = (text: string): string => text;

export const NO_PAINT: Paint = {
  good: plain,
  bad: plain,
  doubtful: plain,
  change: plain,
  strong: plain,
  quiet: plain,
};
