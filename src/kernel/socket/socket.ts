import type { Family, IpAddress } from "../../address/ip.ts";
import type { Origin } from "../origin.ts";

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
  | { readonly kind: "silent" };

/** The sockets of a host: a complete list, or the assumption that every port has a listener. */
export type Sockets =
  | { readonly kind: "listed"; readonly sockets: readonly Socket[] }
  | { readonly kind: "assumed" };
