import { type Family, formatIp, type IpAddress } from "../../address/ip.ts";
import type { Origin } from "../origin.ts";

/**
 * What IPVS holds as configuration (ip_vs_ctl.c): virtual services and their real servers, and the timeouts of connections.
 * Plain and serialisable; the compiled form is `compiled-service.ts`, what packets leave behind `ipvs-state.ts`.
 */
export interface Ipvs {
  readonly services: readonly VirtualService[];
  readonly timeouts: IpvsTimeouts;
}

/** `ipvsadm --set`: seconds of an established TCP connection, of one in FIN_WAIT, of a UDP one. */
export interface IpvsTimeouts {
  readonly tcpS: number;
  readonly tcpFinS: number;
  readonly udpS: number;
}

const DEFAULT_TIMEOUTS: IpvsTimeouts = { tcpS: 900, tcpFinS: 120, udpS: 300 };

export const NO_SERVICES: Ipvs = { services: [], timeouts: DEFAULT_TIMEOUTS };

export interface VirtualService {
  readonly selector: VirtualServiceSelector;
  /** Name of the scheduler; one that is not modelled is kept, and said when it is met. */
  readonly scheduler: string;
  readonly flags: SchedulerFlags;
  /** null: each connection is scheduled for itself. */
  readonly persistence: Persistence | null;
  /** `--ops`: every datagram is scheduled for itself. */
  readonly onePacket: boolean;
  /** `--pe`: the persistence engine, null none. */
  readonly engine: string | null;
  /** In the kernel's own order, which schedulers walk: the server added last stands first. */
  readonly servers: readonly RealServer[];
  /** Is `servers` that order? `ipvsadm -S` sorts what it prints and says nothing of it. */
  readonly ordered: boolean;
  readonly origin: Origin;
}

/** What makes two services one. The family is part of it: a mark has a service of each. */
export type VirtualServiceSelector =
  | {
      readonly kind: "address";
      /** That of the address. */
      readonly family: Family;
      readonly protocol: VirtualServiceProtocol;
      readonly address: IpAddress;
      /** 0: every port (persistent services only). */
      readonly port: number;
    }
  | { readonly kind: "fwmark"; readonly family: Family; readonly mark: number };

export type VirtualServiceProtocol = "tcp" | "udp" | "sctp";

export const PROTOCOL_NUMBER: Readonly<Record<VirtualServiceProtocol, number>> = {
  tcp: 6,
  udp: 17,
  sctp: 132,
};

/** `-b`: `IP_VS_SVC_F_SCHED1` … `SCHED3`, whose meaning is the scheduler's. */
export interface SchedulerFlags {
  /** `sh-fallback`, `mh-fallback`: another server where the hash's own is down. */
  readonly fallback: boolean;
  /** `sh-port`, `mh-port`: the source port is hashed too. */
  readonly port: boolean;
  /** `flag-3`, which no scheduler reads. */
  readonly third: boolean;
}

export const NO_FLAGS: SchedulerFlags = { fallback: false, port: false, third: false };

export interface Persistence {
  readonly timeoutS: number;
  /** Clients whose addresses begin with the same so many bits go to one server. */
  readonly prefixLength: number;
}

export interface RealServer {
  /** Of its service's family. */
  readonly address: IpAddress;
  /** 0: the port that was asked for. */
  readonly port: number;
  readonly forwarding: Forwarding;
  /** 0: no new connections, but those it has go on. */
  readonly weight: number;
  /** `-x`: with so many connections no more come, 0 for no limit … */
  readonly upper: number;
  /** … `-y`: until there are fewer than this; 0 for three quarters of `upper`. */
  readonly lower: number;
  /** Connections that `ipvsadm -L` counted when the host was dumped: a session begins with them. */
  readonly active: number;
  readonly inactive: number;
  readonly origin: Origin;
}

/** How packets go to a real server: translated, by its MAC alone, or in a tunnel. */
export type Forwarding =
  | { readonly kind: "masq" }
  | { readonly kind: "gate" }
  | { readonly kind: "tunnel"; readonly tunnel: Tunnel };

/** `--tun-type`; a GUE or GRE tunnel is kept, and said when it is met. */
export interface Tunnel {
  readonly type: "ipip" | "gue" | "gre";
  /** UDP port of GUE, 0 for the others. */
  readonly port: number;
  readonly checksum: "none" | "full" | "remote";
}

/** Names a service: equal for equal selectors. */
export function selectorKey(selector: VirtualServiceSelector): string {
  return selector.kind === "fwmark"
    ? `${selector.family} fwmark ${selector.mark}`
    : `${selector.family} ${selector.protocol} ${addressKey(selector.address)} ${selector.port}`;
}

/** Names a real server within its service. */
export function serverKey(server: ServerName): string {
  return `${addressKey(server.address)} ${server.port}`;
}

/** What a real server is known by within its service. */
export type ServerName = Pick<RealServer, "address" | "port">;

function addressKey(address: IpAddress): string | number {
  return typeof address === "number" ? address : formatIp(address);
}

/** Bits of an address: a persistent client is one address unless a netmask says otherwise. */
export function addressBits(family: Family): 32 | 128 {
  return family === 6 ? 128 : 32;
}
