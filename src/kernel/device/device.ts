import type { IpAddress } from "../../address/ip.ts";
import type { Ipv4 } from "../../address/ipv4.ts";
import type { Ipv6Words } from "../../address/ipv6.ts";
import type { Mac } from "../../address/mac.ts";
import type { Origin } from "../origin.ts";

/**
 * A network device as `ip -d link` shows it: plain state. `detail` holds what only its kind has.
 */
export interface Device {
  readonly ifindex: number;
  readonly name: string;
  readonly mac: Mac;
  /** Bytes of an IP packet that fit into one frame. */
  readonly mtu: number;
  readonly up: boolean;
  /** Carrier: false for a cable whose other end is down or missing (`NO-CARRIER`). */
  readonly carrier: boolean;
  readonly noArp: boolean;
  /** `ip link set … group`; absent: 0, in which all devices are at first. */
  readonly group?: number;
  /** Name of the bridge (or bond, VRF) this device is a port of. */
  readonly master: string | null;
  readonly detail: DeviceDetail;
  /** The port's settings, where `master` is a bridge. */
  readonly port: BridgePort | null;
  readonly origin: Origin;
}

/** `FDB_AGE_DEFAULT` (drivers/net/vxlan), seconds. */
export const VXLAN_AGEING_S = 300;

/** A bridge as `ip link add type bridge` makes it. */
export const NEW_BRIDGE = {
  kind: "bridge",
  vlanFiltering: false,
  ageingS: 300,
  nfCallIptables: false,
  nfCallIp6tables: false,
} as const satisfies DeviceDetail;

export type DeviceDetail =
  | { readonly kind: "loopback" }
  /** The other end is named by a wire of the World, or lies outside the model. */
  | { readonly kind: "veth" }
  /** A physical or virtual card. */
  | { readonly kind: "ether" }
  | {
      readonly kind: "bridge";
      readonly vlanFiltering: boolean;
      /** Seconds after which a learned address is forgotten. */
      readonly ageingS: number;
      /** The bridge's own `nf_call_iptables`, which turns br_netfilter on for it beside the sysctl. */
      readonly nfCallIptables: boolean;
      /** The same for IPv6. */
      readonly nfCallIp6tables: boolean;
    }
  | {
      readonly kind: "vxlan";
      readonly vni: number;
      /** Name of the underlying device, null when routing alone decides. */
      readonly link: string | null;
      /** With a remote of the same family, which is the device's: packets of IPv4 or of IPv6 carry its frames. */
      readonly local: IpAddress | null;
      /** Default remote or multicast group for unknown destinations. */
      readonly remote: IpAddress | null;
      /** UDP destination port, and the port listened on. */
      readonly port: number;
      readonly learning: boolean;
      /** Seconds after which what was learned is forgotten, 0 never; absent: `VXLAN_AGEING_S`. */
      readonly ageingS?: number;
      /** TTL of the outer packet, 0: the default TTL. */
      readonly ttl: number;
      readonly df: "unset" | "set" | "inherit";
    }
  /** Takes frames and keeps them: a place for addresses. */
  | { readonly kind: "dummy" }
  /** IPv4 in IPv4. Has no link layer: frames on it begin with the IP header. */
  | {
      readonly kind: "ipip";
      /** Name of the underlying device, null when routing alone decides. */
      readonly link: string | null;
      /** null: any, the address that routing chooses. */
      readonly local: Ipv4 | null;
      /** The other end; null: any, the next hop of each packet's route (`tunl0`). */
      readonly remote: Ipv4 | null;
      /** TTL of the outer packet, 0: the inner one's. */
      readonly ttl: number;
      /** TOS of the outer packet; 1: the inner one's. */
      readonly tos: number;
      /** The outer packet must not be fragmented even where the inner one may. */
      readonly pmtudisc: boolean;
    }
  /** A device with a MAC of its own on another one. */
  | {
      readonly kind: "macvlan";
      readonly mode: "private" | "vepa" | "bridge" | "passthru";
      readonly lower: LowerDevice | null;
    }
  /** A device with the MAC of the one it sits on. */
  | {
      readonly kind: "ipvlan";
      readonly mode: "l2" | "l3" | "l3s";
      /** May its devices speak to each other: yes, no, or only by way of the switch. */
      readonly flag: "bridge" | "private" | "vepa";
      readonly lower: LowerDevice | null;
    }
  /** The frames of a device that bear one IEEE 802.1Q tag. */
  | { readonly kind: "vlan"; readonly id: number; readonly lower: LowerDevice | null }
  /** Geneve to one other end. */
  | {
      readonly kind: "geneve";
      readonly vni: number;
      readonly remote: IpAddress;
      /** UDP destination port, and the port listened on. */
      readonly port: number;
      /** TTL of the outer packet, 0: the default TTL. */
      readonly ttl: number;
      readonly df: "unset" | "set" | "inherit";
    }
  /** Several devices as one. */
  | {
      readonly kind: "bond";
      readonly mode: BondMode;
      /** Name of the device that carries everything (`active-backup`), where the dump says. */
      readonly active: string | null;
    }
  /** A program stands behind it: what it is given leaves the model. `tap` frames have Ethernet headers. */
  | { readonly kind: "tun"; readonly mode: "tun" | "tap" }
  /** A domain of routing: the devices whose `master` it is look into its table (`drivers/net/vrf.c`). */
  | {
      readonly kind: "vrf";
      /** The table's number. */
      readonly table: number;
    }
  /** Where traffic control redirects frames to be shaped; it takes no others. */
  | { readonly kind: "ifb" }
  /** A bridge of Open vSwitch or another port that it made: what is sent into it comes into the bridge (`OpenVswitch`). */
  | { readonly kind: "openvswitch" }
  /** A tunnel whose ends and key come with each packet (`external`): the kernel's half of ports of Open vSwitch. */
  | {
      readonly kind: "external";
      readonly type: "vxlan" | "geneve";
      readonly port: number;
    }
  /** A kind not modelled: frames into it leave the model. */
  | { readonly kind: "unmodelled"; readonly type: string };

export type BondMode =
  | "balance-rr"
  | "active-backup"
  | "balance-xor"
  | "broadcast"
  | "802.3ad"
  | "balance-tlb"
  | "balance-alb";

/** What a device sits on. */
export interface LowerDevice {
  /** Its host; null: the device's own. */
  readonly host: string | null;
  readonly device: string;
}

/** A bridge port's settings (`bridge -d link`). */
export interface BridgePort {
  /** STP state; only a `forwarding` port carries traffic. */
  readonly state: "disabled" | "listening" | "learning" | "forwarding" | "blocking";
  /** A frame may leave by the port it came in by. */
  readonly hairpin: boolean;
  readonly learning: boolean;
  /** Unknown unicast is flooded to this port. */
  readonly flood: boolean;
  readonly mcastFlood: boolean;
  readonly bcastFlood: boolean;
  /** Isolated ports do not exchange frames with each other. */
  readonly isolated: boolean;
  /** What else is on, by iproute2's names; absent: nothing. */
  readonly flags?: readonly PortFlag[];
}

export type PortFlag =
  | "neigh_suppress"
  | "neigh_vlan_suppress"
  | "proxy_arp"
  | "proxy_arp_wifi"
  | "vlan_tunnel"
  | "mcast_to_unicast"
  | "locked"
  | "mab";

/** An address of a device (`ip addr`). */
export interface InterfaceAddress {
  readonly dev: string;
  readonly address: Ipv4;
  /** Prefix length, 0–32. */
  readonly length: number;
  readonly broadcast: Ipv4 | null;
  readonly scope: Scope;
  readonly secondary: boolean;
  readonly peer: Ipv4 | null;
  readonly label: string | null;
  readonly origin: Origin;
}

/** An IPv6 address of a device (`ip -6 addr`). */
export interface InterfaceAddress6 {
  readonly dev: string;
  readonly address: Ipv6Words;
  /** Prefix length, 0–128. */
  readonly length: number;
  readonly scope: Scope;
  readonly peer: Ipv6Words | null;
  /** Flags that change how it is used; `tentative` and `dadfailed` addresses take no packets yet. */
  readonly flags: readonly Ipv6AddressFlag[];
  readonly origin: Origin;
}

/** As `ip -6 addr` prints them behind an address. */
export type Ipv6AddressFlag =
  | "secondary"
  | "temporary"
  | "deprecated"
  | "tentative"
  | "dadfailed"
  | "nodad"
  | "optimistic"
  | "home"
  | "mngtmpaddr"
  | "noprefixroute"
  | "autojoin"
  | "dynamic"
  | "stable-privacy";

/** `RT_SCOPE_*` by name, widest first. */
export type Scope = "global" | "site" | "link" | "host" | "nowhere";

/** An entry of a forwarding database (`bridge fdb`): a bridge's, or a VXLAN device's own (`self`). */
export interface FdbEntry {
  readonly mac: Mac;
  readonly dev: string;
  /** The bridge the entry belongs to, null for an entry of the device itself (`self`). */
  readonly master: string | null;
  readonly state: "permanent" | "static" | "reachable" | "stale";
  /** VXLAN: the remote tunnel end. */
  readonly dst: IpAddress | null;
  readonly vlan: number | null;
  readonly origin: Origin;
}

/** A neighbour entry of IPv4 (`ip neigh`), or of IPv6 (`ip -6 neigh`). */
export interface NeighbourOf<Address> {
  readonly dst: Address;
  readonly dev: string;
  /** null for an entry that failed or is being resolved. */
  readonly lladdr: Mac | null;
  readonly state: "permanent" | "noarp" | "reachable" | "stale" | "delay" | "probe" | "incomplete" | "failed";
  /** `proxy`: answer ARP for this address on the device. */
  readonly proxy: boolean;
  readonly origin: Origin;
}

export type Neighbour = NeighbourOf<Ipv4>;
export interface Neighbour6 extends NeighbourOf<Ipv6Words> {
  /** It said that it forwards; nothing here chooses a default router by it. */
  readonly router: boolean;
}
