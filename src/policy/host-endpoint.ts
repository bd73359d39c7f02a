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
  readonly protocol: "tcp" | "udp";
  readonly port: number;
}

/** FelixConfiguration's `failsafeInboundHostPorts` and `failsafeOutboundHostPorts`, where it does not name any. */
export const FAILSAFE_IN: readonly Failsafe[] = failsafes(
  "tcp:22 udp:68 tcp:179 tcp:2379 tcp:2380 tcp:5473 tcp:6443 tcp:6666 tcp:6667",
);
export const FAILSAFE_OUT: readonly Failsafe[] = failsafes(
  "udp:53 udp:67 tcp:179 tcp:2379 tcp:2380 tcp:5473 tcp:6443 tcp:6666 tcp:6667",
);

function failsafes(text: string): Failsafe[] {
  return text.split(" ").map((word) => {
    const [protocol, port] = word.split(":");
    return { protocol: protocol === "udp" ? "udp" : "tcp", port: Number(port) };
  });
}
