import type { Packet } from "../packet/packet.ts";
import type { NetDevice } from "./device/net-device.ts";
import type { Stack } from "./stack.ts";

/**
 * What one host's kernel may ask of the world around it. The walk implements it: a frame handed over is *queued* on the
 * agenda, never delivered by a call.
 */
export interface Outbox {
  /** A frame leaves by a device towards whatever is at its other end. The packet's ownership passes. */
  transmit(stack: Stack, device: NetDevice, packet: Packet): void;
  /**
   * A datagram reaches this host: has a daemon with a TUN its port? Then the packet in it comes in by the TUN, and the datagram
   * has been given back.
   */
  toTun(stack: Stack, packet: Packet): boolean;
  /** A frame comes in by a device of this same host (loopback). The packet's ownership passes. */
  receive(stack: Stack, device: NetDevice, packet: Packet): void;
  /** `dev_forward_skb`: a frame comes in by a device of this or another host, as from a cable. Ownership passes. */
  forward(to: Stack, device: NetDevice, packet: Packet, crossesNamespace: boolean): void;
  /** The same frame comes in once more, by a device that sits on the one before. Ownership passes. */
  raise(to: Stack, device: NetDevice, packet: Packet): void;
  /** A frame leaves by the device that its own sits on. Ownership passes. */
  lower(to: Stack, device: NetDevice, packet: Packet): void;
  /** A packet is routed in the namespace of the device that its own sits on, and leaves by that. Ownership passes. */
  lowerRouted(to: Stack, device: NetDevice, packet: Packet): void;
  /**
   * Call back after some virtual milliseconds; returns how to cancel it.
   *
   * @param together of those that are due at one instant these fire newest first, as in one slot of the kernel's timers
   */
  after(ms: number, fire: () => void, together?: boolean): () => void;
  /** A number for a new packet. */
  nextNumber(): number;
  /** A number for a packet of neighbour discovery, from `FIRST_DISCOVERY_NUMBER`. */
  nextDiscoveryNumber(): number;
  /** The number of a fragment of a datagram, the same each time it is cut at the same place. */
  fragmentNumber(datagram: number, offset: number): number;
  /**
   * A process let others have the processor while it sends (`local_bh_enable`, `do_softirq`): what is under way goes its way at once.
   * Nothing happens where no process is sending.
   */
  runSoftirqs(): void;
  /**
   * What an application does about a packet that its socket has: at once, or, while another process sends, when that has done. The packet
   * stays the caller's.
   */
  byApplication(packet: Packet, act: (packet: Packet) => void): void;
  /** One address question more (+1) or fewer (−1) is open. */
  questions(change: 1 | -1): void;
  /** A segment, datagram or error for a socket of the host. The packet stays the caller's. */
  readonly upcalls: Upcalls;
}

/**
 * What a socket made of a TCP segment: took it; dropped it, so that it is gone; answers it with a reset, as a listener does
 * whose port knows no such connection; or there is none.
 */
export type SegmentFate = "taken" | "dropped" | "refused" | "nobody";

/** Whose socket is looked for: an end's own address and port, and the other end's. */
export interface SocketQuestion {
  readonly proto: "tcp" | "udp";
  readonly family: number;
  readonly local: number;
  readonly localPort: number;
  readonly peer: number;
  readonly peerPort: number;
  /** ifindex of the device the packet came in by. */
  readonly dev: number;
}

/** What a look-up of sockets found (`inet_lookup`, `udp4_lib_lookup`). */
export interface FoundSocket {
  /** It waits for anybody, or is of this one connection. */
  readonly kind: "listener" | "connected";
  /** Bound to no address of its own. */
  readonly wildcard: boolean;
  /** May it speak for addresses of others (IP_TRANSPARENT)? null: nobody has said. */
  readonly transparent: boolean | null;
  /** SO_MARK; null of a connection that is not established yet, which has none of its own. */
  readonly mark: number | null;
}

/** What sockets hear; the conversation plays the applications behind them (`walk/conversation.ts`). */
export interface Upcalls {
  /** A TCP segment for an established or half-open connection, or a listener. */
  tcp(stack: Stack, packet: Packet): SegmentFate;
  /** The socket that a packet would come to: one of its connection before one that listens. */
  findSocket(stack: Stack, question: SocketQuestion): FoundSocket | null;
  /** A datagram; `broadcast` when it was sent to all. True when a socket took it. */
  udp(stack: Stack, packet: Packet): boolean;
  /** An SCTP packet for an association or a listener. True when a socket took it. */
  sctp(stack: Stack, packet: Packet): boolean;
  /** Has an application of the host opened a socket of SCTP, which loads the kernel's module, beside those it lists? */
  opensSctp(stack: Stack): boolean;
  /** An echo reply. */
  echoReply(stack: Stack, packet: Packet): void;
  /** An ICMP error whose quoted packet this host may have sent. */
  icmpError(stack: Stack, packet: Packet): void;
  /** What this host tried to send failed locally with an errno. */
  sendFailed(stack: Stack, packet: Packet, errno: number): void;
}
