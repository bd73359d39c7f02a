import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import { canonicalAddress, type IpFamily, socketAddressText } from "./canonical-address.ts";
import { compareText, isLeftToOthers, protocolOf } from "./service-ports.ts";

/** One endpoint of a port of a Service, as all EndpointSlices together tell it. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  /** `ip:port`, by which endpoints are ordered and told apart. */
  readonly text: string;
  /** null is remote for every node. */
  readonly nodeName: string | null;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
  readonly origin: Origin;
}

/** The origin of what is made for an endpoint: `EndpointSlice shop/db-x7k2p endpoints[0]`. */
export type EndpointOrigin = (slice: EndpointSlice, index: number) => Origin;

/**
 * The endpoints of one port of a Service, the same for all nodes. Slices may hold an endpoint twice, and then a node
 * takes the copy that is local to it.
 */
export interface PortEndpoints {
  /** Sorted by text; of copies the first. */
  readonly endpoints: readonly Endpoint[];
  /** All copies of the endpoints that have more than one, by text. */
  readonly copies: ReadonlyMap<string, readonly Endpoint[]>;
}

export const NO_ENDPOINTS: PortEndpoints = { endpoints: [], copies: new Map() };

/** `ns/svc` + port name + protocol, what a port of a Service and a port of a slice are matched by. */
export function joinKey(namespace: string, service: string, portName: string, protocol: string): string {
  return `${namespace}/${service}:${portName}/${protocol}`;
}

/** The endpoints of all slices, by `joinKey`. */
export function joinEndpoints(
  slices: readonly EndpointSlice[],
  family: IpFamily,
  origin: EndpointOrigin = () => ORIGIN_NONE,
): Map<string, PortEndpoints> {
  const found = new Map<string, Map<string, Endpoint[]>>();
  const ordered = [...slices].sort((a, b) => compareText(a.metadata?.name ?? "", b.metadata?.name ?? ""));
  for (const slice of ordered) {
    const service = slice.metadata?.labels?.["kubernetes.io/service-name"];
    if (service === undefined || slice.addressType !== family || isLeftToOthers(slice.metadata?.labels)) {
      continue;
    }
    addSlice(slice, slice.metadata?.namespace ?? "default", service, { family, origin }, found);
  }
  return new Map([...found].map(([key, byText]) => [key, sorted(byText)]));
}

/** The endpoints as a node sees them: of copies the local one. */
export function endpointsOn(node: string, { endpoints, copies }: PortEndpoints): readonly Endpoint[] {
  if (copies.size === 0) return endpoints;
  return endpoints.map(
    (endpoint) => copies.get(endpoint.text)?.findLast(({ nodeName }) => nodeName === node) ?? endpoint,
  );
}

function addSlice(
  slice: EndpointSlice,
  namespace: string,
  service: string,
  { family, origin }: { readonly family: IpFamily; readonly origin: EndpointOrigin },
  found: Map<string, Map<string, Endpoint[]>>,
): void {
  for (const { name, port, protocol } of slice.ports ?? []) {
    const known = protocolOf(protocol);
    if (name === undefined || name === null || !port || known === undefined) continue;
    const key = joinKey(namespace, service, name, known);
    const byText = found.get(key) ?? new Map<string, Endpoint[]>();
    found.set(key, byText);
    for (const [i, described] of (slice.endpoints ?? []).entries()) {
      const endpoint = endpointOf(described, port, family, () => origin(slice, i));
      if (endpoint === undefined) continue;
      const copies = byText.get(endpoint.text);
      if (copies === undefined) byText.set(endpoint.text, [endpoint]);
      else copies.push(endpoint);
    }
  }
}

type SliceEndpoint = NonNullable<EndpointSlice["endpoints"]>[number];

/** Hints as of 1.33, which also name nodes. */
interface Hints {
  readonly forZones?: readonly { readonly name: string }[];
  readonly forNodes?: readonly { readonly name: string }[];
}

function endpointOf(
  described: SliceEndpoint,
  port: number,
  family: IpFamily,
  origin: () => Origin,
): Endpoint | undefined {
  const ip = canonicalAddress(described.addresses?.[0] ?? "", family);
  if (ip === undefined) return undefined;
  const { conditions } = described;
  const ready = conditions?.ready ?? true;
  const hints = described.hints as Hints | undefined;
  return {
    ip,
    port,
    text: socketAddressText(ip, port),
    nodeName: described.nodeName || null,
    ready,
    serving: conditions?.serving ?? ready,
    terminating: conditions?.terminating ?? false,
    zoneHints: (hints?.forZones ?? []).map(({ name }) => name),
    nodeHints: (hints?.forNodes ?? []).map(({ name }) => name),
    origin: origin(),
  };
}

function sorted(byText: ReadonlyMap<string, readonly Endpoint[]>): PortEndpoints {
  return {
    endpoints: [...byText].sort(([a], [b]) => compareText(a, b)).map(([, [first]]) => first as Endpoint),
    copies: new Map([...byText].filter(([, copies]) => copies.length > 1)),
  };
}
