import { TCPOPT_TIMESTAMP } from "../packet/tcp-options.ts";
import type { ConnectionEnd } from "./connection-end.ts";

/** `TCP_MSS_DEFAULT`: what a SYN asks for that says nothing of it. */
const MSS_UNSAID = 536;

/** One end of a connection. */
export interface TcpEnd extends ConnectionEnd {
  /** Of a connection that a relay opened: the end that it took, and for which. */
  readonly relayed: TcpEnd | null;
  /** Of an end that a relay took: the one it opened for it. */
  onward: TcpEnd | null;
  state: "syn-sent" | "syn-received" | "established" | "closed";
  seq: number;
  ack: number;
  /** The segment size that the other end asked for. */
  peerMss: number;
  /** Options that the other end's SYN, or its answer, lacked, as bits (`Packet.tcpWithout`). */
  lacked: number;
  /** Bytes still to be said, which the first flight had no room for. */
  unsent: number;
  /** The first byte sent that the other end has not acknowledged. */
  acknowledged: number;
  /** When what is not acknowledged is due to be sent again, and how long it waited for that. */
  retransmitAt: number;
  retransmitMs: number;
  /** IPv4: the gateway of the way that its socket keeps (`sk_dst_cache`), 0 none. */
  gateway: number;
  /** How often it has taken another hash for its flow (`hashBySocket`). */
  rethought: number;
  /** Its route was found while its source was still open, and stands (`ip6_dst_store`). Of IPv4 it was found again with the source. */
  routedUnbound: boolean;
}

/** An end that has said and heard nothing. */
export function newTcpEnd(end: ConnectionEnd, state: TcpEnd["state"], relayed: TcpEnd | null = null): TcpEnd {
  return {
    ...end,
    relayed,
    onward: null,
    state,
    seq: 1,
    ack: 0,
    peerMss: MSS_UNSAID,
    lacked: 0,
    unsent: 0,
    acknowledged: 1,
    retransmitAt: 0,
    retransmitMs: 0,
    gateway: 0,
    rethought: 0,
    routedUnbound: false,
  };
}

/** Did the two agree on no time stamps? Then segments have no options. */
export function isBare({ lacked }: TcpEnd): boolean {
  return (lacked & (1 << TCPOPT_TIMESTAMP)) !== 0;
}
