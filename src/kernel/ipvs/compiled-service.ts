import type { Family } from "../../address/ip.ts";
import { addressOnPath } from "../../address/ip6-handle.ts";
import { maskOf } from "../../address/prefix.ts";
import { KEY_IPV6 } from "../../packet/packet.ts";
import { Sysctl } from "../sysctl.ts";
import { FORWARD_GATE, FORWARD_MASQ, FORWARD_OTHER_TUNNEL, FORWARD_TUNNEL } from "./connection-flags.ts";
import {
  addressBits,
  type Forwarding,
  type Ipvs,
  PROTOCOL_NUMBER,
  selectorKey,
  serverKey,
  type VirtualService,
} from "./virtual-service.ts";

/** A virtual service resolved for packets; derived from the plain one, never written by hand. */
export interface CompiledVirtualService {
  readonly plain: VirtualService;
  /** Place among the host's services. */
  readonly index: number;
  readonly key: string;
  /** 0: by address. */
  readonly mark: number;
  /** With its family (`protocolKey`); of a mark the family alone. */
  readonly protocol: number;
  /** As packets hold it. */
  readonly address: number;
  readonly port: number;
  readonly persistent: boolean;
  readonly timeoutMs: number;
  /** What clients of IPv4 have in common … */
  readonly netmask: number;
  /** … and, as a length, those of IPv6. */
  readonly prefixLength: number;
  readonly onePacket: boolean;
  readonly fallback: boolean;
  readonly hashPort: boolean;
  /** Real servers in the kernel's order, column by column. */
  readonly serverKeys: readonly string[];
  /** As packets hold them. */
  readonly addresses: readonly number[];
  readonly methods: readonly number[];
}

/**
 * The settings under `net.ipv4.vs` that a packet asks for (`ip_vs_control_net_init_sysctl` has the defaults). `backup_only`
 * says something of a backup's synchronisation alone (`sysctl_backup_only`), which no host here has.
 */
export interface IpvsSettings {
  readonly conntrack: boolean;
  readonly connReuseMode: number;
  readonly expireNodestConn: boolean;
  readonly expireQuiescentTemplate: boolean;
  readonly sloppyTcp: boolean;
  readonly sloppySctp: boolean;
  readonly natIcmpSend: boolean;
  readonly snatReroute: boolean;
  readonly pmtuDisc: boolean;
  readonly ignoreTunneled: boolean;
  /** A destination that lblc, or lblcr, was not asked for so long is forgotten, milliseconds. */
  readonly lblcExpirationMs: number;
  readonly lblcrExpirationMs: number;
}

/** IPVS of one host, compiled. `ip_vs_service_find` is `find`. */
export class CompiledIpvs {
  readonly services: readonly CompiledVirtualService[];
  readonly byKey: ReadonlyMap<string, CompiledVirtualService>;
  readonly settings: IpvsSettings;
  /** Settings at work here that are not modelled: said when a connection is scheduled. */
  readonly unmodelled: readonly string[];
  readonly tcpMs: number;
  readonly tcpFinMs: number;
  readonly udpMs: number;
  /** By mark; those of IPv6 apart. */
  private readonly byMark = new Map<number, CompiledVirtualService>();
  private readonly byMark6 = new Map<number, CompiledVirtualService>();
  /** By protocol, then address, then port. */
  private readonly byEnd = new Map<number, Map<number, Map<number, CompiledVirtualService>>>();
  private readonly anyPort: boolean;
  private readonly ftp: boolean;
  /** `inet_port_requires_bind_service`: ports below are root's. */
  private readonly firstFreePort: number;

  constructor(ipvs: Ipvs, sysctl: Sysctl) {
    this.services = ipvs.services.map(compile);
    this.byKey = new Map(this.services.map((service) => [service.key, service]));
    for (const service of this.services) {
      if (service.mark !== 0) this.marked(service.protocol).set(service.mark, service);
      else this.put(service);
    }
    this.anyPort = this.services.some((service) => service.mark === 0 && service.port === 0);
    this.ftp = this.services.some((service) => service.mark === 0 && service.port === FTP_PORT);
    this.tcpMs = ipvs.timeouts.tcpS * 1000;
    this.tcpFinMs = ipvs.timeouts.tcpFinS * 1000;
    this.udpMs = ipvs.timeouts.udpS * 1000;
    this.firstFreePort = sysctl.integer("net.ipv4.ip_unprivileged_port_start", 1024);
    this.settings = settingsOf(sysctl);
    this.unmodelled = UNMODELLED.map((name) => `net.ipv4.vs.${name}`).filter(
      (name) => sysctl.integer(name, 0) !== 0,
    );
  }

  /** FTP-NAT needs conntrack for its mangling (`__ip_vs_update_dest`). */
  needsConntrack(family: Family): boolean {
    return this.services.some(
      ({ plain, mark, port, methods }) =>
        plain.selector.family === family && mark === 0 && port === FTP_PORT && methods.includes(FORWARD_MASQ),
    );
  }

  /** Are there services of a family? The kernel asks IPVS of packets of no other. */
  serves(family: Family): boolean {
    return this.services.some(({ plain }) => plain.selector.family === family);
  }

  /** By mark first, then by address and port, then the address's data connections of FTP, then its every-port service. */
  find(mark: number, protocol: number, address: number, port: number): CompiledVirtualService | null {
    if (mark !== 0) {
      const marked = this.marked(protocol).get(mark >>> 0);
      if (marked !== undefined) return marked;
    }
    const ports = this.byEnd.get(protocol)?.get(address);
    if (ports === undefined) return null;
    const exact = ports.get(port);
    if (exact !== undefined) return exact;
    if (
      this.ftp &&
      (protocol & ~KEY_IPV6) === PROTOCOL_NUMBER.tcp &&
      (port === FTP_DATA_PORT || port >= this.firstFreePort)
    ) {
      const ftp = ports.get(FTP_PORT);
      if (ftp !== undefined) return ftp;
    }
    return (this.anyPort ? ports.get(0) : undefined) ?? null;
  }

  /** `ip_vs_has_real_service`: is it the end of a server that is translated to? One of a mark has every protocol. */
  hasRealServer(protocol: number, address: number, port: number): boolean {
    return this.services.some(
      ({ plain, methods, addresses, ...service }) =>
        (service.protocol === protocol ||
          (service.mark !== 0 && service.protocol === (protocol & KEY_IPV6))) &&
        plain.servers.some(
          (server, i) => methods[i] === FORWARD_MASQ && addresses[i] === address && server.port === port,
        ),
    );
  }

  /** `ip_vs_find_tunnel`: is there a server behind an IPIP tunnel at this address of IPv4? */
  hasTunnel(address: number): boolean {
    return this.services.some(({ plain, methods, addresses }) =>
      methods.some(
        (method, i) => method === FORWARD_TUNNEL && plain.selector.family === 4 && addresses[i] === address,
      ),
    );
  }

  private marked(protocol: number): Map<number, CompiledVirtualService> {
    return (protocol & KEY_IPV6) === 0 ? this.byMark : this.byMark6;
  }

  private put(service: CompiledVirtualService): void {
    const addresses =
      this.byEnd.get(service.protocol) ?? new Map<number, Map<number, CompiledVirtualService>>();
    this.byEnd.set(service.protocol, addresses);
    const ports = addresses.get(service.address) ?? new Map<number, CompiledVirtualService>();
    addresses.set(service.address, ports);
    ports.set(service.port, service);
  }
}

/** Defence against floods, ICMP errors that begin connections, services without servers passed by. */
const UNMODELLED = ["drop_entry", "drop_packet", "secure_tcp", "schedule_icmp", "cache_bypass"];

export const FTP_PORT = 21;
export const FTP_DATA_PORT = 20;

function compile(plain: VirtualService, index: number): CompiledVirtualService {
  const { selector, persistence } = plain;
  const family = selector.family === 6 ? KEY_IPV6 : 0;
  const prefixLength = persistence?.prefixLength ?? addressBits(selector.family);
  const end =
    selector.kind === "fwmark"
      ? { protocol: family, address: 0, port: 0, mark: selector.mark }
      : {
          protocol: PROTOCOL_NUMBER[selector.protocol] | family,
          address: addressOnPath(selector.address),
          port: selector.port,
          mark: 0,
        };
  return {
    plain,
    index,
    key: selectorKey(selector),
    ...end,
    persistent: persistence !== null,
    timeoutMs: (persistence?.timeoutS ?? 0) * 1000,
    netmask: selector.family === 6 ? 0 : maskOf(prefixLength),
    prefixLength,
    onePacket: plain.onePacket,
    fallback: plain.flags.fallback,
    hashPort: plain.flags.port,
    serverKeys: plain.servers.map(serverKey),
    addresses: plain.servers.map(({ address }) => addressOnPath(address)),
    methods: plain.servers.map(({ forwarding }) => methodOf(forwarding)),
  };
}

function methodOf(forwarding: Forwarding): number {
  if (forwarding.kind === "masq") return FORWARD_MASQ;
  if (forwarding.kind === "gate") return FORWARD_GATE;
  return forwarding.tunnel.type === "ipip" ? FORWARD_TUNNEL : FORWARD_OTHER_TUNNEL;
}

export const NO_IPVS_SETTINGS: IpvsSettings = settingsOf(new Sysctl(new Map()));

function settingsOf(sysctl: Sysctl): IpvsSettings {
  const flag = (name: string, fallback: 0 | 1): boolean =>
    sysctl.integer(`net.ipv4.vs.${name}`, fallback) !== 0;
  return {
    conntrack: flag("conntrack", 0),
    connReuseMode: sysctl.integer("net.ipv4.vs.conn_reuse_mode", 1),
    expireNodestConn: flag("expire_nodest_conn", 0),
    expireQuiescentTemplate: flag("expire_quiescent_template", 0),
    sloppyTcp: flag("sloppy_tcp", 0),
    sloppySctp: flag("sloppy_sctp", 0),
    natIcmpSend: flag("nat_icmp_send", 0),
    snatReroute: flag("snat_reroute", 1),
    pmtuDisc: flag("pmtu_disc", 1),
    ignoreTunneled: flag("ignore_tunneled", 0),
    lblcExpirationMs: sysctl.integer("net.ipv4.vs.lblc_expiration", 86_400) * 1000,
    lblcrExpirationMs: sysctl.integer("net.ipv4.vs.lblcr_expiration", 86_400) * 1000,
  };
}
