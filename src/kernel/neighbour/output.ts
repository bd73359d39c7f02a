import type { Ipv4 } from "../../address/ipv4.ts";
import { formatIpv4 } from "../../address/ipv4.ts";
import { internMac, MAC_BROADCAST, MAC_ZERO, type Mac } from "../../address/mac.ts";
import {
  ARPOP_REQUEST,
  ETH_P_ARP,
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  type Packet,
} from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { reason } from "../reason.ts";
import { RT_SCOPE_LINK } from "../route/fib.ts";
import { selectAddress } from "../route/output-route.ts";
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from "../route/types.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import { OP_NEIGHBOUR } from "../tape.ts";
import {
  MAX_PROBES,
  NEIGH_FAILED,
  NEIGH_INCOMPLETE,
  QUEUE_AT_MOST,
  type Resolving,
  UNICAST_PROBES,
} from "./neighbour.ts";

/** Neighbours of a host: resolution by ARP with a queue (net/core/neighbour.c, net/ipv4/arp.c). */

const NO_NEIGHBOUR = reason("no-neighbour");

/** What resolving an address says at once. Negative: not known yet. */
const UNRESOLVED = -1;

/**
 * Send a packet to a next hop on a device: with its MAC if known, else into the queue while ARP asks. Takes the packet
 * over. Runs per packet.
 */
export function neighbourOutput(stack: Stack, dev: NetDevice, nextHop: Ipv4, packet: Packet): void {
  if (!dev.hasHeader) {
    // arp_constructor: no header to fill, nobody to ask
    packet.framed = false;
    stack.path.transmit(stack, dev, packet);
    return;
  }
  const mac = resolve(stack, dev, nextHop);
  if (mac >= 0) {
    sendTo(stack, dev, mac, packet);
    return;
  }
  enqueue(stack, dev, nextHop, packet);
}

/** The MAC to send to, or a negative number while nobody knows. */
export function resolve(stack: Stack, dev: NetDevice, address: Ipv4): Mac {
  if (dev.isLoopback) return MAC_ZERO;
  const learned = stack.state.neighbours.get(dev.ifindex, address);
  if (learned >= 0) return isFresh(stack, dev, address) ? learned : UNRESOLVED;
  if (learned === ABSENT) {
    const known = stack.net.staticNeighbour(dev.ifindex, address);
    if (known !== ABSENT) return known;
  }
  // arp_constructor: groups have their own addresses, and broadcast addresses are everybody where anybody is asked
  const type = stack.addressType(address, 0);
  if (type === RTN_MULTICAST) return multicastMac(address);
  if (dev.noArp) return dev.mac;
  return type === RTN_BROADCAST ? MAC_BROADCAST : UNRESOLVED;
}

/**
 * NUD_REACHABLE, NUD_STALE, NUD_DELAY: an entry that has proved true lately or is only now used again serves as it is. False
 * when by now the kernel would have asked whether the neighbour is still there (NUD_PROBE).
 */
function isFresh(stack: Stack, dev: NetDevice, address: Ipv4): boolean {
  const { state, now } = stack;
  const confirmed = state.neighbourConfirmed.get(dev.ifindex, address);
  if (confirmed !== ABSENT && now - confirmed <= dev.conf.reachableMs) return true;
  const delayed = state.neighbourDelayed.get(dev.ifindex, address);
  if (delayed === ABSENT) {
    state.neighbourDelayed.set(dev.ifindex, address, now);
    return true;
  }
  return now < delayed + dev.conf.delayMs;
}

/** Is a neighbour's address known? Begins to ask where it is not (`neigh_event_send` without a packet). */
export function isReachable(stack: Stack, dev: NetDevice, address: Ipv4): boolean {
  if (resolve(stack, dev, address) >= 0) return true;
  enqueue(stack, dev, address, null);
  return false;
}

/** `__neigh_event_send`: queue a packet, and begin to ask when nobody is asking yet. */
function enqueue(stack: Stack, dev: NetDevice, address: Ipv4, packet: Packet | null): void {
  const key = `${dev.ifindex} ${address}`;
  const resolving = stack.state.resolving.get(key);
  if (resolving !== undefined) {
    if (packet === null) return;
    if (resolving.queue.length >= QUEUE_AT_MOST) stack.kill(resolving.queue.shift() as Packet, NO_NEIGHBOUR);
    resolving.queue.push(packet);
    return;
  }
  const queue = packet === null ? [] : [packet];
  const begun: Resolving = { ifindex: dev.ifindex, address, asked: 0, queue, cancel: () => {} };
  stack.state.resolving.set(key, begun);
  stack.outbox.questions(1);
  const known = stack.state.neighbours.get(dev.ifindex, address);
  if (known >= 0) askAlone(stack, dev, key, begun, known);
  else {
    stack.state.neighbours.set(dev.ifindex, address, NEIGH_INCOMPLETE);
    ask(stack, dev, key, begun);
  }
}

/**
 * NUD_PROBE, late: what the kernel's timer would have asked since the entry was last used is asked now, and takes no time. Who
 * does not answer has failed by then, unless the three seconds of asking are not over yet.
 */
function askAlone(stack: Stack, dev: NetDevice, key: string, resolving: Resolving, mac: Mac): void {
  const { address, queue } = resolving;
  const delayed = stack.state.neighbourDelayed.get(dev.ifindex, address);
  const stillAsking = stack.now < delayed + dev.conf.delayMs + UNICAST_PROBES * dev.conf.retransMs;
  resolving.cancel = stack.outbox.after(0, () => {
    if (stillAsking) {
      endResolving(stack, key, resolving);
      for (const packet of queue) sendTo(stack, dev, mac, packet);
      return;
    }
    stack.state.neighbours.set(dev.ifindex, address, NEIGH_INCOMPLETE);
    ask(stack, dev, key, resolving);
  });
  // The timer that asks has no packet at hand whose source it could take.
  solicit(stack, dev, address, undefined, mac);
}

function endResolving(stack: Stack, key: string, resolving: Resolving): void {
  resolving.cancel();
  stack.state.resolving.delete(key);
  stack.outbox.questions(-1);
}

function sendTo(stack: Stack, dev: NetDevice, mac: Mac, packet: Packet): void {
  packet.framed = true;
  packet.ethSrc = dev.mac;
  packet.ethDst = mac;
  stack.path.transmit(stack, dev, packet);
}

/** One question, and the timer for the next; after the last one everything that waits has failed. */
function ask(stack: Stack, dev: NetDevice, key: string, resolving: Resolving): void {
  resolving.asked++;
  stack.tape?.words4(OP_NEIGHBOUR, stack.host, dev.ifindex, resolving.address, 0);
  resolving.cancel = stack.outbox.after(dev.conf.retransMs, () => {
    if (resolving.asked < MAX_PROBES) ask(stack, dev, key, resolving);
    else failResolving(stack, key, resolving, true);
  });
  solicit(stack, dev, resolving.address, resolving.queue[0], MAC_BROADCAST);
}

/** `arp_solicit`: who has this address? The sender named depends on `arp_announce`. */
function solicit(stack: Stack, dev: NetDevice, target: Ipv4, waiting: Packet | undefined, to: Mac): void {
  let sender = 0;
  const announce = dev.conf.arpAnnounce;
  if (announce < 2 && waiting !== undefined && stack.addressType(waiting.src, 0) === RTN_LOCAL) {
    if (announce === 0 || sharesPrefix(dev, target, waiting.src)) sender = waiting.src;
  }
  if (sender === 0) sender = selectAddress(stack, dev, target, RT_SCOPE_LINK);
  const question = stack.pool.take();
  question.number = 0;
  question.ethType = ETH_P_ARP;
  question.framed = true;
  question.ethSrc = dev.mac;
  question.ethDst = to;
  question.arpOp = ARPOP_REQUEST;
  question.arpSha = dev.mac;
  question.arpTha = MAC_ZERO;
  question.src = sender;
  question.dst = target;
  question.length = 28;
  stack.path.transmit(stack, dev, question);
}

function sharesPrefix(dev: NetDevice, a: Ipv4, b: Ipv4): boolean {
  return dev.addresses.some(
    (entry) =>
      ((a ^ entry.prefixAddress) & entry.mask) === 0 && ((b ^ entry.prefixAddress) & entry.mask) === 0,
  );
}

/**
 * Somebody answered, or was heard of: remember the MAC and send what waited (`neigh_update`).
 *
 * @param confirmed an answer to this host itself: the neighbour is there
 */
export function neighbourAnswered(
  stack: Stack,
  dev: NetDevice,
  address: Ipv4,
  mac: Mac,
  confirmed: boolean,
): void {
  const { state, now } = stack;
  const before = state.neighbours.get(dev.ifindex, address);
  state.neighbours.set(dev.ifindex, address, mac);
  state.neighbourUpdated.set(dev.ifindex, address, now);
  if (confirmed) state.neighbourConfirmed.set(dev.ifindex, address, now);
  // Hearing of what is known already changes nothing (NUD_STALE over the same address).
  if (!confirmed && before === mac) return;
  if (!confirmed) state.neighbourConfirmed.delete(dev.ifindex, address);
  state.neighbourDelayed.delete(dev.ifindex, address);
  const key = `${dev.ifindex} ${address}`;
  const resolving = stack.state.resolving.get(key);
  if (resolving === undefined) return;
  endResolving(stack, key, resolving);
  for (const packet of resolving.queue) sendTo(stack, dev, mac, packet);
}

/**
 * Nobody answered (`neigh_invalidate`): each packet that waited fails (`arp_error_report`, `ipv4_link_failure`).
 *
 * @param tell send the errors; false when the walk has ended
 */
export function failResolving(stack: Stack, key: string, resolving: Resolving, tell: boolean): void {
  endResolving(stack, key, resolving);
  stack.state.neighbours.set(resolving.ifindex, resolving.address, NEIGH_FAILED);
  stack.tape?.words4(OP_NEIGHBOUR, stack.host, resolving.ifindex, resolving.address, 1);
  for (const packet of resolving.queue) {
    if (tell) sendIcmpError(stack, packet, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
    stack.kill(packet, NO_NEIGHBOUR);
  }
}

/** RFC 1112 6.4: 01:00:5e and the low 23 bits. */
export function multicastMac(address: Ipv4): Mac {
  const [, b, c, d] = formatIpv4(address).split(".").map(Number) as [number, number, number, number];
  const hex = (n: number): string => n.toString(16).padStart(2, "0");
  return internMac(`01:00:5e:${hex(b & 0x7f)}:${hex(c)}:${hex(d)}`);
}
