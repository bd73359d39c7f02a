/**
 * Where releases of kube-proxy differ in the rules they write, as a table: the first minor release of 1.x with each
 * feature on, and the gate that turns it.
 */

export interface ProxyFeatures {
  /** Node hints narrow the Cluster list before zone hints do. */
  readonly nodeHints: boolean;
  /** Zone hints count without the Service's topology-mode annotation. */
  readonly hintsWithoutAnnotation: boolean;
}

interface FeatureRow {
  readonly gate: string;
  /** On by default from here on. */
  readonly since: number;
  /** The gate is gone and the feature stays, whatever is set; null while there is a gate. */
  readonly lockedSince: number | null;
}

const FEATURES: Readonly<Record<keyof ProxyFeatures, FeatureRow>> = {
  nodeHints: { gate: "PreferSameTrafficDistribution", since: 34, lockedSince: null },
  hintsWithoutAnnotation: { gate: "ServiceTrafficDistribution", since: 31, lockedSince: 33 },
};

/** What a release does, `1.32` or `v1.32.4`; any other text stands for the newest. */
export function featuresOf(version: string, gates: Readonly<Record<string, boolean>>): ProxyFeatures {
  const minor = Number(/^v?1\.(\d+)/.exec(version)?.[1] ?? Number.POSITIVE_INFINITY);
  const on = ({ gate, since, lockedSince }: FeatureRow): boolean =>
    lockedSince !== null && minor >= lockedSince ? true : (gates[gate] ?? minor >= since);
  return {
    nodeHints: on(FEATURES.nodeHints),
    hintsWithoutAnnotation: on(FEATURES.hintsWithoutAnnotation),
  };
}
