import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, type Packet } from "../../packet/packet.ts";
import type { HostSession } from "../host-session.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";

/** How many errors one host is sent (net/ipv4/icmp.c, net/ipv4/inetpeer.c). */

/** XRLIM_BURST_FACTOR: so many may come at once. */
const BURST = 6;
/** Where `peers` keeps what a host of a family may still be sent, milliseconds; when that was counted stands next to it. */
const TOKENS = { 4: 4, 6: 2 } as const;

/** `net.ipv4.icmp_ratelimit`, milliseconds, and `icmp_ratemask`: unreachable, source quench, time exceeded, parameter problem. */
const RATE_LIMIT_MS = 1000;
const RATE_MASK = 0x1818;
/** `NR_ICMP_TYPES` */
const LAST_TYPE = 18;

/** `icmpv4_xrlim_allow`: a routed error is one of few, or is not limited. What no option says is the machine's limit for all hosts. */
export function withinLimit4(stack: Stack, { icmpType, icmpCode, rtDev, dst }: Packet): boolean {
  const { net } = stack;
  if (icmpType > LAST_TYPE || net.devices[rtDev]?.isLoopback) return true;
  if (icmpType === ICMP_DEST_UNREACH && icmpCode === ICMP_FRAG_NEEDED) return true;
  const mask = net.sysctl.integer("net.ipv4.icmp_ratemask", RATE_MASK);
  if (((mask >>> icmpType) & 1) === 0) return true;
  return peerAllows(stack, 4, dst, net.sysctl.integer("net.ipv4.icmp_ratelimit", RATE_LIMIT_MS));
}

/**
 * `inet_peer_xrlim_allow`: may another message go to a host, `timeout` milliseconds after the last or as one of a burst? One that is
 * not limited (0) leaves nothing for those that are.
 */
export function peerAllows(stack: Stack, family: 4 | 6, address: number, timeout: number): boolean {
  const { peers } = stack.state;
  const slot = TOKENS[family];
  const before = peers.get(address, slot);
  const most = BURST * timeout;
  const passed = before === ABSENT ? most : stack.now - peers.get(address, slot + 1);
  const tokens = Math.min((before === ABSENT ? 0 : before) + passed, most);
  const allowed = tokens >= timeout;
  peers.set(address, slot, Math.floor(allowed ? tokens - timeout : tokens));
  peers.set(address, slot + 1, Math.floor(stack.now));
  return allowed;
}

/** A host of IPv6 may be sent a whole burst again, or nothing for now, by all that have sent it anything. */
export function setAllowed6({ peers }: HostSession, due: boolean, now: number): void {
  const known = new Set<number>();
  const slot = TOKENS[6];
  peers.forEach((address, at) => {
    if (at === slot) known.add(address);
  });
  for (const address of known) {
    peers.set(address, slot, due ? BURST * RATE_LIMIT_MS : 0);
    peers.set(address, slot + 1, now);
  }
}
