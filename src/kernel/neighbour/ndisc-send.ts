import { type Ip6, isLinkLocal6, isMulticast6, solicitedNode6 } from "../../address/ip6-handle.ts";
import { MAC_BROADCAST, MAC_ZERO, type Mac } from "../../address/mac.ts";
import {
  ETH_P_IPV6,
  IPPROTO_ICMPV6,
  ND_OVERRIDE,
  ND_ROUTER,
  ND_SOLICITED,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  type Packet,
  RT_LOCAL_DELIVER,
  RT_OUTPUT,
} from "../../packet/packet.ts";
import type { CompiledAddress6, NetDevice } from "../device/net-device.ts";
import { RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from "../route/types.ts";
import type { Stack } from "../stack.ts";

/** Neighbour discovery's messages (net/ipv6/ndisc.c, RFC 4861): packets like any other, which pass OUTPUT and POSTROUTING. */

/** The socket that the kernel keeps for them: it has no owner, but `-m owner --socket-exists` sees it. */
const KERNELS_OWN = 0;
/** So that none comes from beyond a router. */
const HOP_LIMIT = 255;
/** IPv6 header, and a solicitation or an advertisement without options. */
const BARE = 40 + 24;
/** An option with a MAC. */
const LLADDR_OPTION = 8;

/**
 * `ndisc_solicit`: a question for everybody goes to the target's solicited-node group. The asker's address is the waiting
 * packet's source where that is an address of this device, else the device's own link-local one; without either nobody asks.
 */
export function ndiscSolicit(
  stack: Stack,
  dev: NetDevice,
  target: Ip6,
  waiting: Packet | undefined,
  to: Mac,
): void {
  const source =
    waiting !== undefined && addressOn(dev, waiting.src) !== null ? waiting.src : lastLinkLocal(dev);
  if (source < 0) return;
  const message = messageTo(stack, to === MAC_BROADCAST ? solicitedNode6(target) : target, dev.mac);
  message.icmpType = NDISC_NEIGHBOUR_SOLICITATION;
  message.src = source;
  message.ndTarget = target;
  sendMessage(stack, dev, message);
}

/** What `ndisc_send_na` takes. */
export interface Advertisement {
  /** Of whom it tells. */
  readonly target: Ip6;
  readonly to: Ip6;
  /** Its source, where the target is not an address of the device itself. */
  readonly from: Ip6;
  readonly router: boolean;
  readonly solicited: boolean;
  readonly override: boolean;
  /** Name the MAC as well. */
  readonly named: boolean;
}

/** `ndisc_send_na`. */
export function sendAdvertisement(stack: Stack, dev: NetDevice, about: Advertisement): void {
  const message = messageTo(stack, about.to, about.named ? dev.mac : MAC_ZERO);
  message.icmpType = NDISC_NEIGHBOUR_ADVERTISEMENT;
  message.src = about.from;
  message.ndTarget = about.target;
  message.ndFlags =
    (about.router ? ND_ROUTER : 0) |
    (about.solicited ? ND_SOLICITED : 0) |
    (about.override ? ND_OVERRIDE : 0);
  sendMessage(stack, dev, message);
}

/** A message with nothing in it yet but the MAC it names (MAC_ZERO: none). */
export function messageTo(stack: Stack, to: Ip6, lladdr: Mac): Packet {
  const message = stack.pool.take();
  message.number = stack.outbox.nextDiscoveryNumber();
  message.family = 6;
  message.ethType = ETH_P_IPV6;
  message.protocol = IPPROTO_ICMPV6;
  message.ttl = HOP_LIMIT;
  message.df = true;
  message.dst = to;
  message.ndLladdr = lladdr;
  message.length = lladdr === MAC_ZERO ? BARE : BARE + LLADDR_OPTION;
  message.socket = KERNELS_OWN;
  // `ip6_nd_hdr`
  message.unlabelled = true;
  return message;
}

/** `ndisc_send_skb`: whatever the routes say, to the neighbour on the device (`icmp6_dst_alloc`), or to this host itself. */
export function sendMessage(stack: Stack, dev: NetDevice, message: Packet): void {
  message.rtInput = dev.isLoopback ? RT_LOCAL_DELIVER : RT_OUTPUT;
  const type = isMulticast6(message.dst) ? RTN_MULTICAST : RTN_UNICAST;
  message.rtType = dev.isLoopback ? RTN_LOCAL : type;
  message.rtDev = dev.slot;
  message.rtNextHop = message.dst;
  stack.path.localOut(stack, message);
}

/** `ipv6_get_ifaddr`, strictly: an address of this very device, and its duplicates were looked for; null else. */
export function addressOn(dev: NetDevice, address: Ip6): CompiledAddress6 | null {
  const { addresses6 } = dev;
  for (let i = 0; i < addresses6.length; i++) {
    const entry = addresses6[i] as CompiledAddress6;
    if (entry.address === address && entry.usable) return entry;
  }
  return null;
}

/** `ipv6_get_lladdr`: the device's link-local address, the last where it has several; -1 where it has none. */
export function lastLinkLocal({ addresses6 }: NetDevice): Ip6 {
  for (let i = addresses6.length - 1; i >= 0; i--) {
    const { address, usable } = addresses6[i] as CompiledAddress6;
    if (usable && isLinkLocal6(address)) return address;
  }
  return -1;
}
