import type { Endpoint } from "./endpoints.ts";
import { type ServicePort, usesClusterEndpoints, usesLocalEndpoints } from "./service-ports.ts";
import { narrowByTopology, type Place } from "./topology.ts";
import type { ProxyFeatures } from "./versions.ts";

/** The endpoints that a node sends a port's traffic to. */
export interface ChosenEndpoints {
  /** For policy Cluster; empty where no traffic follows it. */
  readonly cluster: readonly Endpoint[];
  /** For policy Local; empty where no traffic follows it. */
  readonly local: readonly Endpoint[];
  /** The union of both, in order. */
  readonly reachable: readonly Endpoint[];
  /** Is any endpoint usable anywhere in the cluster? It decides between REJECT and DROP. */
  readonly hasEndpoints: boolean;
}

/** `endpoints` are those of the port as the node sees them (`endpointsOn`), sorted. */
export function chooseEndpoints(
  port: ServicePort,
  endpoints: readonly Endpoint[],
  place: Place,
  features: ProxyFeatures,
): ChosenEndpoints {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  const draining = features.terminatingEndpoints ? endpoints.filter(isDraining) : [];
  const isLocal = ({ nodeName }: Endpoint): boolean => nodeName === place.node;
  const cluster = usesClusterEndpoints(port)
    ? orElse(narrowByTopology(ready, place, features, port.topologyAnnotation), draining)
    : [];
  const local = usesLocalEndpoints(port) ? orElse(ready.filter(isLocal), draining.filter(isLocal)) : [];
  const either = new Set([...cluster, ...local]);
  return {
    cluster,
    local,
    reachable: endpoints.filter((endpoint) => either.has(endpoint)),
    hasEndpoints: ready.length > 0 || draining.length > 0,
  };
}

/** No longer ready but still answering: the last resort. */
function isDraining({ ready, serving, terminating }: Endpoint): boolean {
  return !ready && serving && terminating;
}

function orElse<T>(first: readonly T[], second: readonly T[]): readonly T[] {
  return first.length > 0 ? first : second;
}
