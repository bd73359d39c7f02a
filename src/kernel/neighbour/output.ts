import { isMulticast6, word6 } from "../../address/ip6-handle.ts";
import * as MAC from "../../address/mac.ts";
import { internMacNumber, type Mac } from "../../address/mac.ts";
import * as PACKET from "../../packet/packet.ts";
import { deviceKey, isNeighbourDiscovery, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as ERROR from "../icmp/error.ts";
import { tellSender } from "../icmp/error.ts";
import { reason } from "../reason.ts";
import * as ROUTE_TYPES from "../route/types.ts";
import * as PAIR_MAP from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import type { Resolving } from "./neighbour.ts";
import * as NEIGHBOUR from "./neighbour.ts";
import { hasProved } from "./nud-state.ts";
import { solicit } from "./solicit.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { MAC_BROADCAST, MAC_ZERO } = MAC;
const { KEY_IPV6 } = PACKET;
const { HOST_UNREACHABLE } = ERROR;
const { RTN_BROADCAST, RTN_MULTICAST } = ROUTE_TYPES;
const { ABSENT } = PAIR_MAP;
const { OP_NEIGHBOUR } = TAPE;
const { MAX_PROBES, NEIGH_FAILED, NEIGH_INCOMPLETE, QUEUE_AT_MOST, UNICAST_PROBES } = NEIGHBOUR;

/**
 * Neighbours of a host, of both families: resolution with a queue (net/core/neighbour.c), by ARP (net/ipv4/arp.c) or by
 * neighbour discovery (net/ipv6/ndisc.c). An entry's key is `deviceKey` and the address as the path holds it.
 */

const NO_NEIGHBOUR = reason("no-neighbour");

/** What resolving an address says at once. Negative: not known yet. */
const UNRESOLVED = -1;

/**
 * Send a packet to a next hop on a device: with its MAC if known, else into the queue while somebody is asked. Takes the
 * packet over. Runs per packet.
 *
 * @returns 0, or ENOBUFS where it was dropped in front of the device
 */
export function neighbourOutput(stack: Stack, dev: NetDevice, nextHop: number, packet: Packet): number {
  if (!dev.hasHeader) {
    // arp_constructor, ndisc_constructor: no header to fill, nobody to ask
    packet.framed = false;
    stack.path.transmit(stack, dev, packet);
    return stack.xmitErrno;
  }
  const { family } = packet;
  let mac = resolve(stack, dev, family, nextHop);
  if (mac < 0 && family === 6 && isNeighbourDiscovery(packet)) {
    // What is being asked whether it is still there (NUD_PROBE) counts as known, for questions and answers above all.
    mac = stack.state.neighbours.get(deviceKey(family, dev.ifindex), nextHop);
  }
  if (mac >= 0) {
    sendTo(stack, dev, mac, packet);
    return stack.xmitErrno;
  }
  enqueue(stack, dev, family, nextHop, packet);
  return 0;
}

/** The MAC to send to, or a negative number while nobody knows. */
export function resolve(stack: Stack, dev: NetDevice, family: number, address: number): Mac {
  if (dev.isLoopback) return MAC_ZERO;
  const key = deviceKey(family, dev.ifindex);
  const learned = stack.state.neighbours.get(key, address);
  if (learned >= 0) return isFresh(stack, dev, key, address) ? learned : UNRESOLVED;
  if (learned === ABSENT) {
    const known = stack.net.neighbours.mac(key, address);
    if (known !== ABSENT) return known;
  }
  if (family === 6) {
    if (isMulticast6(address)) return multicastMac(family, address);
    return dev.noArp ? dev.mac : UNRESOLVED;
  }
  // arp_constructor: groups have their own addresses, and broadcast addresses are everybody where anybody is asked
  const type = stack.addressTypeBy(address, dev);
  if (type === RTN_MULTICAST) return multicastMac(family, address);
  if (dev.noArp) return dev.mac;
  return type === RTN_BROADCAST ? MAC_BROADCAST : UNRESOLVED;
}

/**
 * NUD_REACHABLE, NUD_STALE, NUD_DELAY: an entry that has proved true lately or is only now used again serves as it is. False
 * when by now the kernel would have asked whether the neighbour is still there (NUD_PROBE).
 */
function isFresh(stack: Stack, dev: NetDevice, key: number, address: number): boolean {
  const { state, now } = stack;
  if (hasProved(stack, dev, key, address)) return true;
  const delayed = state.neighbourDelayed.get(key, address);
  if (delayed === ABSENT) {
    state.neighbourDelayed.set(key, address, now);
    return true;
  }
  return now < delayed + dev.conf.delayMs;
}

/**
 * NUD_CONNECTED: an entry that has answered this host lately, or that nobody has to ask for. One that was only heard of is not,
 * however often it has been used.
 */
export function isConnected(stack: Stack, dev: NetDevice, family: number, address: number): boolean {
  const key = deviceKey(family, dev.ifindex);
  if (stack.state.neighbours.get(key, address) === ABSENT) return true;
  return hasProved(stack, dev, key, address);
}

/** Is a neighbour's address known? Begins to ask where it is not (`neigh_event_send` without a packet). */
export function isReachable(stack: Stack, dev: NetDevice, family: number, address: number): boolean {
  if (resolve(stack, dev, family, address) >= 0) return true;
  enqueue(stack, dev, family, address, null);
  return false;
}

/** `__neigh_event_send`: queue a packet, and begin to ask when nobody is asking yet. */
function enqueue(stack: Stack, dev: NetDevice, family: number, address: number, packet: Packet | null): void {
  const key = resolvingKey(family, dev.ifindex, address);
  const resolving = stack.state.resolving.get(key);
  if (resolving !== undefined) {
    if (packet === null) return;
    if (resolving.queue.length >= QUEUE_AT_MOST) stack.kill(resolving.queue.shift() as Packet, NO_NEIGHBOUR);
    resolving.queue.push(packet);
    return;
  }
  const queue = packet === null ? [] : [packet];
  const begun: Resolving = { family, ifindex: dev.ifindex, address, asked: 0, queue, cancel: () => {} };
  stack.state.resolving.set(key, begun);
  stack.outbox.questions(1);
  const known = stack.state.neighbours.get(deviceKey(family, dev.ifindex), address);
  if (known >= 0) askAlone(stack, dev, key, begun, known);
  else {
    stack.state.neighbours.set(deviceKey(family, dev.ifindex), address, NEIGH_INCOMPLETE);
    ask(stack, dev, key, begun);
  }
}

function resolvingKey(family: number, ifindex: number, address: number): string {
  return `${deviceKey(family, ifindex)} ${address}`;
}

/** Milliseconds between two questions. */
function retransMs(dev: NetDevice, family: number): number {
  return family === 6 ? dev.conf6.retransMs : dev.conf.retransMs;
}

/**
 * NUD_PROBE, late: what the kernel's timer would have asked since the entry was last used is asked now, and takes no time. Who
 * does not answer has failed by then, unless the three seconds of asking are not over yet.
 */
function askAlone(stack: Stack, dev: NetDevice, key: string, resolving: Resolving, mac: Mac): void {
  const { family, address, queue } = resolving;
  const device = deviceKey(family, dev.ifindex);
  const delayed = stack.state.neighbourDelayed.get(device, address);
  const stillAsking = stack.now < delayed + dev.conf.delayMs + UNICAST_PROBES * retransMs(dev, family);
  resolving.cancel = stack.outbox.after(0, () => {
    if (stillAsking) {
      endResolving(stack, key, resolving);
      for (const packet of queue) sendTo(stack, dev, mac, packet);
      return;
    }
    stack.state.neighbours.set(device, address, NEIGH_INCOMPLETE);
    ask(stack, dev, key, resolving);
  });
  // The timer that asks has no packet at hand whose source it could take.
  solicit(stack, dev, family, address, undefined, mac);
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
  const { family, address, queue } = resolving;
  resolving.asked++;
  stack.tape?.words4(OP_NEIGHBOUR, stack.host, dev.ifindex, address, family === 6 ? KEY_IPV6 : 0);
  const next = () => {
    if (resolving.asked < MAX_PROBES) ask(stack, dev, key, resolving);
    else failResolving(stack, key, resolving, true);
  };
  resolving.cancel = stack.outbox.after(retransMs(dev, family), next, true);
  // `neigh_probe`: the packet that came last
  solicit(stack, dev, family, address, queue.at(-1), MAC_BROADCAST);
}

/**
 * Somebody answered, or was heard of: remember the MAC and send what waited (`neigh_update`).
 *
 * @param address as the path holds it
 * @param confirmed an answer to this host itself: the neighbour is there
 */
export function neighbourAnswered(
  stack: Stack,
  dev: NetDevice,
  family: number,
  address: number,
  mac: Mac,
  confirmed: boolean,
): void {
  const { state, now } = stack;
  const device = deviceKey(family, dev.ifindex);
  const before = state.neighbours.get(device, address);
  // What changes nothing does not lock the entry either (`neigh->updated`).
  const isUpdate = before !== mac || (confirmed && !hasProved(stack, dev, device, address));
  state.neighbours.set(device, address, mac);
  if (isUpdate) state.neighbourUpdated.set(device, address, now);
  if (confirmed) state.neighbourConfirmed.set(device, address, now);
  // Hearing of what is known already changes nothing (NUD_STALE over the same address).
  if (!confirmed && before === mac) return;
  if (!confirmed) state.neighbourConfirmed.delete(device, address);
  state.neighbourDelayed.delete(device, address);
  const key = resolvingKey(family, dev.ifindex, address);
  const resolving = stack.state.resolving.get(key);
  if (resolving === undefined) return;
  endResolving(stack, key, resolving);
  for (const packet of resolving.queue) sendTo(stack, dev, mac, packet);
}

/**
 * Nobody answered (`neigh_invalidate`): each packet that waited fails (`arp_error_report`, `ipv4_link_failure`;
 * `ndisc_error_report`, `ip6_link_failure`).
 *
 * @param tell send the errors; false when the walk has ended
 */
export function failResolving(stack: Stack, key: string, resolving: Resolving, tell: boolean): void {
  const { family, ifindex, address, queue } = resolving;
  const device = deviceKey(family, ifindex);
  endResolving(stack, key, resolving);
  const { neighbours, resolving: all } = stack.state;
  neighbours.set(device, address, NEIGH_FAILED);
  stack.tape?.words4(OP_NEIGHBOUR, stack.host, ifindex, address, family === 6 ? 1 | KEY_IPV6 : 1);
  for (const packet of queue) {
    // An error whose own way is by this neighbour begins to ask anew: then no more are told.
    if (tell && neighbours.get(device, address) === NEIGH_FAILED)
      tellSender(stack, packet, HOST_UNREACHABLE, 0);
    stack.kill(packet, NO_NEIGHBOUR);
  }
  // That error is thrown away with the queue that it waits in.
  for (const packet of all.get(key)?.queue.splice(0) ?? []) stack.kill(packet, NO_NEIGHBOUR);
}

/** A group's MAC: 01:00:5e and the low 23 bits (RFC 1112 6.4), or 33:33 and the low 32 (RFC 2464 7). */
export function multicastMac(family: number, address: number): Mac {
  return internMacNumber(
    family === 6 ? 0x3333_0000_0000 + (word6(address, 3) >>> 0) : 0x0100_5e00_0000 + (address & 0x7f_ffff),
  );
}
