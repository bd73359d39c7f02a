import type { Family } from "../address/ip.ts";
import type { Extension } from "../packet/extension.ts";

/** `ip`: a bare packet of whatever protocol (`Query.protocol`), by a raw socket. */
export type QueryProtocol = "tcp" | "udp" | "sctp" | "icmp" | "ip";

/** A connectivity question, resolved: hosts by name, addresses as the path holds them. What `command-line.md` calls a query line. */
export interface Query {
  readonly id: string;
  /** The host that sends, or where the packet arrives. */
  readonly host: string;
  /** ifindex-bearing device the packet arrives by; null when the host itself sends. */
  readonly arrivesBy: string | null;
  /** The packet arrives at the host from outside (`at`). */
  readonly arrives: boolean;
  /** Of IPv6 `icmp` is ICMPv6. */
  readonly proto: QueryProtocol;
  /** Number of the protocol where `proto` is `ip`, else 0. */
  readonly protocol: number;
  readonly family: Family;
  /** Bits, or the handle of an IPv6 address: good in this process alone. */
  readonly dst: number;
  readonly dport: number | null;
  /** Source address bound or forged; null: the kernel chooses. */
  readonly src: number | null;
  readonly sport: number | null;
  /** Of IPv6 the hop limit. */
  readonly ttl: number | null;
  /** Payload bytes. */
  readonly size: number | null;
  /** What a bare packet carries, byte by byte; null: nobody has said. */
  readonly content: Uint8Array | null;
  readonly df: boolean;
  /** A hand-made packet is the first piece of a datagram whose rest is never sent. */
  readonly mf: boolean;
  readonly mark: number;
  readonly uid: number;
  /** Headers of IPv6 before what a hand-made packet carries. */
  readonly extensions: readonly Extension[];
  /** Device the sending socket is bound to, or the scope of a link-local destination. */
  readonly dev: string | null;
  /** One hand-made packet with these flags instead of a connection. */
  readonly tcpFlags: number | null;
  /** One hand-made packet (also for udp and icmp): sent as it is, nothing follows. */
  readonly raw: boolean;
  /** The sender of such a packet goes on listening, as long as a client would. */
  readonly listens: boolean;
  /** The sender of a connection goes on asking for errors (SO_ERROR): of one that its socket only remembered, of a reset too. */
  readonly polls: boolean;
  /** Milliseconds a client waits for an answer; null: longer while an address question is open. */
  readonly patience: number | null;
}

export const QUERY_DEFAULTS = {
  id: "q1",
  arrivesBy: null,
  arrives: false,
  proto: "tcp",
  protocol: 0,
  family: 4,
  dport: null,
  src: null,
  sport: null,
  ttl: null,
  size: null,
  content: null,
  extensions: [],
  df: false,
  mf: false,
  mark: 0,
  uid: 0,
  dev: null,
  tcpFlags: null,
  raw: false,
  listens: false,
  polls: false,
  patience: null,
} as const satisfies Partial<Query>;
