import type { Json, JsonFields } from "../json-fields.ts";
import type { BridgePort, PortFlag } from "./device.ts";

/** Settings of bridge ports: `bridge -j -d link`, and the same fields in `ip -j -d link` (`info_slave_data`). */

const STATES: readonly BridgePort["state"][] = [
  "disabled",
  "listening",
  "learning",
  "forwarding",
  "blocking",
];

const FLAGS: readonly PortFlag[] = [
  "neigh_suppress",
  "neigh_vlan_suppress",
  "proxy_arp",
  "proxy_arp_wifi",
  "vlan_tunnel",
  "mcast_to_unicast",
  "locked",
  "mab",
];

/** How the kernel makes a port (`new_nbp` in `net/bridge/br_if.c`). */
export const NEW_BRIDGE_PORT: BridgePort = {
  state: "forwarding",
  hairpin: false,
  learning: true,
  flood: true,
  mcastFlood: true,
  bcastFlood: true,
  isolated: false,
};

/** Fields that an older iproute2 does not print have the kernel's default. */
export function parseBridgePort(json: JsonFields): BridgePort {
  const flags = FLAGS.filter((name) => json.flag(name, false));
  return {
    state: json.word("state", STATES, NEW_BRIDGE_PORT.state),
    hairpin: json.flag("hairpin", NEW_BRIDGE_PORT.hairpin),
    learning: json.flag("learning", NEW_BRIDGE_PORT.learning),
    flood: json.flag("flood", NEW_BRIDGE_PORT.flood),
    mcastFlood: json.flag("mcast_flood", NEW_BRIDGE_PORT.mcastFlood),
    bcastFlood: json.flag("bcast_flood", NEW_BRIDGE_PORT.bcastFlood),
    isolated: json.flag("isolated", NEW_BRIDGE_PORT.isolated),
    ...(flags.length === 0 ? {} : { flags }),
  };
}

export function formatBridgePort(port: BridgePort): Json {
  return {
    state: port.state,
    hairpin: port.hairpin,
    learning: port.learning,
    flood: port.flood,
    mcast_flood: port.mcastFlood,
    bcast_flood: port.bcastFlood,
    isolated: port.isolated,
    ...Object.fromEntries((port.flags ?? []).map((name) => [name, true])),
  };
}
