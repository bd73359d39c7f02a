import * as PACKET from "../packet/packet.ts";
import { isNeighbourDiscovery, type Packet } from "../packet/packet.ts";
import * as SNAPSHOT from "./snapshot-words.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ETH_P_ARP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP } = PACKET;
const {
  SNAPSHOT_WORDS,
  S_KIND,
  S_ETH_SRC,
  S_ETH_DST,
  S_ETH_TYPE,
  S_SRC,
  S_DST,
  S_IP,
  S_LENGTH,
  S_FRAG_OFFSET,
  S_PORTS,
  S_L4,
  S_INFO,
  S_INFO2,
  S_MARK,
  S_SEQ,
  S_ACK,
  S_PAYLOAD,
} = SNAPSHOT;

/**
 * What happened, as integers in a growing typed array. The engine writes it or has none (`null`); a readable trace is
 * decoded from it afterwards (`walk/trace.ts`). Every record is its opcode, its length in words, then its operands.
 *
 * This file is code that runs per packet.
 */

// Where an operand is an address, another of the same record says of which family it is: `KEY_IPV6` is set in it where the
// addresses are IPv6 handles. It is named at each record.

/** A frame on a device: host, ifindex, direction, where its snapshot lies (mostly right behind). */
export const OP_FRAME = 1;
/** An ARP frame on a device: the same. */
export const OP_ARP = 2;
/** A hook is entered: host, family, hook, in ifindex, out ifindex, physin, physout, where the snapshot lies. */
export const OP_HOOK = 3;
/** A rule matched: host, packet, mark, chain, index from 0, rules evaluated in this table since the last record. */
export const OP_RULE = 4;
/** A user chain ended without a verdict: host, packet, mark, chain, its number of rules, rules evaluated since. */
export const OP_CHAIN_END = 5;
/** A built-in chain ended and its policy applied: host, packet, mark, chain, number of rules, rules evaluated since. */
export const OP_POLICY = 6;
/** NAT rewrote addresses: host, packet, manip (0 source, 1 destination; | 2 free, | KEY_IPV6), old address, old port, new address, new port, free. */
export const OP_REWRITE = 7;
/** A route was looked up: host, packet, destination, result type (| KEY_IPV6), out ifindex, next hop, errno. */
export const OP_ROUTE = 8;
/** The packet ended here: host, packet, reason (`kernel/reason.ts`), ifindex or 0. */
export const OP_DROP = 9;
/** A socket took the packet: host, packet, protocol (| KEY_IPV6), local address, local port, peer address, peer port. */
export const OP_DELIVER = 10;
/** A packet was made: host, packet, cause, phase. */
export const OP_EMIT = 11;
/** An address question began, or ended without an answer: host, ifindex, address, 0 asked, 1 failed (| KEY_IPV6). */
export const OP_NEIGHBOUR = 12;

/** A rule of nftables matched: as `OP_RULE`, the chain as the place of its table << 24 | its own place there. */
export const OP_NFT_RULE = 15;
/** A chain of nftables that was jumped to ended without a verdict: as `OP_CHAIN_END`. */
export const OP_NFT_CHAIN_END = 16;
/** A base chain of nftables ended and its policy applied: as `OP_POLICY`. */
export const OP_NFT_POLICY = 17;
/**
 * IPVS took a packet: host, packet, virtual address and port, real server and port, forwarding method | `KEY_IPV6`, 1 for a
 * new connection.
 */
export const OP_IPVS = 18;
/**
 * A daemon took a packet from a TUN and sends it on (1), or puts what came into the TUN (0): host, packet, ifindex of the TUN,
 * 1 or 0, the other end's address and port.
 */
export const OP_TUN = 19;
/**
 * A filter of traffic control took a packet: host, packet, the filter's place among the host's, 0 passed, 1 dropped,
 * 2 redirected, 3 copied, ifindex of where to.
 */
export const OP_TC = 20;
/** A token bucket let a packet pass: host, packet, ifindex. */
export const OP_TBF = 21;
/**
 * A flow of Open vSwitch took a packet: host, packet, the bridge's place among the host's, the flow's among the bridge's (-1:
 * none in the table), the table's number (-1: it has a name), the port it came in by.
 */
export const OP_OVS = 22;
/** A flow table of nftables carried a packet on: host, packet, ifindex where it came in, ifindex where it leaves. */
export const OP_FLOW = 23;

export const DIR_OUT = 0;
export const DIR_IN = 1;
export const DIR_IN_BROADCAST = 2;
export const DIR_IN_MULTICAST = 3;
export const DIR_IN_OTHERHOST = 4;

/** Packets whose last snapshot is remembered, a power of two. */
const KNOWN_PACKETS = 1024;

export class Tape {
  data: Int32Array;
  length = 0;
  /** By packet number, modulo: `base` + where the packet's last snapshot lies. */
  private readonly lastSnapshot = new Int32Array(KNOWN_PACKETS).fill(-1);
  private base = 0;

  constructor(capacity = 4096) {
    this.data = new Int32Array(capacity);
  }

  clear(): void {
    this.base += this.length;
    if (this.base > 0x40000000) {
      this.base = 0;
      this.lastSnapshot.fill(-1);
    }
    this.length = 0;
  }

  /** Make room for `words` more and return where they begin. */
  private room(words: number): number {
    const at = this.length;
    if (at + words > this.data.length) {
      const larger = new Int32Array(Math.max(this.data.length * 2, at + words));
      larger.set(this.data);
      this.data = larger;
    }
    this.length = at + words;
    return at;
  }

  /** Where a snapshot equal to the packet as it is now lies already, -1 for nowhere: frames mostly repeat the one before. */
  private known(packet: Packet): number {
    const at = (this.lastSnapshot[packet.number & (KNOWN_PACKETS - 1)] as number) - this.base;
    return at >= 0 && unchanged(this.data, at, packet) ? at : -1;
  }

  frame(op: number, host: number, ifindex: number, direction: number, packet: Packet): void {
    const known = this.known(packet);
    const at = this.room(known < 0 ? 6 + snapshotWords(packet) : 6);
    const d = this.data;
    d[at] = op;
    d[at + 1] = this.length - at;
    d[at + 2] = host;
    d[at + 3] = ifindex;
    d[at + 4] = direction;
    d[at + 5] = known < 0 ? at + 6 : known;
    if (known < 0) this.snapshot(at + 6, packet);
  }

  hook(host: number, hook: number, inIf: number, outIf: number, packet: Packet): void {
    const known = this.known(packet);
    const at = this.room(known < 0 ? 10 + snapshotWords(packet) : 10);
    const d = this.data;
    d[at] = OP_HOOK;
    d[at + 1] = this.length - at;
    d[at + 2] = host;
    d[at + 3] = packet.family;
    d[at + 4] = hook;
    d[at + 5] = inIf;
    d[at + 6] = outIf;
    // A log names the port of entry beside `-i` alone.
    d[at + 7] = inIf === 0 ? 0 : packet.physIn;
    d[at + 8] = packet.physOut;
    d[at + 9] = known < 0 ? at + 10 : known;
    if (known < 0) this.snapshot(at + 10, packet);
  }

  private snapshot(at: number, packet: Packet): void {
    this.lastSnapshot[packet.number & (KNOWN_PACKETS - 1)] = this.base + at;
    snapshot(this.data, at, packet);
  }

  words4(op: number, a: number, b: number, c: number, e: number): void {
    const at = this.room(6);
    const d = this.data;
    d[at] = op;
    d[at + 1] = 6;
    d[at + 2] = a;
    d[at + 3] = b;
    d[at + 4] = c;
    d[at + 5] = e;
  }

  words6(op: number, a: number, b: number, c: number, e: number, f: number, g: number): void {
    const at = this.room(8);
    const d = this.data;
    d[at] = op;
    d[at + 1] = 8;
    d[at + 2] = a;
    d[at + 3] = b;
    d[at + 4] = c;
    d[at + 5] = e;
    d[at + 6] = f;
    d[at + 7] = g;
  }

  words8(
    op: number,
    a: number,
    b: number,
    c: number,
    e: number,
    f: number,
    g: number,
    h: number,
    i: number,
  ): void {
    const at = this.room(10);
    const d = this.data;
    d[at] = op;
    d[at + 1] = 10;
    d[at + 2] = a;
    d[at + 3] = b;
    d[at + 4] = c;
    d[at + 5] = e;
    d[at + 6] = f;
    d[at + 7] = g;
    d[at + 8] = h;
    d[at + 9] = i;
  }
}

function snapshotWords(packet: Packet): number {
  let words = SNAPSHOT_WORDS;
  let inner = packet.inner;
  while (inner !== null) {
    words += SNAPSHOT_WORDS;
    inner = inner.inner;
  }
  return words;
}

function kindWord(p: Packet): number {
  return p.phase | (p.framed ? 1 << 4 : 0) | (p.family << 8) | (p.encapsulation << 16);
}

function ipWord(p: Packet): number {
  return p.ttl | (p.protocol << 8) | (p.tos << 16) | (p.df ? 1 << 24 : 0) | (p.mf ? 1 << 25 : 0);
}

function portsWord(p: Packet): number {
  if (isNeighbourDiscovery(p)) return p.ndFlags;
  return p.protocol === IPPROTO_ICMP || p.protocol === IPPROTO_ICMPV6
    ? p.icmpId | (p.icmpSeq << 16)
    : p.sport | (p.dport << 16);
}

function l4Word(p: Packet): number {
  if (p.ethType === ETH_P_ARP) return p.arpOp;
  return p.protocol === IPPROTO_ICMP || p.protocol === IPPROTO_ICMPV6
    ? p.icmpType | (p.icmpCode << 8)
    : p.protocol === IPPROTO_SCTP
      ? p.chunk
      : p.tcpFlags;
}

function infoWord(p: Packet): number {
  if (p.protocol === IPPROTO_TCP) return p.mss | (p.tcpWithout << 16);
  return isNeighbourDiscovery(p) ? p.ndTarget : p.icmpInfo;
}

function info2Word(p: Packet): number {
  return isNeighbourDiscovery(p) ? p.ndLladdr : p.vni;
}

function seqWord(p: Packet): number {
  return isNeighbourDiscovery(p) ? p.ndDst : p.seq;
}

function snapshot(d: Int32Array, at: number, p: Packet): void {
  const arp = p.ethType === ETH_P_ARP;
  d[at] = p.number;
  d[at + S_KIND] = kindWord(p);
  d[at + S_ETH_SRC] = p.ethSrc;
  d[at + S_ETH_DST] = p.ethDst;
  d[at + S_ETH_TYPE] = p.ethType;
  d[at + S_SRC] = p.src;
  d[at + S_DST] = p.dst;
  d[at + S_IP] = ipWord(p);
  d[at + S_LENGTH] = p.length | (p.id << 16);
  d[at + S_FRAG_OFFSET] = p.fragOffset | (p.vlan << 16);
  d[at + S_PORTS] = portsWord(p);
  d[at + S_L4] = l4Word(p);
  d[at + S_INFO] = arp ? p.arpSha : infoWord(p);
  d[at + S_INFO2] = arp ? p.arpTha : info2Word(p);
  d[at + S_MARK] = p.mark;
  d[at + S_SEQ] = seqWord(p);
  d[at + S_ACK] = p.ack;
  d[at + S_PAYLOAD] = p.payload;
  const inner = p.inner;
  if (inner !== null) snapshot(d, at + SNAPSHOT_WORDS, inner);
}

/** Would a snapshot of the packet now be the same as this one? ARP frames are always written out. */
function unchanged(d: Int32Array, at: number, p: Packet): boolean {
  if (
    d[at + S_ETH_DST] !== p.ethDst ||
    d[at + S_ETH_SRC] !== p.ethSrc ||
    d[at + S_IP] !== ipWord(p) ||
    d[at + S_SRC] !== p.src ||
    d[at + S_DST] !== p.dst ||
    d[at] !== p.number ||
    d[at + S_KIND] !== kindWord(p) ||
    d[at + S_MARK] !== p.mark ||
    d[at + S_LENGTH] !== (p.length | (p.id << 16)) ||
    d[at + S_PORTS] !== portsWord(p) ||
    d[at + S_FRAG_OFFSET] !== (p.fragOffset | (p.vlan << 16)) ||
    d[at + S_L4] !== l4Word(p) ||
    d[at + S_ETH_TYPE] !== p.ethType ||
    p.ethType === ETH_P_ARP ||
    d[at + S_INFO] !== infoWord(p) ||
    d[at + S_INFO2] !== info2Word(p) ||
    d[at + S_SEQ] !== seqWord(p) ||
    d[at + S_ACK] !== p.ack ||
    d[at + S_PAYLOAD] !== p.payload
  ) {
    return false;
  }
  const inner = p.inner;
  return inner === null || unchanged(d, at + SNAPSHOT_WORDS, inner);
}
