import type { Service } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import type { IpFamily } from "./canonical-address.ts";
import {
  type EndpointOrigin,
  joinEndpoints,
  joinKey,
  NO_ENDPOINTS,
  type PortEndpoints,
} from "./endpoints.ts";
import { endpointChain, type ServiceChains, serviceChains } from "./names.ts";
import { type ServiceOrigin, type ServicePort, servicePorts } from "./service-ports.ts";

/** One port of a Service with all that is the same on every node. */
export interface PortModel {
  readonly port: ServicePort;
  readonly endpoints: PortEndpoints;
  readonly chains: ServiceChains;
  /** `KUBE-SEP-…` by the endpoint's text. */
  readonly endpointChains: ReadonlyMap<string, string>;
}

/** Where what is made of Services and of endpoints comes from. */
export interface ModelOrigins {
  readonly service?: ServiceOrigin;
  readonly endpoint?: EndpointOrigin;
}

/** What Services and EndpointSlices come to for one family: computed once, for all nodes. */
export interface ProxyModel {
  readonly family: IpFamily;
  /** In the order of names. */
  readonly ports: readonly PortModel[];
  /** More endpoints than kube-proxy writes comments for. */
  readonly large: boolean;
}

/** `largeClusterEndpointsThreshold`: above it comments on single endpoints are left out. */
export const LARGE_CLUSTER_ENDPOINTS = 1000;

export function proxyModel(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  family: IpFamily = "IPv4",
  origins: ModelOrigins = {},
): ProxyModel {
  const joined = joinEndpoints(slices, family, origins.endpoint);
  const ports = servicePorts(services, family, origins.service).map((port): PortModel => {
    const key = joinKey(port.namespace, port.service, port.portName, port.protocol);
    const endpoints = joined.get(key) ?? NO_ENDPOINTS;
    return {
      port,
      endpoints,
      chains: serviceChains(port.name, port.protocol),
      endpointChains: new Map(
        endpoints.endpoints.map(({ text }) => [text, endpointChain(port.name, port.protocol, text)]),
      ),
    };
  });
  const total = ports.reduce((sum, { endpoints }) => sum + endpoints.endpoints.length, 0);
  return { family, ports, large: total > LARGE_CLUSTER_ENDPOINTS };
}
