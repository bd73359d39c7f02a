import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import type { HostEndpoint } from "../object/kubernetes-object.ts";
import type { Lister } from "../object/object-map.ts";

/** A device of a node that policies may be for. */
export interface NodeDevice {
  readonly node: string;
  readonly name: string;
  readonly addresses: readonly string[];
}

/** Stands in chain names for "all devices that are no workload's". */
export const ANY_DEVICE = "*";

/** The host endpoint of a device: one that names it, else one that expects an address of it, else the node's `*`. */
export function hostEndpointOf(objects: Lister, device: NodeDevice): HostEndpoint | undefined {
  const ofNode = hostEndpointsOn(objects, device.node);
  return (
    ofNode.find(({ spec }) => spec.interfaceName === device.name) ??
    ofNode.find(
      ({ spec: { interfaceName = "", expectedIPs = [] } }) =>
        interfaceName === "" && expectedIPs.some((ip) => device.addresses.includes(ip)),
    ) ??
    ofNode.find(({ spec }) => spec.interfaceName === ANY_DEVICE)
  );
}

export function hostEndpointsOn(objects: Lister, node: string): HostEndpoint[] {
  return objects.list("HostEndpoint").filter(({ spec }) => spec.node === node);
}

/** A port that host endpoints let pass whatever policies say, so that nobody locks himself out. */
export interface Failsafe {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
  /** Only for the other end's addresses in it; null: for everybody. */
  readonly net: string | null;
}

export interface Failsafes {
  readonly inbound: readonly Failsafe[];
  readonly outbound: readonly Failsafe[];
}

/** What Felix takes where its configuration does not name any. */
const FAILSAFES: Failsafes = {
  inbound: failsafes("tcp:22 udp:68 tcp:179 tcp:2379 tcp:2380 tcp:5473 tcp:6443 tcp:6666 tcp:6667"),
  outbound: failsafes("udp:53 udp:67 tcp:179 tcp:2379 tcp:2380 tcp:5473 tcp:6443 tcp:6666 tcp:6667"),
};

function failsafes(text: string): Failsafe[] {
  return text.split(" ").map((word) => {
    const [protocol, port] = word.split(":");
    return { protocol: protocol === "udp" ? "udp" : "tcp", port: Number(port), net: null };
  });
}

/** As the default FelixConfiguration lists them, an empty list for none. */
export function failsafesOf(objects: Lister): Failsafes {
  const { failsafeInboundHostPorts: inbound, failsafeOutboundHostPorts: outbound } =
    felixConfiguration(objects);
  return {
    inbound: listed(inbound) ?? FAILSAFES.inbound,
    outbound: listed(outbound) ?? FAILSAFES.outbound,
  };
}

function listed(given: unknown): Failsafe[] | undefined {
  if (!Array.isArray(given)) return undefined;
  return given.filter(isJsonObject).flatMap(({ protocol, port, net }): Failsafe[] => {
    const lower = String(protocol ?? "tcp").toLowerCase();
    if (!Number.isInteger(port) || (lower !== "tcp" && lower !== "udp" && lower !== "sctp")) return [];
    const from = typeof net === "string" && net !== "" ? net : null;
    return [{ protocol: lower, port: Number(port), net: from }];
  });
}

/** The spec of the FelixConfiguration that is for all nodes. */
export function felixConfiguration(objects: Lister): Json {
  const { spec } = (objects.get("FelixConfiguration", "default") ?? {}) as { readonly spec?: unknown };
  return isJsonObject(spec) ? spec : {};
}
