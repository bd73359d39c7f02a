/** One hint at how a cluster is set up, and where it was seen. */
export interface Clue<T> {
  readonly value: T;
  /** `ConfigMap kube-system/kube-proxy config.conf (dump.yaml:12) clusterCIDR` */
  readonly where: string;
  /** How much it counts: what configures a thing more than what merely shows it. */
  readonly weight: number;
}

/** What is known of one setting. */
export interface Detected<T> {
  readonly value: T;
  readonly from: "flag" | "input" | "assumed";
  /** The flag, the place in the input, or why it was assumed. */
  readonly where: string;
}

/** The weightiest clue, the first of equals. */
export function strongest<T>(clues: readonly Clue<T>[]): Clue<T> | undefined {
  let best: Clue<T> | undefined;
  for (const clue of clues) if (best === undefined || clue.weight > best.weight) best = clue;
  return best;
}

export function settle<T>(
  flag: { readonly name: string; readonly value: T | undefined },
  clues: readonly Clue<T>[],
  assumed: { readonly value: T; readonly why: string },
): Detected<T> {
  if (flag.value !== undefined) return { value: flag.value, from: "flag", where: flag.name };
  const best = strongest(clues);
  if (best !== undefined) return { value: best.value, from: "input", where: best.where };
  return { value: assumed.value, from: "assumed", where: assumed.why };
}
