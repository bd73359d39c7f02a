import type { Family } from "../address/ip.ts";
import { parseConntrackList } from "./conntrack/conntrack-list.ts";
import type { ConntrackEntry } from "./conntrack/entry.ts";
import { type ConntrackTimeouts, conntrackTimeouts } from "./conntrack/timeouts.ts";
import { compileBridgeFdb } from "./device/compile-bridge-fdb.ts";
import { compileDevices } from "./device/compile-devices.ts";
import { JoinedGroups } from "./device/joined-groups.ts";
import type { NetDevice } from "./device/net-device.ts";
import { VxlanFdb } from "./device/vxlan-fdb.ts";
import type { Host } from "./host.ts";
import { CompiledIpvs } from "./ipvs/compiled-service.ts";
import type { Ipvs } from "./ipvs/virtual-service.ts";
import { KnownNeighbours } from "./neighbour/known-neighbours.ts";
import { declareRecentLists } from "./netfilter/match/recent.ts";
import {
  countsConnections,
  needsConntrack,
  needsDefrag,
  proxiesHandshakes,
} from "./netfilter/needs-conntrack.ts";
import { RecentLists } from "./netfilter/recent.ts";
import { type CompiledRuleset, compileRuleset } from "./netfilter/table.ts";
import { CompiledNft } from "./nft/compile/nft-table.ts";
import {
  type ArpChains,
  arpChains,
  type BridgeChains,
  bridgeChains,
  egressChains,
  ingressChains,
} from "./nft/frame-hooks.ts";
import {
  nftCountsConnections,
  nftNeedsConntrack,
  nftNeedsDefrag,
  nftProxiesHandshakes,
} from "./nft/needs-conntrack.ts";
import { walkedNft } from "./nft/walked.ts";
import { type CompiledOvsBridge, type CompiledOvsPort, compileOvs } from "./ovs/compile-bridge.ts";
import { Fib } from "./route/fib.ts";
import { DEFAULT_HASH_FIELDS } from "./route/multipath-hash.ts";
import { Journal } from "./session/journal.ts";
import type { PairMap } from "./session/pair-map.ts";
import type { Socket } from "./socket/socket.ts";
import { Sysctl } from "./sysctl.ts";
import { attachTrafficControl } from "./tc/attach.ts";
import { linesOf } from "./tool-text.ts";

/** Devices of lower numbers are found by place. */
const NEAR = 4096;

/**
 * One host compiled (`struct net`): everything the path reads, resolved once per version of the host into direct fields.
 * Derived from the plain Host, never written by hand, never saved; no part of it changes during a walk.
 */
export class Netns {
  readonly host: Host;
  readonly name: string;
  /** By slot. */
  readonly devices: readonly NetDevice[];
  /** By ifindex, as far as `NEAR`: the path asks for a device's name at every hook. */
  private readonly near: (NetDevice | null)[] = [];
  /** Those of higher numbers. */
  private readonly far = new Map<number, NetDevice>();
  private readonly byName = new Map<string, NetDevice>();
  readonly loopback: NetDevice | null;
  readonly fib: Fib;
  readonly fib6: Fib;
  readonly sysctl: Sysctl;
  readonly iptables: CompiledRuleset | null;
  readonly ip6tables: CompiledRuleset | null;
  readonly nft: CompiledNft | null;
  /** nftables' chains that bridged frames meet, and that ARP does. */
  readonly bridgeChains: BridgeChains | null;
  readonly arpChains: ArpChains | null;
  /** The `recent` lists that the rules name: every session of this host begins with them, empty. */
  readonly recentLists = new RecentLists(new Journal());
  /** null where there are no virtual services: their hooks come with the first (`ip_vs_add_service`). */
  readonly ipvs: CompiledIpvs | null;
  /** Is conntrack (and with it defragmentation) active here for IPv4? */
  readonly conntrack: boolean;
  /** And for IPv6? */
  readonly conntrack6: boolean;
  private readonly defrag: boolean;
  private readonly defrag6: boolean;
  private readonly synproxy: boolean;
  private readonly synproxy6: boolean;
  private listed: readonly ConntrackEntry[] | null = null;
  private queues: readonly number[] | null = null;
  readonly neighbours: KnownNeighbours;
  /** Bridges' own entries: (bridge ifindex, MAC) to the port's ifindex, or the bridge's own for what goes up. */
  readonly bridgeFdb: PairMap;
  readonly vxlanFdb: VxlanFdb;
  readonly sockets: readonly Socket[] | null;
  /** Without a list: those that are known all the same. */
  readonly knownSockets: readonly Socket[];
  /** Sockets of daemons that stand behind a TUN. */
  readonly tunSockets: readonly Socket[];
  /**
   * Is the kernel's module for SCTP loaded? The first socket of SCTP loads it, and with it come the settings `net.sctp.*`:
   * where neither is there, it is taken not to be.
   */
  readonly speaksSctp: boolean;
  readonly vxlans: readonly NetDevice[];
  readonly ipips: readonly NetDevice[];
  readonly geneves: readonly NetDevice[];
  readonly hasVrfs: boolean;
  /** Bridges of Open vSwitch, and those of their ports that are tunnels. */
  readonly ovsBridges: readonly CompiledOvsBridge[];
  readonly ovsTunnels: readonly CompiledOvsPort[];
  readonly groups: JoinedGroups;

  /** Does a socket bound to no device hear what comes in a VRF (`net.ipv4.tcp_l3mdev_accept` and its like)? */
  readonly l3mdevAccept: Readonly<Record<Socket["proto"], boolean>>;

  // sysctls the path asks for
  readonly ipForward: boolean;
  readonly defaultTtl: number;
  readonly hopLimit6: number;
  readonly portRange: readonly [number, number];
  /** Does conntrack count packets and bytes? */
  readonly conntrackAccounts: boolean;
  readonly tcpLoose: boolean;
  readonly tcpLiberal: boolean;
  readonly conntrackTimeouts: ConntrackTimeouts;
  /** Connections the table holds at most; 0: any number. And into how many chains it is divided. */
  readonly conntrackMax: number;
  readonly conntrackBuckets: number;
  readonly echoIgnoreAll: boolean;
  readonly errorsUseInboundAddress: boolean;
  readonly forwardUsePmtu: boolean;
  readonly multipathHashPolicy: number;
  /** Next hops whose gateways did not answer are passed over (`net.ipv4.fib_multipath_use_neigh`). */
  readonly multipathUsesNeighbours: boolean;
  /** What policy 3 looks at, and of IPv6. */
  readonly multipathHashFields: number;
  readonly multipathHashFields6: number;
  /** `net.ipv4.route.min_pmtu`; how long a path's MTU is believed, and of IPv6. */
  readonly leastPathMtu: number;
  /** `net.ipv4.ip_no_pmtu_disc`: 0 path MTU discovery; 1 what an error tells counts as `min_pmtu`, 2 for nothing, 3 only of TCP and SCTP. */
  readonly noPmtuDisc: number;
  /** `net.ipv4.tcp_fwmark_accept`: a connection that comes in has the mark of its first packet. */
  readonly tcpFwmarkAccept: boolean;
  readonly pathMtuExpiresMs: number;
  readonly pathMtuExpiresMs6: number;
  readonly fwmarkReflect: boolean;
  readonly nonlocalBind: boolean;
  /** `net.ipv6.conf.all.forwarding`: one switch for the host. */
  readonly forwarding6: boolean;
  /** `net.ipv6.conf.all.proxy_ndp`. */
  readonly proxiesAll6: boolean;
  readonly echo6: Echo6;
  readonly multipathHashPolicy6: number;
  readonly fwmarkReflect6: boolean;
  /** Does br_netfilter hand tagged frames to the IP hooks as well? */
  readonly filterVlanTagged: boolean;

  constructor(host: Host) {
    this.host = host;
    this.name = host.name;
    const sysctl = new Sysctl(host.sysctl);
    this.sysctl = sysctl;
    this.devices = compileDevices(host, sysctl);
    for (const device of this.devices) {
      if (device.ifindex < NEAR) {
        while (this.near.length <= device.ifindex) this.near.push(null);
        this.near[device.ifindex] = device;
      } else this.far.set(device.ifindex, device);
      this.byName.set(device.name, device);
    }
    this.loopback = this.devices.find((device) => device.isLoopback) ?? null;
    this.geneves = this.devices.filter((device) => device.kind === "geneve");
    this.ipips = this.devices.filter((device) => device.kind === "ipip");
    this.vxlans = this.devices.filter((device) => device.isVxlan);
    this.vxlanFdb = new VxlanFdb(host, this.devices);
    const named = (name: string): NetDevice | null => this.deviceNamed(name);
    this.fib = new Fib(4, host.routes, host.rules, named, this.devices);
    this.fib6 = new Fib(6, host.routes6, host.rules6, named, this.devices);
    this.hasVrfs = this.devices.some(({ kind }) => kind === "vrf");
    this.ovsBridges = host.ovs === null ? [] : compileOvs(host.ovs, named);
    const ovsPorts = this.ovsBridges.flatMap(({ ports }) => ports);
    this.ovsTunnels = ovsPorts.filter(({ tunnel }) => tunnel !== null);
    for (const port of ovsPorts) {
      if (port.device === null) continue;
      port.device.ovsPort = port;
      port.device.ovsOwn = port.plain.type === "internal";
    }
    this.iptables = host.iptables === null ? null : compileRuleset(host.iptables);
    if (host.iptables !== null) declareRecentLists(host.iptables, this.recentLists);
    this.ip6tables = host.ip6tables === null ? null : compileRuleset(host.ip6tables);
    if (host.ip6tables !== null) declareRecentLists(host.ip6tables, this.recentLists);
    this.nft = host.nft === null ? null : new CompiledNft(walkedNft(host));
    this.bridgeChains = this.nft === null ? null : bridgeChains(this.nft);
    this.arpChains = this.nft === null ? null : arpChains(this.nft);
    this.ipvs = (host.ipvs?.services.length ?? 0) === 0 ? null : new CompiledIpvs(host.ipvs as Ipvs, sysctl);
    this.conntrack =
      (host.iptables !== null && needsConntrack(host.iptables)) ||
      (this.nft !== null && nftNeedsConntrack(walkedNft(host), 4)) ||
      this.ipvs?.needsConntrack(4) === true;
    this.conntrack6 =
      (host.ip6tables !== null && needsConntrack(host.ip6tables)) ||
      (this.nft !== null && nftNeedsConntrack(walkedNft(host), 6)) ||
      this.ipvs?.needsConntrack(6) === true;
    this.defrag =
      this.conntrack ||
      (host.iptables !== null && needsDefrag(host.iptables)) ||
      (this.nft !== null && nftNeedsDefrag(walkedNft(host), 4));
    // ip_vs_add_service: nf_defrag_ipv6_enable
    this.defrag6 =
      this.conntrack6 ||
      this.ipvs?.serves(6) === true ||
      (host.ip6tables !== null && needsDefrag(host.ip6tables)) ||
      (this.nft !== null && nftNeedsDefrag(walkedNft(host), 6));
    this.synproxy =
      (host.iptables !== null && proxiesHandshakes(host.iptables)) ||
      (this.nft !== null && nftProxiesHandshakes(walkedNft(host), 4));
    this.synproxy6 =
      (host.ip6tables !== null && proxiesHandshakes(host.ip6tables)) ||
      (this.nft !== null && nftProxiesHandshakes(walkedNft(host), 6));

    if (this.nft !== null) {
      for (const device of this.devices) {
        device.ingress = ingressChains(this.nft, device.name);
        device.egress = egressChains(this.nft, device.name);
      }
    }

    attachTrafficControl(host.tc, named);
    this.neighbours = new KnownNeighbours(host, named);
    this.groups = new JoinedGroups(this.devices, this.neighbours.proxied);
    this.bridgeFdb = compileBridgeFdb(host, this.devices, named);
    this.sockets = host.sockets.kind === "listed" ? host.sockets.sockets : null;
    this.knownSockets = host.sockets.kind === "assumed" ? (host.sockets.known ?? []) : [];
    this.tunSockets = (this.sockets ?? this.knownSockets).filter(({ app }) => app.kind === "tun");

    this.speaksSctp =
      this.sockets === null ||
      this.sockets.some(({ proto }) => proto === "sctp") ||
      [...host.sysctl.keys()].some((name) => name.startsWith("net.sctp."));
    this.l3mdevAccept = {
      tcp: sysctl.integer("net.ipv4.tcp_l3mdev_accept", 0) !== 0,
      udp: sysctl.integer("net.ipv4.udp_l3mdev_accept", 0) !== 0,
      // `sctp_l3mdev_accept` is on from the beginning (`sctp_defaults_init`).
      sctp: sysctl.integer("net.sctp.l3mdev_accept", 1) !== 0,
    };
    this.ipForward = sysctl.integer("net.ipv4.ip_forward", 0) !== 0;
    this.defaultTtl = sysctl.integer("net.ipv4.ip_default_ttl", 64);
    this.hopLimit6 = sysctl.integer("net.ipv6.conf.all.hop_limit", 64);
    this.portRange = sysctl.range("net.ipv4.ip_local_port_range", 32768, 60999);
    this.conntrackMax = sysctl.integer("net.netfilter.nf_conntrack_max", 0);
    this.conntrackBuckets = sysctl.integer("net.netfilter.nf_conntrack_buckets", this.conntrackMax);
    this.conntrackAccounts =
      sysctl.integer("net.netfilter.nf_conntrack_acct", 0) !== 0 ||
      [host.iptables, host.ip6tables].some((rules) => rules !== null && countsConnections(rules)) ||
      nftCountsConnections(host.nft);
    this.conntrackTimeouts = conntrackTimeouts(sysctl);
    this.tcpLiberal = sysctl.integer("net.netfilter.nf_conntrack_tcp_be_liberal", 0) !== 0;
    this.tcpLoose = sysctl.integer("net.netfilter.nf_conntrack_tcp_loose", 1) !== 0;
    this.echoIgnoreAll = sysctl.integer("net.ipv4.icmp_echo_ignore_all", 0) !== 0;
    this.errorsUseInboundAddress = sysctl.integer("net.ipv4.icmp_errors_use_inbound_ifaddr", 0) !== 0;
    this.forwardUsePmtu = sysctl.integer("net.ipv4.ip_forward_use_pmtu", 0) !== 0;
    this.multipathUsesNeighbours = sysctl.integer("net.ipv4.fib_multipath_use_neigh", 0) !== 0;
    this.multipathHashPolicy = sysctl.integer("net.ipv4.fib_multipath_hash_policy", 0);
    this.fwmarkReflect = sysctl.integer("net.ipv4.fwmark_reflect", 0) !== 0;
    this.proxiesAll6 = sysctl.integer("net.ipv6.conf.all.proxy_ndp", 0) !== 0;
    this.forwarding6 = sysctl.integer("net.ipv6.conf.all.forwarding", 0) !== 0;
    this.echo6 = {
      ignoreAll: sysctl.integer("net.ipv6.icmp.echo_ignore_all", 0) !== 0,
      ignoreMulticast: sysctl.integer("net.ipv6.icmp.echo_ignore_multicast", 0) !== 0,
      ignoreAnycast: sysctl.integer("net.ipv6.icmp.echo_ignore_anycast", 0) !== 0,
      anycastSource: sysctl.integer("net.ipv6.anycast_src_echo_reply", 0) !== 0,
    };
    this.noPmtuDisc = sysctl.integer("net.ipv4.ip_no_pmtu_disc", 0);
    this.tcpFwmarkAccept = sysctl.integer("net.ipv4.tcp_fwmark_accept", 0) !== 0;
    this.leastPathMtu = sysctl.integer("net.ipv4.route.min_pmtu", 552);
    this.pathMtuExpiresMs = sysctl.integer("net.ipv4.route.mtu_expires", 600) * 1000;
    this.pathMtuExpiresMs6 = sysctl.integer("net.ipv6.route.mtu_expires", 600) * 1000;
    this.multipathHashFields = sysctl.integer("net.ipv4.fib_multipath_hash_fields", DEFAULT_HASH_FIELDS);
    this.multipathHashFields6 = sysctl.integer("net.ipv6.fib_multipath_hash_fields", DEFAULT_HASH_FIELDS);
    this.multipathHashPolicy6 = sysctl.integer("net.ipv6.fib_multipath_hash_policy", 0);
    this.fwmarkReflect6 = sysctl.integer("net.ipv6.fwmark_reflect", 0) !== 0;
    this.filterVlanTagged = sysctl.integer("net.bridge.bridge-nf-filter-vlan-tagged", 0) !== 0;
    this.nonlocalBind = sysctl.integer("net.ipv4.ip_nonlocal_bind", 0) !== 0;
  }

  /** The connections that the dump tells of (`conntrack -L`). */
  get connections(): readonly ConntrackEntry[] {
    if (this.listed === null) {
      const text = this.host.unmodelled.get("conntrack");
      this.listed = typeof text === "string" ? parseConntrackList(linesOf(text)).entries : [];
    }
    return this.listed;
  }

  /**
   * Queues of NFQUEUE that a program listens on, as /proc/net/netfilter/nfnetlink_queue lists them, a line each (`seq_show` of
   * net/netfilter/nfnetlink_queue.c); null: the dump did not say.
   */
  get heardQueues(): readonly number[] | null {
    const text = this.host.unmodelled.get("nfnetlinkQueue");
    if (typeof text !== "string") return null;
    this.queues ??= linesOf(text)
      .flatMap((line) => /^\s*(\d+) /.exec(line.text)?.[1] ?? [])
      .map(Number);
    return this.queues;
  }

  /** The rules of iptables or ip6tables. */
  rules(family: Family): CompiledRuleset | null {
    return family === 6 ? this.ip6tables : this.iptables;
  }

  /** Is conntrack active for a family? */
  tracks(family: Family): boolean {
    return family === 6 ? this.conntrack6 : this.conntrack;
  }

  /** Are a family's fragments joined as they come in? */
  defragments(family: Family): boolean {
    return family === 6 ? this.defrag6 : this.defrag;
  }

  /** Has a family rules that shake hands in a server's place? */
  proxiesHandshakes(family: Family): boolean {
    return family === 6 ? this.synproxy6 : this.synproxy;
  }

  /** Routes and policy rules. */
  routing(family: Family): Fib {
    return family === 6 ? this.fib6 : this.fib;
  }

  device(ifindex: number): NetDevice | null {
    return (ifindex < this.near.length ? this.near[ifindex] : this.far.get(ifindex)) ?? null;
  }

  deviceNamed(name: string): NetDevice | null {
    return this.byName.get(name) ?? null;
  }
}

/** Which echo requests of IPv6 are not answered (`net.ipv6.icmp.echo_ignore_*`), and from where to answer for an anycast one. */
export interface Echo6 {
  readonly ignoreAll: boolean;
  readonly ignoreMulticast: boolean;
  readonly ignoreAnycast: boolean;
  /** `net.ipv6.anycast_src_echo_reply`: from the anycast address itself. */
  readonly anycastSource: boolean;
}

const compiled = new WeakMap<Host, Netns>();

/** The compiled form of a host, made on first use and kept for as long as that version of the host lives. */
export function netnsOf(host: Host): Netns {
  let netns = compiled.get(host);
  if (netns === undefined) {
    netns = new Netns(host);
    compiled.set(host, netns);
  }
  return netns;
}
