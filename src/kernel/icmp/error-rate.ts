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

/** `net.ipv4.icmp_msgs_per_sec`, `icmp_msgs_burst`: what one machine sends to all hosts together. */
const MESSAGES_PER_SECOND = 1000;
const MESSAGES_BURST = 50;
/** Where `peers` keeps what is left of it, under no host's address, and when that was counted. */
const OF_ALL = 0;
const CREDIT = 6;
const REFILLED = 7;
/** It is filled again so seldom, and with so much at most, milliseconds. */
const REFILL_MS = 20;
const REFILL_AT_MOST_MS = 1000;

/** `ip_rt_error_cost`, `ip_rt_error_burst`, milliseconds. */
const ERROR_COST_MS = 1000;
const ERROR_BURST_MS = 5000;

/** Is it an error that limits are about (`icmpv4_mask_allow`)? */
function isLimited4({ net }: Stack, { icmpType, icmpCode }: Packet): boolean {
  if (icmpType > LAST_TYPE) return false;
  if (icmpType === ICMP_DEST_UNREACH && icmpCode === ICMP_FRAG_NEEDED) return false;
  const mask = net.sysctl.integer("net.ipv4.icmp_ratemask", RATE_MASK);
  return ((mask >>> icmpType) & 1) !== 0;
}

/** `icmpv4_xrlim_allow`: a routed error is one of few, or is not limited. */
export function withinLimit4(stack: Stack, error: Packet): boolean {
  const { net } = stack;
  if (net.devices[error.rtDev]?.isLoopback || !isLimited4(stack, error)) return true;
  return (
    withinGlobalLimit(stack) &&
    peerAllows(stack, 4, error.dst, net.sysctl.integer("net.ipv4.icmp_ratelimit", RATE_LIMIT_MS))
  );
}

/**
 * `icmp_global_allow`, `icmp_global_consume`: the kernel takes none, one or two of the credit for a message, by chance; here it is
 * one, as it is on average.
 */
export function withinGlobalLimit({ net, state: { peers }, now }: Stack): boolean {
  const known = peers.get(OF_ALL, CREDIT);
  let credit = known === ABSENT ? 0 : known;
  if (credit <= 0) {
    const passed =
      known === ABSENT ? REFILL_AT_MOST_MS : Math.min(now - peers.get(OF_ALL, REFILLED), REFILL_AT_MOST_MS);
    const perSecond = net.sysctl.integer("net.ipv4.icmp_msgs_per_sec", MESSAGES_PER_SECOND);
    const more = Math.floor((perSecond * passed) / 1000);
    if (passed < REFILL_MS || more === 0) return false;
    credit = Math.min(credit + more, net.sysctl.integer("net.ipv4.icmp_msgs_burst", MESSAGES_BURST));
    peers.set(OF_ALL, REFILLED, Math.floor(now));
  }
  peers.set(OF_ALL, CREDIT, credit - 1);
  return true;
}

/** `ip_error`: how many packets of a sender that no route takes are answered; it lives on what all its errors live on. */
export function errorRouteAllows(stack: Stack, source: number): boolean {
  const tokens = Math.min(tokensOf(stack, 4, source, ERROR_BURST_MS), ERROR_BURST_MS);
  const allowed = tokens >= ERROR_COST_MS;
  setTokens(stack, 4, source, allowed ? tokens - ERROR_COST_MS : tokens);
  return allowed;
}

/**
 * `inet_peer_xrlim_allow`: may another message go to a host, `timeout` milliseconds after the last or as one of a burst? One that is
 * not limited (0) leaves nothing for those that are, unless what the host has was counted in the same jiffy.
 */
export function peerAllows(stack: Stack, family: 4 | 6, address: number, timeout: number): boolean {
  if (timeout === 0) {
    if (!stack.countedJustNow) setTokens(stack, family, address, 0);
    return true;
  }
  const most = BURST * timeout;
  const tokens = Math.min(tokensOf(stack, family, address, most), most);
  const allowed = tokens >= timeout;
  setTokens(stack, family, address, allowed ? tokens - timeout : tokens);
  return allowed;
}

/** What a host has by now. @param unknown a host that nothing was sent to yet: it was a minute ago */
function tokensOf({ state: { peers }, now }: Stack, family: 4 | 6, address: number, unknown: number): number {
  const slot = TOKENS[family];
  const before = peers.get(address, slot);
  return before === ABSENT ? unknown : before + now - peers.get(address, slot + 1);
}

function setTokens({ state: { peers }, now }: Stack, family: 4 | 6, address: number, tokens: number): void {
  const slot = TOKENS[family];
  peers.set(address, slot, Math.floor(tokens));
  peers.set(address, slot + 1, Math.floor(now));
}

/** A host may be sent a whole burst of errors again, or nothing for now, by all that have sent it anything. */
export function setErrorsDue({ peers }: HostSession, due: boolean, now: number): void {
  for (const slot of [TOKENS[4], TOKENS[6]]) {
    const known = new Set<number>();
    peers.forEach((address, at) => {
      if (at === slot) known.add(address);
    });
    for (const address of known) {
      peers.set(address, slot, due ? BURST * RATE_LIMIT_MS : 0);
      peers.set(address, slot + 1, now);
    }
  }
}
