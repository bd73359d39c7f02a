import type { Family } from "../../address/ip.ts";
import { setName, WORKLOAD_DEVICES } from "./names.ts";
import {
  ACCEPT,
  clearMark,
  ctstate,
  DROP,
  type FelixChain,
  type FelixRule,
  felixRule,
  fromDevice,
  goto,
  jump,
  markClear,
  markSet,
  match,
  notCtstate,
  RETURN,
  setMark,
  toDevice,
} from "./rule-text.ts";
import type { FelixMarks, FelixSettings } from "./settings.ts";

/** The chains that every node has, whatever policies there are (felix `rules/static.go`). */
export interface StaticChains {
  readonly chains: readonly FelixChain[];
  /** Put before all else in chains of the kernel. */
  readonly inserted: readonly FelixChain[];
  /** Put behind all else. */
  readonly appended: readonly FelixChain[];
}

/** A tunnel between nodes: its packets pass only between these. */
export interface Tunnel {
  readonly kind: "ipip" | "vxlan";
  readonly family: Family;
  readonly device: string;
  /** UDP, of VXLAN. */
  readonly port: number;
}

export interface StaticSurroundings {
  readonly settings: FelixSettings;
  readonly marks: FelixMarks;
  readonly family: Family;
  readonly tunnels: readonly Tunnel[];
  /** Some pool's addresses leave the cluster under their node's. */
  readonly natOutgoing: boolean;
}

/** Names of the sets of the network, whatever policies there are. */
export function networkSets(family: Family) {
  return {
    hosts: setName("all-hosts-net", family),
    vxlanHosts: setName("all-vxlan-net", family),
    pools: setName("all-ipam-pools", family),
    masqueraded: setName("masq-ipam-pools", family),
  };
}

const HOST_ACCEPTED = "Host endpoint policy accepted packet.";

/** What stands first in a chain of the kernel's: the jump to Felix's of the same name. */
function intoOwnChain(name: string): FelixChain {
  return { name, rules: [felixRule("", jump(`cali-${name}`))] };
}

export function filterChains({ settings, marks, family, tunnels }: StaticSurroundings): StaticChains {
  const { accept, all } = marks;
  return {
    inserted: ["INPUT", "FORWARD", "OUTPUT"].map(intoOwnChain),
    appended: [
      {
        name: "FORWARD",
        rules: [
          felixRule(markSet(accept), ACCEPT, "Policy explicitly accepted packet."),
          felixRule("", setMark(accept)),
        ],
      },
    ],
    chains: [
      {
        name: "cali-INPUT",
        rules: [
          ...tunnels.flatMap((tunnel) => incoming(tunnel, family)),
          felixRule(fromDevice(WORKLOAD_DEVICES), goto("cali-wl-to-host")),
          felixRule(markSet(accept), ACCEPT),
          felixRule("", clearMark(all)),
          felixRule("", jump("cali-from-host-endpoint")),
          felixRule(markSet(accept), ACCEPT, HOST_ACCEPTED),
        ],
      },
      {
        name: "cali-wl-to-host",
        rules: [
          ...(family === 6 ? NEIGHBOUR_DISCOVERY : []),
          felixRule("", jump("cali-from-wl-dispatch")),
          felixRule("", jump(settings.endpointToHost), "Configured DefaultEndpointToHostAction"),
        ],
      },
      {
        name: "cali-FORWARD",
        rules: [
          // The accept bit is left: the raw and mangle tables may have set it.
          felixRule("", clearMark(all - accept)),
          felixRule(markClear(accept), jump("cali-from-hep-forward")),
          felixRule(fromDevice(WORKLOAD_DEVICES), jump("cali-from-wl-dispatch")),
          felixRule(toDevice(WORKLOAD_DEVICES), jump("cali-to-wl-dispatch")),
          felixRule("", jump("cali-to-hep-forward")),
          felixRule("", jump("cali-cidr-block")),
        ],
      },
      { name: "cali-cidr-block", rules: [] },
      {
        name: "cali-OUTPUT",
        rules: [
          felixRule(markSet(accept), ACCEPT),
          // A node reaches its own pods whatever policies say: the kubelet's probes must.
          felixRule(toDevice(WORKLOAD_DEVICES), RETURN),
          ...tunnels.flatMap((tunnel) => outgoing(tunnel, family)),
          felixRule("", clearMark(all)),
          // What was translated has its policy in mangle's POSTROUTING, where the route is known.
          felixRule(notCtstate("DNAT"), jump("cali-to-host-endpoint")),
          felixRule(markSet(accept), ACCEPT, HOST_ACCEPTED),
        ],
      },
    ],
  };
}

/** A workload takes its node for its router: multicast listeners, router and neighbour discovery, whatever policies say. */
const NEIGHBOUR_DISCOVERY = [130, 131, 132, 133, 135, 136].map((type) =>
  felixRule(`-p 58 -m icmp6 --icmpv6-type ${type}`, ACCEPT),
);

const LOCAL_DST = "-m addrtype --dst-type LOCAL";
const LOCAL_SRC = "-m addrtype --src-type LOCAL";

function incoming({ kind, port }: Tunnel, family: Family): FelixRule[] {
  const { hosts, vxlanHosts } = networkSets(family);
  if (kind === "ipip") {
    const known = match("-p 4", `-m set --match-set ${hosts} src`, LOCAL_DST);
    return [
      felixRule(known, ACCEPT, "Allow IPIP packets from Calico hosts"),
      felixRule("-p 4", DROP, "Drop IPIP packets from non-Calico hosts"),
    ];
  }
  const packets = `-p 17 -m multiport --destination-ports ${port}`;
  const known = match(packets, `-m set --match-set ${vxlanHosts} src`, LOCAL_DST);
  return [
    felixRule(known, ACCEPT, `Allow IPv${family} VXLAN packets from allowed hosts`),
    felixRule(match(packets, LOCAL_DST), DROP, `Drop IPv${family} VXLAN packets from non-allowed hosts`),
  ];
}

function outgoing({ kind, port }: Tunnel, family: Family): FelixRule[] {
  const { hosts, vxlanHosts } = networkSets(family);
  if (kind === "ipip") {
    const known = match("-p 4", `-m set --match-set ${hosts} dst`, LOCAL_SRC);
    return [felixRule(known, ACCEPT, "Allow IPIP packets to other Calico hosts")];
  }
  const packets = `-p 17 -m multiport --destination-ports ${port}`;
  const known = match(packets, LOCAL_SRC, `-m set --match-set ${vxlanHosts} dst`);
  return [felixRule(known, ACCEPT, `Allow IPv${family} VXLAN packets to other allowed hosts`)];
}

/** Policies that come before a packet is tracked; and no pod may send under another's address. */
export function rawChains({ marks }: StaticSurroundings): StaticChains {
  const { accept, all, scratch0 } = marks;
  return {
    inserted: ["PREROUTING", "OUTPUT"].map(intoOwnChain),
    appended: [],
    chains: [
      {
        name: "cali-PREROUTING",
        rules: [
          felixRule("", clearMark(all)),
          felixRule(fromDevice(WORKLOAD_DEVICES), setMark(scratch0)),
          felixRule(markSet(scratch0), jump("cali-rpf-skip")),
          felixRule(match(markSet(scratch0), "-m rpfilter --invert --validmark"), DROP),
          felixRule(markClear(scratch0), jump("cali-from-host-endpoint")),
          felixRule(markSet(accept), ACCEPT),
        ],
      },
      { name: "cali-rpf-skip", rules: [] },
      {
        name: "cali-OUTPUT",
        rules: [
          felixRule("", clearMark(all)),
          felixRule("", jump("cali-to-host-endpoint")),
          felixRule(markSet(accept), ACCEPT),
        ],
      },
    ],
  };
}

/** Policies that come before the destination is translated, and those of a node's own packets that were. */
export function mangleChains({ marks }: StaticSurroundings): StaticChains {
  const { accept, all } = marks;
  return {
    inserted: ["PREROUTING", "POSTROUTING"].map(intoOwnChain),
    appended: [],
    chains: [
      {
        name: "cali-PREROUTING",
        rules: [
          felixRule(ctstate("RELATED,ESTABLISHED"), ACCEPT),
          felixRule(markSet(accept), ACCEPT),
          felixRule("", jump("cali-from-host-endpoint")),
          felixRule(markSet(accept), ACCEPT, HOST_ACCEPTED),
        ],
      },
      {
        name: "cali-POSTROUTING",
        rules: [
          felixRule(markSet(accept), RETURN),
          felixRule("", clearMark(all)),
          felixRule(ctstate("DNAT"), jump("cali-to-host-endpoint")),
          felixRule(markSet(accept), RETURN, HOST_ACCEPTED),
        ],
      },
    ],
  };
}

export function natChains({ tunnels, natOutgoing, family, settings }: StaticSurroundings): StaticChains {
  // From the tunnel's own address, not that of the card a socket of the node was bound to.
  const wrongSource = match("-m addrtype ! --src-type LOCAL --limit-iface-out", LOCAL_SRC);
  return {
    inserted: ["PREROUTING", "OUTPUT", "POSTROUTING"].map(intoOwnChain),
    appended: [],
    chains: [
      { name: "cali-PREROUTING", rules: [felixRule("", jump("cali-fip-dnat"))] },
      { name: "cali-OUTPUT", rules: [felixRule("", jump("cali-fip-dnat"))] },
      {
        name: "cali-POSTROUTING",
        rules: [
          felixRule("", jump("cali-fip-snat")),
          felixRule("", jump("cali-nat-outgoing")),
          ...tunnels.map(({ device }) => felixRule(match(toDevice(device), wrongSource), MASQUERADE)),
        ],
      },
      { name: "cali-fip-dnat", rules: [] },
      { name: "cali-fip-snat", rules: [] },
      { name: "cali-nat-outgoing", rules: natOutgoing ? natOutgoingRules(family, settings) : [] },
    ],
  };
}

/** Pods' packets to strangers: masqueraded, or given one address; ports of one range are for TCP and UDP (`NATOutgoingChain`). */
function natOutgoingRules(family: Family, { natPorts, natAddress }: FelixSettings): FelixRule[] {
  const sets = networkSets(family);
  const pools = match(`-m set --match-set ${sets.masqueraded} src`, `-m set ! --match-set ${sets.pools} dst`);
  const address = family === 4 ? natAddress : null;
  const plain = address === null ? MASQUERADE : snatTo(address);
  if (natPorts === null) return [felixRule(pools, plain)];
  const ports = `${natPorts.first}-${natPorts.last}`;
  const ranged =
    address === null ? `--jump MASQUERADE --to-ports ${ports} --random-fully` : snatTo(`${address}:${ports}`);
  return [
    ...["tcp", "udp"].flatMap((protocol) => [
      felixRule(match(pools, `-p ${protocol}`), ranged),
      felixRule(match(pools, `-p ${protocol}`), RETURN),
    ]),
    felixRule(pools, plain),
  ];
}

function snatTo(target: string): string {
  return `--jump SNAT --to-source ${target} --random-fully`;
}

const MASQUERADE = "--jump MASQUERADE --random-fully";
