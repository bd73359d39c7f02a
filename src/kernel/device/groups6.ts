import { type Ip6, internIpv6, network6, solicitedNode6 } from "../../address/ip6-handle.ts";
import type { NetDevice } from "./net-device.ts";

/** Node-local and link-local all nodes. */
const ALL_NODES: readonly Ip6[] = [internIpv6([0xff010000, 0, 0, 1]), internIpv6([0xff020000, 0, 0, 1])];
/** Node-local, link-local and site-local all routers. */
const ALL_ROUTERS: readonly Ip6[] = [0xff010000, 0xff020000, 0xff050000].map((first) =>
  internIpv6([first, 0, 0, 2]),
);

/**
 * The groups of IPv6 that a device is in by itself: all nodes; where it forwards all routers; each address's solicited-node
 * group, its subnet's anycast address's too (`ipv6_add_dev`, `dev_forward_change`, `addrconf_join_solict`).
 */
export function joinedGroups6({ addresses6, conf6 }: NetDevice): ReadonlySet<Ip6> {
  const joined = new Set(conf6.forwarding ? [...ALL_NODES, ...ALL_ROUTERS] : ALL_NODES);
  for (const { address, length } of addresses6) {
    joined.add(solicitedNode6(address));
    if (conf6.forwarding && length < 127) joined.add(solicitedNode6(network6(address, length)));
  }
  return joined;
}
