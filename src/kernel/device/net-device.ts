import { type Family, familyOfAddress } from "../../address/ip.ts";
import { addressOnPath, type Ip6 } from "../../address/ip6-handle.ts";
import type { Ipv4 } from "../../address/ipv4.ts";
import type { Mac } from "../../address/mac.ts";
import type { FrameChain } from "../nft/frame-hooks.ts";
import type { CompiledOvsPort } from "../ovs/compile-bridge.ts";
import { tableName } from "../route/rt-table.ts";
import type { CompiledTcFilter } from "../tc/compile-filter.ts";
import { type Device, type DeviceDetail, type PortFlag, VXLAN_AGEING_S } from "./device.ts";
import type { VlanFilter } from "./vlan-filter.ts";

/**
 * A device compiled (`struct net_device` with its `in_device`): what the path reads of it, in direct fields. Slots count
 * a host's devices from 0 and are stable for one version of the host; ifindex is the kernel's own name for it.
 */
export class NetDevice {
  readonly plain: Device;
  readonly slot: number;
  readonly ifindex: number;
  readonly name: string;
  readonly nameId: number;
  readonly mac: Mac;
  readonly mtu: number;
  readonly up: boolean;
  readonly noArp: boolean;
  /**
   * Are its IPv6 addresses in force, and the routes to them? Down they are so where nobody is asked whether an address is
   * taken (`addrconf_dad_begin`): those of kube-proxy's dummy device, which is never up.
   */
  readonly holdsAddresses6: boolean;
  readonly kind: DeviceDetail["kind"];
  readonly isLoopback: boolean;
  readonly isBridge: boolean;
  readonly isVxlan: boolean;
  /** Of a VXLAN or Geneve device: the family of the packets that carry its frames, which one of its ends says. */
  readonly underlayFamily: Family;
  /** Its own end and the other one as the path holds them, 0 for none. */
  readonly underlayLocal: number;
  readonly underlayRemote: number;
  /** Tag of a VLAN device, 0 of others. */
  readonly vlanId: number;
  /** Has it a link layer? Frames of a device without one begin with the IP header. */
  readonly hasHeader: boolean;
  /** The bridge this device is a port of. */
  master: NetDevice | null = null;
  /** The VRF this device belongs to, itself where it is one (`l3mdev_master_dev_rcu`); null outside of all. */
  vrf: NetDevice | null = null;
  /** The table of a VRF by the name that routes have, null of other devices. */
  readonly vrfTable: string | null;
  /** The bond this device is one of. */
  bond: NetDevice | null = null;
  /** A bond's devices, in order of ifindex. */
  slaves: NetDevice[] = [];
  /** A bridge's ports in the order floods visit them. */
  ports: NetDevice[] = [];
  // a port's settings, flat for the path
  hairpin = false;
  learning = true;
  flood = true;
  mcastFlood = true;
  bcastFlood = true;
  isolated = false;
  /** The bridge answers for those behind it whom its host knows, and asks them nothing that it can answer itself. */
  neighSuppress = false;
  neighVlanSuppress = false;
  proxyArp = false;
  proxyArpWifi = false;
  /** What somebody sends who is not known to be behind it is dropped. */
  locked = false;
  /** What is on that is not modelled: said of the frames that it is about. */
  unmodelledFlags: readonly PortFlag[] = [];
  portForwarding = true;
  /** STP lets the port learn, but nothing pass. */
  portLearning = false;
  /** VLANs of a filtering bridge or of one of its ports, null elsewhere. */
  vlans: VlanFilter | null = null;
  /** Of a bridge: does it remember who is where (`hold_time`)? Without ageing nobody. */
  readonly learnsAddresses: boolean;
  /** After how long a bridge or a VXLAN device forgets whom it has not heard again; `Infinity`: never. */
  readonly ageingMs: number;
  /** Does br_netfilter hand this bridge's IPv4 frames to the IP hooks? */
  nfCallIptables = false;
  /** And its IPv6 frames? */
  nfCallIp6tables = false;
  conf: DeviceConf = DEFAULT_CONF;
  conf6: DeviceConf6 = DEFAULT_CONF6;
  /** nftables' chains at its ingress and egress. */
  ingress: readonly FrameChain[] = [];
  egress: readonly FrameChain[] = [];
  /** Filters of traffic control where frames come in and leave. */
  tcIngress: readonly CompiledTcFilter[] = [];
  tcEgress: readonly CompiledTcFilter[] = [];
  /** The port of Open vSwitch that it carries: one of its own (`ovsOwn`) is its other end, of others it takes the frames. */
  ovsPort: CompiledOvsPort | null = null;
  ovsOwn = false;
  /** The longest frame that its token bucket takes, bytes; 0 where it has none. */
  tbfLongest = 0;
  /** Addresses in the order of `ip addr`. */
  addresses: readonly CompiledAddress[] = [];
  /** IPv6 addresses in the order of `ip addr`. */
  readonly addresses6: CompiledAddress6[] = [];

  constructor(plain: Device, slot: number, nameId: number) {
    this.plain = plain;
    this.slot = slot;
    this.ifindex = plain.ifindex;
    this.name = plain.name;
    this.nameId = nameId;
    this.mac = plain.mac;
    this.mtu = plain.mtu;
    this.up = plain.up;
    this.noArp = plain.noArp;
    this.holdsAddresses6 = plain.up || plain.noArp;
    this.kind = plain.detail.kind;
    this.isLoopback = this.kind === "loopback";
    this.isBridge = this.kind === "bridge";
    this.learnsAddresses = plain.detail.kind === "bridge" && plain.detail.ageingS > 0;
    this.ageingMs = ageingOf(plain.detail);
    this.isVxlan = this.kind === "vxlan";
    this.vlanId = plain.detail.kind === "vlan" ? plain.detail.id : 0;
    const { detail } = plain;
    this.vrfTable = detail.kind === "vrf" ? tableName(String(detail.table)) : null;
    if (detail.kind === "vrf") this.vrf = this;
    const local = detail.kind === "vxlan" ? detail.local : null;
    const remote = detail.kind === "vxlan" || detail.kind === "geneve" ? detail.remote : null;
    this.underlayFamily = familyOfAddress(remote ?? local ?? 0);
    this.underlayLocal = addressOnPath(local ?? 0);
    this.underlayRemote = addressOnPath(remote ?? 0);
    this.hasHeader = this.kind !== "ipip" && !(plain.detail.kind === "tun" && plain.detail.mode === "tun");
    const port = plain.port;
    if (port !== null) {
      this.hairpin = port.hairpin;
      this.learning = port.learning;
      this.flood = port.flood;
      this.mcastFlood = port.mcastFlood;
      this.bcastFlood = port.bcastFlood;
      this.isolated = port.isolated;
      const flags = port.flags ?? [];
      this.neighSuppress = flags.includes("neigh_suppress");
      this.neighVlanSuppress = flags.includes("neigh_vlan_suppress");
      this.proxyArp = flags.includes("proxy_arp");
      this.proxyArpWifi = flags.includes("proxy_arp_wifi");
      this.locked = flags.includes("locked");
      this.unmodelledFlags = flags.filter((flag) => UNMODELLED.has(flag));
      // `br_port_carrier_check`: whatever STP says, one that is down or hangs on nothing is disabled.
      const enabled = plain.up && plain.carrier;
      this.portForwarding = enabled && port.state === "forwarding";
      this.portLearning = enabled && port.state === "learning";
    }
  }
}

const UNMODELLED: ReadonlySet<PortFlag> = new Set([
  "neigh_vlan_suppress",
  "vlan_tunnel",
  "mcast_to_unicast",
  "mab",
] as const);

function ageingOf(detail: DeviceDetail): number {
  if (detail.kind === "bridge") return detail.ageingS * 1000;
  const seconds = detail.kind === "vxlan" ? (detail.ageingS ?? VXLAN_AGEING_S) : 0;
  return seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000;
}

export interface CompiledAddress {
  readonly address: Ipv4;
  readonly mask: number;
  readonly length: number;
  readonly broadcast: Ipv4;
  readonly scope: number;
  readonly secondary: boolean;
  /** The address the prefix is taken from: the peer's on a point-to-point device, else the address itself. */
  readonly prefixAddress: Ipv4;
}

export interface CompiledAddress6 {
  readonly address: Ip6;
  readonly length: number;
  readonly scope: number;
  /** The address the prefix is taken from: the peer's on a point-to-point device, else the address itself. */
  readonly prefixAddress: Ip6;
  readonly deprecated: boolean;
  readonly temporary: boolean;
  /** False while duplicate address detection runs, and when it failed. */
  readonly usable: boolean;
}

/** A device's MTU for IPv6 (`idev->cnf.mtu6`), never less than any link of IPv6 has. */
export function deviceMtu6({ mtu, conf6 }: NetDevice): number {
  const own = conf6.mtu === 0 ? mtu : Math.min(conf6.mtu, mtu);
  return Math.max(own, 1280);
}

/** `net.ipv6.conf.<device>.*` (net/ipv6/addrconf.c); unlike IPv4's, mostly the device's own value alone counts. */
export interface DeviceConf6 {
  /** `disable_ipv6`, the device's own or `all`'s. */
  readonly disabled: boolean;
  readonly forwarding: boolean;
  readonly hopLimit: number;
  readonly acceptRedirects: boolean;
  /** `proxy_ndp` of `all` or the device. */
  readonly proxyNdp: boolean;
  /** `use_tempaddr` 2: temporary addresses rather than public ones. */
  readonly prefersTemporary: boolean;
  /** `use_oif_addrs_only`: what goes out by the device comes from an address of it. */
  readonly useOifAddressesOnly: boolean;
  readonly acceptRa: boolean;
  /** Milliseconds between two neighbour solicitations. */
  readonly retransMs: number;
  /** The device's IPv6 MTU where it is less than the device's, 0 otherwise. */
  readonly mtu: number;
}

const DEFAULT_CONF6: DeviceConf6 = {
  disabled: false,
  forwarding: false,
  hopLimit: 64,
  acceptRedirects: true,
  proxyNdp: false,
  prefersTemporary: false,
  useOifAddressesOnly: false,
  acceptRa: false,
  retransMs: 1000,
  mtu: 0,
};

/** `net.ipv4.conf.<device>.*` combined with `all` as the kernel's IN_DEV_* macros do (include/linux/inetdevice.h). */
export interface DeviceConf {
  readonly forwarding: boolean;
  /** 0 none, 1 strict, 2 loose: the larger of `all` and the device's. */
  readonly rpFilter: number;
  readonly acceptLocal: boolean;
  readonly routeLocalnet: boolean;
  readonly sendRedirects: boolean;
  readonly acceptRedirects: boolean;
  readonly secureRedirects: boolean;
  readonly sharedMedia: boolean;
  readonly srcValidMark: boolean;
  readonly arpIgnore: number;
  readonly arpAnnounce: number;
  readonly arpFilter: boolean;
  /** Milliseconds between two ARP questions. */
  readonly retransMs: number;
  /** How long a neighbour that proved to be there is taken to be (the kernel takes 0.5 to 1.5 of it), milliseconds. */
  readonly reachableMs: number;
  /** From the use of an entry no longer fresh to the first question to it alone (NUD_DELAY), milliseconds. */
  readonly delayMs: number;
  readonly proxyArp: boolean;
  readonly proxyArpPvlan: boolean;
  /** 0: only who is asked is learned; 1: whoever says an address is theirs; 2: if it is of a network here. */
  readonly arpAccept: number;
  readonly dropGratuitousArp: boolean;
  /** The next address of a network takes the place of the first that is deleted; otherwise all go with it. */
  readonly promoteSecondaries: boolean;
  readonly bcForwarding: boolean;
}

const DEFAULT_CONF: DeviceConf = {
  forwarding: false,
  rpFilter: 0,
  acceptLocal: false,
  routeLocalnet: false,
  sendRedirects: true,
  acceptRedirects: true,
  secureRedirects: true,
  sharedMedia: true,
  srcValidMark: false,
  arpIgnore: 0,
  arpAnnounce: 0,
  arpFilter: false,
  retransMs: 1000,
  reachableMs: 30_000,
  delayMs: 5000,
  proxyArp: false,
  proxyArpPvlan: false,
  arpAccept: 0,
  dropGratuitousArp: false,
  promoteSecondaries: false,
  bcForwarding: false,
};
