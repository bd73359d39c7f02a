import { word6 } from "../../address/ip6-handle.ts";
import { MAC_ZERO } from "../../address/mac.ts";
import type { Packet } from "../../packet/packet.ts";
import {
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
} from "../../packet/packet.ts";
import type { RuleContext } from "../netfilter/rule-context.ts";
import { type CompiledSet, DIM_IFACE, DIM_IP, DIM_MAC, DIM_MARK, DIM_NET, DIM_PORT } from "./compiled-set.ts";

/**
 * A packet as an element of a set: the `kadt` functions of net/netfilter/ipset/ip_set_hash_*.c and ip_set_bitmap_*.c. This
 * is code that runs per packet.
 */

/**
 * Write the key of a packet's element; prefixes as whole addresses, without their lengths.
 *
 * @param sources bit n: dimension n is taken from the packet's source side
 * @returns false where the packet has no such element: then it is in no set, and goes into none
 */
export function readElement(
  set: CompiledSet,
  sources: number,
  packet: Packet,
  context: RuleContext,
  key: Int32Array,
): boolean {
  const { dimensions, layout } = set;
  let address = layout.address;
  if (layout.lengths >= 0) key[layout.lengths] = 0;
  for (let i = 0; i < dimensions.length; i++) {
    const source = ((sources >> i) & 1) !== 0;
    switch (dimensions[i]) {
      case DIM_IP:
      case DIM_NET: {
        const side = source ? packet.src : packet.dst;
        let any = 0;
        for (let word = 0; word < layout.addressWords; word++) {
          const value = layout.addressWords === 1 ? side : word6(side, word);
          const masked = value & (set.addressMask[word] as number);
          key[address + word] = masked;
          any |= masked;
        }
        if (any === 0 && set.refusesZero) return false;
        address = layout.second;
        break;
      }
      case DIM_PORT: {
        const port = portElement(packet, source);
        if (port < 0) return false;
        if (!set.portsOnly) key[layout.port] = port;
        else if (packet.protocol === IPPROTO_TCP || packet.protocol === IPPROTO_UDP) {
          key[layout.port] = port & 0xffff;
        } else return false;
        break;
      }
      case DIM_MAC: {
        const mac = macElement(packet, source);
        if (mac === MAC_ZERO) return false;
        // bitmap:ip,mac keeps the MAC with the element.
        if (layout.mac < 0) key[layout.second] = mac;
        break;
      }
      case DIM_MARK:
        key[layout.second] = packet.mark & set.markMask;
        break;
      case DIM_IFACE: {
        const name = source ? context.inName : context.outName;
        if (name < 0) return false;
        key[layout.second] = name;
        break;
      }
    }
  }
  return true;
}

/** The MAC of one side, `MAC_ZERO` where the packet has no Ethernet header. */
export function macElement(packet: Packet, source: boolean): number {
  if (!packet.framed) return MAC_ZERO;
  return source ? packet.ethSrc : packet.ethDst;
}

/**
 * `ip_set_get_ip4_port`, `ip_set_get_ip6_port`: `protocol << 16 | port`; -1 where a later fragment hides it, which in IPv6
 * hides whatever protocol there is.
 */
function portElement(packet: Packet, source: boolean): number {
  const { protocol } = packet;
  if (packet.family === 6 && packet.fragOffset !== 0) return -1;
  switch (protocol) {
    case 0:
      return -1;
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
    case IPPROTO_UDPLITE:
      if (!packet.hasTransport) return -1;
      return (protocol << 16) | (source ? packet.sport : packet.dport);
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      if (!packet.hasTransport) return -1;
      return (protocol << 16) | (packet.icmpType << 8) | packet.icmpCode;
    default:
      return protocol << 16;
  }
}
