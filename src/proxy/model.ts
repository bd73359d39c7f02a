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
import {
  comparePorts,
  compareText,
  type ServiceOrigin,
  type ServicePort,
  servicePorts,
} from "./service-ports.ts";
import { lowerBound } from "./splice.ts";

/** One port of a Service with all that is the same on every node. */
export interface PortModel {
  readonly port: ServicePort;
  readonly endpoints: PortEndpoints;
  /** iptables mode. */
  readonly chains: ServiceChains;
  /** iptables mode: `KUBE-SEP-…` by the endpoint's text. */
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
  /** How many all ports have together. */
  readonly endpoints: number;
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
  const ports = portModels(services, slices, family, origins);
  return modelOf(
    family,
    ports,
    ports.reduce((sum, { endpoints }) => sum + endpoints.endpoints.length, 0),
  );
}

/**
 * The model after a change of some Services or of their endpoints; `services` and `slices` are all that there are now of the
 * names that changed. Ports of the others are the very same values.
 */
export function changedModel(
  before: ProxyModel,
  changed: readonly { readonly namespace: string; readonly name: string }[],
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  origins: ModelOrigins = {},
): ProxyModel {
  let ports = before.ports;
  let endpoints = before.endpoints;
  for (const { namespace, name } of changed) {
    for (const first of [`${namespace}/${name}`, `${namespace}/${name}:`]) {
      const from = lowerBound(ports, ({ port }) => compareText(port.name, first) < 0);
      let to = from;
      const isOurs = ({ port }: PortModel) => port.service === name && port.namespace === namespace;
      while (to < ports.length && isOurs(ports[to] as PortModel)) {
        endpoints -= (ports[to] as PortModel).endpoints.endpoints.length;
        to++;
      }
      if (to > from) ports = ports.slice(0, from).concat(ports.slice(to));
    }
  }
  for (const made of portModels(services, slices, before.family, origins)) {
    const at = lowerBound(ports, ({ port }) => comparePorts(port, made.port) < 0);
    ports = ports.slice(0, at).concat([made], ports.slice(at));
    endpoints += made.endpoints.endpoints.length;
  }
  return modelOf(before.family, ports, endpoints);
}

function modelOf(family: IpFamily, ports: readonly PortModel[], endpoints: number): ProxyModel {
  return { family, ports, endpoints, large: endpoints > LARGE_CLUSTER_ENDPOINTS };
}

function portModels(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  family: IpFamily,
  origins: ModelOrigins,
): PortModel[] {
  const joined = joinEndpoints(slices, family, origins.endpoint);
  return servicePorts(services, family, origins.service).map((port): PortModel => {
    const key = joinKey(port.namespace, port.service, port.portName, port.protocol);
    const endpoints = joined.get(key) ?? NO_ENDPOINTS;
    return new NamedPort(port, endpoints);
  });
}

/** The names are hashes, which only the iptables mode asks for. */
class NamedPort implements PortModel {
  readonly port: ServicePort;
  readonly endpoints: PortEndpoints;
  #chains: ServiceChains | null = null;
  #endpointChains: ReadonlyMap<string, string> | null = null;

  constructor(port: ServicePort, endpoints: PortEndpoints) {
    this.port = port;
    this.endpoints = endpoints;
  }

  get chains(): ServiceChains {
    this.#chains ??= serviceChains(this.port.name, this.port.protocol);
    return this.#chains;
  }

  get endpointChains(): ReadonlyMap<string, string> {
    const { name, protocol } = this.port;
    this.#endpointChains ??= new Map(
      this.endpoints.endpoints.map(({ text }) => [text, endpointChain(name, protocol, text)]),
    );
    return this.#endpointChains;
  }
}
