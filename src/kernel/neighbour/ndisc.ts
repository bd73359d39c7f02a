import { IP6_ANY, type Ip6, isMulticast6, samePrefix6, solicitedNode6 } from "../../address/ip6-handle.ts";
import { MAC_ZERO, type Mac } from "../../address/mac.ts";
import {
  deviceKey,
  ND_OVERRIDE,
  ND_SOLICITED,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
  NDISC_ROUTER_SOLICITATION,
  PACKET_HOST,
  type Packet,
} from "../../packet/packet.ts";
import { ALL_NODES, anycastAddresses } from "../device/joined-groups.ts";
import type { NetDevice } from "../device/net-device.ts";
import { selectSource6 } from "../route/select-source6.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import { addressOn, sendAdvertisement } from "./ndisc-send.ts";
import { NEIGH_FAILED, REACHABLE_MS } from "./neighbour.ts";
import { neighbourAnswered } from "./output.ts";

/** A message of neighbour discovery with fewer hops left has come from beyond a router. */
const HOP_LIMIT = 255;
/** `net.ipv6.neigh.*.proxy_delay`, hundredths of a second: the longest that an answer for others waits. */
const PROXY_DELAY = 80;

/**
 * `ndisc_rcv`: answer solicitations, learn from them and from advertisements. Redirects are the routes' (`icmp/`), router
 * advertisements change nothing here. Takes the packet over.
 */
export function ndiscReceive(stack: Stack, dev: NetDevice, packet: Packet): void {
  if (packet.ttl === HOP_LIMIT && packet.icmpCode === 0 && !isMulticast6(packet.ndTarget)) {
    if (packet.icmpType === NDISC_NEIGHBOUR_SOLICITATION) solicited(stack, dev, packet);
    else if (packet.icmpType === NDISC_NEIGHBOUR_ADVERTISEMENT) advertised(stack, dev, packet);
    else if (packet.icmpType === NDISC_ROUTER_SOLICITATION) routerSolicited(stack, dev, packet);
  }
  stack.pool.release(packet);
}

/** `ndisc_recv_ns`: who asks is learned, and answered by who has the address, proxies it, or is one of its routers. */
function solicited(stack: Stack, dev: NetDevice, { src, dst, ndTarget, ndLladdr, pktType }: Packet): void {
  const duplicateDetection = src === IP6_ANY;
  // A question from nobody goes to the group and names no MAC (RFC 4861 7.1.1).
  if (duplicateDetection && (dst !== solicitedNode6(ndTarget) || ndLladdr !== MAC_ZERO)) return;
  const toGroup = isMulticast6(dst);
  const own = addressOn(dev, ndTarget) !== null;
  const answer = (): void => {
    answerSolicitation(stack, dev, { from: src, target: ndTarget, lladdr: ndLladdr, toGroup, own });
  };
  if (own) {
    answer();
    return;
  }
  const forwards = dev.conf6.forwarding;
  const proxied = forwards && dev.conf6.proxyNdp && isProxied(stack, dev, ndTarget);
  if (!proxied && !(forwards && anycastAddresses(dev).includes(ndTarget))) return;
  const delay = stack.net.sysctl.integer(`net.ipv6.neigh.${dev.name}.proxy_delay`, PROXY_DELAY) * 10;
  // Who answers for others lets the owner come first, by a random time below the delay (`pneigh_enqueue`): half of it here.
  if (toGroup && pktType !== PACKET_HOST && delay > 0) stack.outbox.after(delay / 2, answer);
  else answer();
}

interface Solicitation {
  readonly from: Ip6;
  readonly target: Ip6;
  readonly lladdr: Mac;
  readonly toGroup: boolean;
  readonly own: boolean;
}

function answerSolicitation(stack: Stack, dev: NetDevice, question: Solicitation): void {
  const { from, target, lladdr, toGroup, own } = question;
  // An address answered for others is a router's only where the proxy entry says so.
  const router = dev.conf6.forwarding && !(!own && isProxied(stack, dev, target));
  const source = own ? target : selectSource6(stack, dev, from === IP6_ANY ? ALL_NODES : from);
  if (from === IP6_ANY) {
    if (source === IP6_ANY) return;
    const toAll = { target, to: ALL_NODES, from: source };
    sendAdvertisement(stack, dev, { ...toAll, router, solicited: false, override: own, named: true });
    return;
  }
  learn(stack, dev, { address: from, lladdr, confirmed: false, override: true, create: true });
  // Who asks everybody and names no MAC must be known.
  if (lladdr === MAC_ZERO && toGroup && dev.hasHeader && known(stack, dev, from) === ABSENT) return;
  if (source === IP6_ANY) return;
  const back = { target, to: from, from: source };
  const override = own && toGroup;
  sendAdvertisement(stack, dev, {
    ...back,
    router,
    solicited: true,
    override,
    named: toGroup && dev.hasHeader,
  });
}

/** `ndisc_recv_na`: brings an entry up to date; makes one only where `accept_untracked_na` says so. */
function advertised(stack: Stack, dev: NetDevice, packet: Packet): void {
  const { ndTarget, ndLladdr, ndFlags, src, dst } = packet;
  const solicited = (ndFlags & ND_SOLICITED) !== 0;
  if (isMulticast6(dst) && solicited) return;
  if (addressOn(dev, ndTarget) !== null) return;
  const before = known(stack, dev, ndTarget);
  if (before === NEIGH_FAILED) return;
  if (before === ABSENT) {
    if (ndLladdr !== MAC_ZERO && dev.conf6.forwarding && acceptsUntracked(stack, dev, src))
      learn(stack, dev, {
        address: ndTarget,
        lladdr: ndLladdr,
        confirmed: false,
        override: true,
        create: true,
      });
    return;
  }
  // An own answer for somebody else, heard again.
  if (ndLladdr === dev.mac && dev.conf6.proxyNdp && isProxied(stack, dev, ndTarget)) return;
  const override = (ndFlags & ND_OVERRIDE) !== 0;
  learn(stack, dev, { address: ndTarget, lladdr: ndLladdr, confirmed: solicited, override, create: false });
}

/** `ndisc_recv_rs`: a router learns who asks. */
function routerSolicited(stack: Stack, dev: NetDevice, { src, ndLladdr }: Packet): void {
  if (!dev.conf6.forwarding || src === IP6_ANY) return;
  learn(stack, dev, { address: src, lladdr: ndLladdr, confirmed: false, override: true, create: true });
}

interface News {
  readonly address: Ip6;
  /** MAC_ZERO: not said. */
  readonly lladdr: Mac;
  /** An answer to this host: NUD_REACHABLE, else NUD_STALE. */
  readonly confirmed: boolean;
  /** May it replace another MAC? */
  readonly override: boolean;
  /** Make an entry where there is none. */
  readonly create: boolean;
}

/** `ndisc_update`, `neigh_update` with NEIGH_UPDATE_F_WEAK_OVERRIDE. */
function learn(stack: Stack, dev: NetDevice, news: News): void {
  const { address, confirmed, override, create } = news;
  const key = deviceKey(6, dev.ifindex);
  if (stack.net.neighbours.isPermanent(key, address)) return;
  const before = known(stack, dev, address);
  if (before === ABSENT && !create) return;
  const lladdr = news.lladdr === MAC_ZERO ? before : news.lladdr;
  if (lladdr < 0) return;
  if (before >= 0 && before !== lladdr && !override) {
    // What was certain is so no longer, but stands.
    if (isConnected(stack, key, address)) {
      stack.state.neighbourConfirmed.delete(key, address);
      stack.state.neighbourDelayed.delete(key, address);
    }
    return;
  }
  if (before === lladdr && !confirmed) return;
  neighbourAnswered(stack, dev, 6, address, lladdr, confirmed);
}

/** The MAC, NEIGH_INCOMPLETE, NEIGH_FAILED or ABSENT. */
function known(stack: Stack, dev: NetDevice, address: Ip6): number {
  const key = deviceKey(6, dev.ifindex);
  const learned = stack.state.neighbours.get(key, address);
  return learned === ABSENT ? stack.net.neighbours.mac(key, address) : learned;
}

/** NUD_REACHABLE. */
function isConnected(stack: Stack, key: number, address: Ip6): boolean {
  const confirmed = stack.state.neighbourConfirmed.get(key, address);
  return confirmed !== ABSENT && stack.now - confirmed <= REACHABLE_MS;
}

/** `accept_untracked_na`: 1 anybody's, 2 from a network of the device. */
function acceptsUntracked(stack: Stack, dev: NetDevice, source: Ip6): boolean {
  const accept = stack.net.sysctl.integer(`net.ipv6.conf.${dev.name}.accept_untracked_na`, 0);
  if (accept !== 2) return accept === 1;
  return dev.addresses6.some(({ prefixAddress, length }) => samePrefix6(prefixAddress, source, length));
}

/** `pndisc_is_router`: is the address answered for on the device? */
function isProxied(stack: Stack, dev: NetDevice, address: Ip6): boolean {
  return stack.net.neighbours.isProxied(deviceKey(6, dev.ifindex), address);
}
