import type { NetDevice } from "../kernel/device/net-device.ts";
import { emit } from "../kernel/emit.ts";
import type { Stack } from "../kernel/stack.ts";
import {
  ETH_P_ARP,
  headerLength,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  isIcmp,
  type Packet,
  PHASE_DATA,
  TCP_ACK,
  TCP_RST,
  TCP_SYN,
} from "../packet/packet.ts";
import {
  fillChunk,
  SCTP_ABORT,
  SCTP_COOKIE_ACK,
  SCTP_COOKIE_ECHO,
  SCTP_DATA,
  SCTP_INIT_ACK,
  SCTP_SACK,
} from "../packet/sctp-chunk.ts";
import { hasTcpOption, TCPOPT_TIMESTAMP } from "../packet/tcp-options.ts";
import { fillBare, fillMessage, ofFamily } from "./client-packet.ts";
import type { Conversation } from "./conversation.ts";
import { BARE_SEGMENT_BYTES, DEFAULT_PAYLOAD, SEGMENT_BYTES, SYN_BYTES } from "./packet-size.ts";
import type { Query } from "./query.ts";
import { fillInit } from "./sctp-ends.ts";

/** Where a sender outside the model sends from when the query does not say. */
const OUTSIDE_PORT = 40_000;
const OUTSIDE_ICMP_ID = 4096;
const ETHERNET_MTU = 1500;

/** The far end of a query that arrives from outside the model: makes its packet, takes what comes back, and answers it. */
export class OutsideEnd {
  private readonly conversation: Conversation;
  private readonly host: Stack;
  private readonly query: Query;

  constructor(conversation: Conversation, host: Stack, query: Query) {
    this.conversation = conversation;
    this.host = host;
    this.query = query;
  }

  /** A packet whose sender is outside the model arrives; the sender's end is played without a host. */
  fill(packet: Packet): void {
    const { query } = this;
    ofFamily(packet, query.family);
    packet.ttl = query.ttl ?? 64;
    packet.mark = 0;
    packet.src = query.src ?? 0;
    packet.dst = query.dst;
    packet.df = query.df;
    const sport = query.sport ?? OUTSIDE_PORT;
    const icmpId = query.sport ?? OUTSIDE_ICMP_ID;
    this.conversation.sendsFrom(packet.src, sport, icmpId);
    if (query.proto === "sctp") {
      fillInit(packet, sport, query.dport ?? 0);
      return;
    }
    if (query.proto === "ip") {
      fillBare(packet, query);
      return;
    }
    if (query.proto !== "tcp") {
      fillMessage(packet, query.proto, this.conversation.ports, query.size ?? DEFAULT_PAYLOAD);
      return;
    }
    packet.protocol = IPPROTO_TCP;
    packet.sport = sport;
    packet.dport = query.dport ?? 0;
    packet.tcpFlags = query.tcpFlags ?? TCP_SYN;
    packet.df = true;
    packet.length = headerLength(packet) + SYN_BYTES;
    // As from an Ethernet.
    if ((packet.tcpFlags & TCP_SYN) !== 0) packet.mss = ETHERNET_MTU - headerLength(packet) - 20;
  }

  readonly intercept = (stack: Stack, device: NetDevice, packet: Packet): boolean => {
    if (stack !== this.host || packet.ethType === ETH_P_ARP) return false;
    if (packet.family !== this.query.family || packet.dst !== this.query.src) return false;
    if (packet.protocol === IPPROTO_SCTP) {
      const chunk = this.receivedChunk(packet);
      if (chunk !== null) {
        this.answer(stack, device, packet, (said) => {
          fillChunk(said, chunk, 0);
          said.seq = packet.seq;
          said.ack = this.peerTag;
        });
      }
    } else {
      const acknowledged = this.received(packet);
      if (acknowledged !== null) {
        this.answer(stack, device, packet, (said) => {
          said.protocol = IPPROTO_TCP;
          said.tcpFlags = TCP_ACK;
          said.seq = 1;
          said.ack = acknowledged;
          said.df = true;
          said.length =
            headerLength(said) +
            (hasTcpOption(packet, TCPOPT_TIMESTAMP) ? SEGMENT_BYTES : BARE_SEGMENT_BYTES);
        });
      }
    }
    stack.pool.release(packet);
    return true;
  };

  /** What the sender says to a packet comes in where that went out. */
  private answer(stack: Stack, device: NetDevice, packet: Packet, fill: (said: Packet) => void): void {
    const said = ofFamily(stack.pool.take(), this.query.family);
    emit(stack, said, PHASE_DATA, packet.number);
    said.src = packet.dst;
    said.dst = packet.src;
    said.sport = packet.dport;
    said.dport = packet.sport;
    fill(said);
    said.framed = true;
    said.ethDst = device.mac;
    said.ethSrc = packet.ethDst;
    stack.outbox.receive(stack, device, said);
  }

  /** The tag the answering end of an association asked for. */
  private peerTag = 0;

  /**
   * What the sender makes of an SCTP packet that came back to it.
   *
   * @returns the chunk it answers with, null where it says nothing
   */
  private receivedChunk({ src, sport, chunk, seq }: Packet): number | null {
    const { conversation, query } = this;
    if (src !== query.dst || sport !== query.dport) return null;
    switch (chunk) {
      case SCTP_ABORT:
        conversation.wasReset(src);
        return null;
      case SCTP_INIT_ACK:
        this.peerTag = seq;
        return SCTP_COOKIE_ECHO;
      case SCTP_COOKIE_ACK:
        conversation.result ??= "connected";
        return null;
      case SCTP_DATA:
        conversation.dataSeen = true;
        return SCTP_SACK;
      default:
        return null;
    }
  }

  /**
   * What the sender makes of a frame that came back to it.
   *
   * @returns the sequence number it acknowledges, null where it says nothing
   */
  private received(packet: Packet): number | null {
    const { conversation, query } = this;
    if (isIcmp(packet)) {
      if (packet.inner !== null) conversation.takeError(packet, packet.inner);
      else conversation.echoAnswered(packet.src);
      return null;
    }
    if (packet.src !== query.dst || packet.sport !== query.dport) return null;
    if (packet.protocol === IPPROTO_UDP) {
      conversation.result ??= "answered";
      return null;
    }
    if ((packet.tcpFlags & TCP_RST) !== 0) {
      conversation.wasReset(packet.src);
      return null;
    }
    if ((packet.tcpFlags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK)) {
      conversation.result = "connected";
      return packet.seq + 1;
    }
    if (packet.payload === 0) return null;
    conversation.dataSeen = true;
    return packet.seq + packet.payload;
  }
}
