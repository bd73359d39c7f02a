import type { Family, IpAddress } from "../../address/ip.ts";
import type { Ipv4 } from "../../address/ipv4.ts";
import type { Prefix4 } from "../../address/prefix.ts";
import type { Origin } from "../origin.ts";
import type { Relay } from "./relay.ts";

/**
 * A socket that waits for somebody: state, as `ss -Htuln` shows it. `app` is what answers behind it, a plain union that
 * the conversation plays (`walk/conversation.ts`).
 */
export interface Socket {
  readonly proto: "tcp" | "udp" | "sctp";
  /** The families it takes: `*:80` is one socket for both, `[::]:80` (IPV6_V6ONLY) for IPv6 alone. */
  readonly families: readonly Family[];
  /** null: any address of the host, of its families. */
  readonly address: IpAddress | null;
  /** Name of the device the socket is bound to (`address%device`), null for any. */
  readonly dev: string | null;
  readonly port: number;
  /** IP_TRANSPARENT, which `ss --inet-sockopt` shows; absent: the dump did not say. */
  readonly transparent?: boolean;
  readonly app: App;
  readonly origin: Origin;
}

export type App =
  /** Says one line as soon as a connection is accepted; answers each datagram with one line, from the address asked. */
  | { readonly kind: "line" }
  /** Takes what comes and says nothing. */
  | { readonly kind: "silent" }
  /** Passes on to others what it is told. */
  | { readonly kind: "relay"; readonly relay: Relay }
  /**
   * A daemon that reads packets of IPv4 from a TUN of its host and sends each, whole, in a datagram of this socket to its like
   * that has the address; and the reverse (flannel's `udp` backend). It counts as a hop each way.
   */
  | { readonly kind: "tun"; readonly device: string; readonly peers: readonly TunPeer[] };

/** Whom such a daemon sends to, for what addresses; the first that fits is taken. */
export interface TunPeer {
  readonly subnet: Prefix4;
  readonly address: Ipv4;
  readonly port: number;
  readonly origin: Origin;
}

/** The sockets of a host: a complete list, or the assumption that every port has a listener, some of which may be known. */
export type Sockets =
  | { readonly kind: "listed"; readonly sockets: readonly Socket[] }
  | {
      readonly kind: "assumed";
      /** Those that are known all the same, for what stands behind them. */
      readonly known?: readonly Socket[];
    };
