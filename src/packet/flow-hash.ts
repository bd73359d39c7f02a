import { hash6 } from "../address/ip6-handle.ts";
import { INNER_IPIP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, type Packet } from "./packet.ts";

/**
 * `skb->hash`: a number that stands for a packet's flow. It stays with the packet on its whole way, whatever is translated, and its copies have it
 * too; the kernel's own is random, ours is a function of addresses and ports.
 */

/** `skb_get_hash`: the packet's hash, of its headers as they are now where it has none yet. */
export function hashOf(packet: Packet): number {
  if (packet.flowHash === 0) hashHeaders(packet);
  return packet.flowHash;
}

/**
 * `skb_set_hash_from_sk`: what a connected socket sends has the socket's own random number (`sk_txhash`), which is its flow's for ever.
 *
 * @param rethought how often the socket has taken another one, as it does whenever nobody acknowledges (`sk_rethink_txhash`)
 */
export function hashBySocket(packet: Packet, rethought = 0): void {
  const ports = (packet.sport << 16) | packet.dport;
  packet.flowHash = mixed(
    word(packet, packet.src),
    word(packet, packet.dst),
    ports,
    packet.protocol,
    rethought,
  );
  packet.hasFlowPorts = true;
}

/** `iptunnel_xmit`: the packet outside of another is the same buffer; only a hash that ports had part in stays. */
export function hashOutside(outer: Packet, inner: Packet): void {
  outer.hasFlowPorts = inner.hasFlowPorts;
  outer.flowHash = inner.hasFlowPorts ? inner.flowHash : 0;
}

/** `iptunnel_pull_header`: likewise of the packet that was inside. */
export function hashInside(inner: Packet, outer: Packet): void {
  inner.hasFlowPorts = outer.hasFlowPorts;
  inner.flowHash = outer.hasFlowPorts ? outer.flowHash : 0;
}

/** `__skb_get_hash_net`: both directions have the same (`__flow_hash_consistentify`); fragments and messages without ports none of these. */
function hashHeaders(packet: Packet): void {
  const whole = packet.isFragment ? null : packet;
  if (whole?.encapsulation === INNER_IPIP && whole.inner !== null) {
    // `skb_flow_dissect` looks on into what has no header between.
    hashHeaders(whole.inner);
    packet.flowHash = whole.inner.flowHash;
    packet.hasFlowPorts = whole.inner.hasFlowPorts;
    return;
  }
  const [sport, dport] = whole === null ? NONE : portsOf(packet);
  const [src, dst] = [word(packet, packet.src), word(packet, packet.dst)];
  const ports = (Math.min(sport, dport) << 16) | Math.max(sport, dport);
  // What has no ports no socket has a number for. What has no flow label is dissected, where what has one was hashed by the flow
  // that it was sent for (`__get_hash_from_flowi6`), which says less of it.
  const salt = packet.unlabelled ? DISSECTED : ports === 0 ? 0 : HEADERS;
  packet.flowHash = mixed(Math.min(src, dst), Math.max(src, dst), ports, packet.protocol, salt);
  packet.hasFlowPorts = ports !== 0;
}

/**
 * `__skb_get_hash_symmetric_net`: a number that both directions of a flow have, of the headers as they are now: addresses and ports,
 * of a fragment the addresses alone.
 */
export function symmetricHash(packet: Packet): number {
  if (packet.encapsulation === INNER_IPIP && packet.inner !== null && !packet.isFragment)
    return symmetricHash(packet.inner);
  const hasPorts = PORTED.has(packet.protocol) && !packet.isFragment;
  const { sport, dport } = packet;
  const [src, dst] = [word(packet, packet.src), word(packet, packet.dst)];
  const ports = hasPorts ? (Math.min(sport, dport) << 16) | Math.max(sport, dport) : 0;
  return mixed(Math.min(src, dst), Math.max(src, dst), ports, packet.protocol, 0);
}

/** What a flow's hash has for ports. */
function portsOf(packet: Packet): readonly [number, number] {
  if (PORTED.has(packet.protocol)) return [packet.sport, packet.dport];
  // A flow of IPv6 is hashed for its label as it is sent, and has a message's type and code there (`__get_hash_from_flowi6`).
  const isLabelled = packet.protocol === IPPROTO_ICMPV6 && !packet.unlabelled;
  return isLabelled ? [0, (packet.icmpType << 8) | packet.icmpCode] : NONE;
}

const NONE = [0, 0] as const;
/** `proto_ports_offset`, of the protocols there are here. */
const PORTED: ReadonlySet<number> = new Set([IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP]);
/** What sets a hash of headers apart from a socket's. */
const HEADERS = 0x27d4eb2f;
const DISSECTED = 0x165667b1;

function word({ family }: Packet, address: number): number {
  return family === 6 ? hash6(address) : address;
}

function mixed(src: number, dst: number, ports: number, protocol: number, salt: number): number {
  let h = Math.imul(src, 0x9e3779b1) ^ Math.imul(dst, 0x85ebca77) ^ Math.imul(ports, 0xc2b2ae3d) ^ protocol;
  h ^= Math.imul(salt, 0x27d4eb2f);
  h ^= h >>> 15;
  // "Ensure this value is not 0": that would be none.
  return h === 0 ? 1 : h;
}
