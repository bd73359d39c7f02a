import type { Endpoint } from "./endpoints.ts";
import type { ProxyFeatures } from "./versions.ts";

/** Where a node is, to hints. */
export interface Place {
  readonly node: string;
  readonly zone: string | null;
}

/**
 * The ready endpoints that hints leave for a place. Hints count only if every ready endpoint has one, so that none is
 * forgotten, and if one names this place, so that none is left without: first the node's, then the zone's, else all.
 */
export function narrowByTopology(
  ready: readonly Endpoint[],
  place: Place,
  features: ProxyFeatures,
  annotated: boolean,
): readonly Endpoint[] {
  if (!features.hintsWithoutAnnotation && !annotated) return ready;
  if (features.nodeHints) {
    const onNode = hinted(ready, ({ nodeHints }) => nodeHints, place.node);
    if (onNode !== null) return onNode;
  }
  if (place.zone === null || !features.zoneHints) return ready;
  return hinted(ready, ({ zoneHints }) => zoneHints, place.zone) ?? ready;
}

function hinted(
  ready: readonly Endpoint[],
  hintsOf: (endpoint: Endpoint) => readonly string[],
  name: string,
): readonly Endpoint[] | null {
  if (ready.some((endpoint) => hintsOf(endpoint).length === 0)) return null;
  const here = ready.filter((endpoint) => hintsOf(endpoint).includes(name));
  return here.length === 0 ? null : here;
}
