import { MAC_BROADCAST } from "../../address/mac.ts";
import {
  ARPOP_REPLY,
  ARPOP_REQUEST,
  ETH_P_ARP,
  PACKET_HOST,
  PACKET_OTHERHOST,
  type Packet,
  RT_LOCAL_DELIVER,
} from "../../packet/packet.ts";
import type { CompiledAddress, NetDevice } from "../device/net-device.ts";
import { routeInput } from "../route/input-route.ts";
import { isLoopback, isMulticast, routeOutput } from "../route/output-route.ts";
import { RT_SCOPE_HOST, RT_SCOPE_LINK } from "../route/rt-scope.ts";
import { RTN_LOCAL, RTN_UNICAST } from "../route/types.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";
import { admitsArp, arpXmit } from "./arp-xmit.ts";
import { neighbourAnswered } from "./output.ts";

/** `net.ipv4.neigh.*.locktime`, milliseconds. */
const LOCKTIME_MS = 1000;

/** `arp_rcv` and `arp_process` (net/ipv4/arp.c): answer questions, learn from answers. Takes the packet over. */
export function arpReceive(stack: Stack, dev: NetDevice, packet: Packet): void {
  if (!dev.noArp && packet.pktType !== PACKET_OTHERHOST && admitsArp(stack, dev, packet))
    process(stack, dev, packet);
  stack.pool.release(packet);
}

function process(stack: Stack, dev: NetDevice, packet: Packet): void {
  const { src: sip, dst: tip, arpSha: sha, arpOp } = packet;
  if (arpOp !== ARPOP_REQUEST && arpOp !== ARPOP_REPLY) return;
  if (isMulticast(tip) || (!dev.conf.routeLocalnet && isLoopback(tip))) return;

  if (sip === tip && dev.conf.dropGratuitousArp) return;

  // Duplicate address detection: a question from nobody, who is no neighbour.
  if (sip === 0) {
    const asked = arpOp === ARPOP_REQUEST && stack.addressTypeBy(tip, dev) === RTN_LOCAL;
    if (asked && !ignores(stack, dev, sip, tip)) answer(stack, dev, packet);
    return;
  }
  if (arpOp === ARPOP_REQUEST) {
    // The question is routed like a packet from the asker: strict rp_filter silences ARP as well.
    const tape = stack.engine.tape;
    stack.engine.tape = null;
    const lookups = stack.routeLookups;
    const routed = routeInput(stack, packet, dev);
    stack.routeLookups = lookups;
    stack.engine.tape = tape;
    if (routed < 0) {
      if (packet.rtType === RTN_LOCAL && packet.rtInput === RT_LOCAL_DELIVER) {
        if (!ignores(stack, dev, sip, tip) && !(dev.conf.arpFilter && filtered(stack, dev, sip, tip))) {
          learn(stack, dev, packet);
          answer(stack, dev, packet);
        }
        return;
      }
      if (dev.conf.forwarding && packet.rtType === RTN_UNICAST && packet.rtDev >= 0) {
        const out = stack.net.devices[packet.rtDev] as NetDevice;
        const proxied =
          (out !== dev && dev.conf.proxyArp) ||
          // arp_fwd_pvlan: for others on the same device, who cannot hear each other
          (out === dev && dev.conf.proxyArpPvlan && sip !== tip) ||
          (out !== dev && stack.net.neighbours.isProxied(dev.ifindex, tip));
        if (proxied) {
          learn(stack, dev, packet);
          answer(stack, dev, packet);
          return;
        }
      }
    }
  }
  // What is known already is brought up to date; an answer nobody asked for teaches nothing unless arp_accept says so.
  const known = stack.state.neighbours.get(dev.ifindex, sip);
  const gratuitous = isGratuitous(stack, dev, packet);
  // Broadcast answers and questions do not say that the neighbour is there.
  const confirmed = arpOp === ARPOP_REPLY && packet.pktType === PACKET_HOST;
  if (known === ABSENT) {
    if (!accepts(dev, sip) || stack.net.neighbours.isPermanent(dev.ifindex, sip)) return;
    const told = gratuitous || (arpOp === ARPOP_REPLY && stack.addressTypeBy(sip, dev) === RTN_UNICAST);
    if (told) neighbourAnswered(stack, dev, 4, sip, sha, confirmed);
    return;
  }
  // An entry updated within the last second is locked: of several answers the first stands.
  if (
    known >= 0 &&
    known !== sha &&
    !gratuitous &&
    stack.now <= stack.state.neighbourUpdated.get(dev.ifindex, sip) + LOCKTIME_MS
  )
    return;
  // One that has failed is still in the table, and what is heard of it now is believed.
  neighbourAnswered(stack, dev, 4, sip, sha, confirmed);
}

/** `arp_is_garp`: somebody says of an address that is not this host's that it is theirs. */
function isGratuitous(stack: Stack, dev: NetDevice, { src, dst, arpOp, arpSha, arpTha }: Packet): boolean {
  if (src !== dst || (arpOp === ARPOP_REPLY && arpSha !== arpTha)) return false;
  return stack.addressTypeBy(src, dev) === RTN_UNICAST;
}

/** `arp_accept`. */
function accepts(dev: NetDevice, sip: number): boolean {
  if (dev.conf.arpAccept !== 2) return dev.conf.arpAccept === 1;
  return dev.addresses.some((entry) => ((sip ^ entry.prefixAddress) & entry.mask) === 0);
}

/** `neigh_event_ns`: who asks is known from now on. */
function learn(stack: Stack, dev: NetDevice, packet: Packet): void {
  if (stack.net.neighbours.isPermanent(dev.ifindex, packet.src)) return;
  neighbourAnswered(stack, dev, 4, packet.src, packet.arpSha, false);
}

function answer(stack: Stack, dev: NetDevice, question: Packet): void {
  const reply = stack.pool.take();
  reply.ethType = ETH_P_ARP;
  reply.framed = true;
  reply.ethSrc = dev.mac;
  reply.ethDst = question.arpSha === 0 ? MAC_BROADCAST : question.arpSha;
  reply.arpOp = ARPOP_REPLY;
  reply.arpSha = dev.mac;
  reply.arpTha = question.arpSha;
  reply.src = question.dst;
  reply.dst = question.src;
  reply.length = 28;
  arpXmit(stack, dev, reply);
}

/** `arp_ignore`: which questions stay without an answer. */
function ignores(stack: Stack, dev: NetDevice, sip: number, tip: number): boolean {
  switch (dev.conf.arpIgnore) {
    case 1:
      return !confirms(dev, 0, tip, RT_SCOPE_HOST);
    case 2:
      return !confirms(dev, sip, tip, RT_SCOPE_HOST);
    case 3:
      return !stack.net.devices.some((device) => confirms(device, 0, tip, RT_SCOPE_LINK));
    case 8:
      return true;
    default:
      return false;
  }
}

/**
 * `confirm_addr_indev`: has a device an address, of no narrower scope, and is it in the network that it is in there, and `peer`
 * (0: whoever) as well? An address that names its peer is in that one's network alone.
 */
function confirms(dev: NetDevice, peer: number, local: number, scope: number): boolean {
  const widest = dev.conf.routeLocalnet ? RT_SCOPE_LINK : RT_SCOPE_HOST;
  const isIn = (address: number, { prefixAddress, mask }: CompiledAddress): boolean =>
    ((address ^ prefixAddress) & mask) === 0;
  const has = dev.addresses.some(
    (entry) => entry.address === local && Math.min(entry.scope, widest) <= scope,
  );
  return has && dev.addresses.some((entry) => isIn(local, entry) && (peer === 0 || isIn(peer, entry)));
}

/** `arp_filter`: answer only where the way back to the asker leaves by this device. */
function filtered(stack: Stack, dev: NetDevice, sip: number, tip: number): boolean {
  const probe = stack.pool.take();
  probe.dst = sip;
  probe.src = tip;
  const tape = stack.engine.tape;
  stack.engine.tape = null;
  const lookups = stack.routeLookups;
  const error = routeOutput(stack, probe, 0, true, dev.vrf?.ifindex ?? 0);
  stack.routeLookups = lookups;
  stack.engine.tape = tape;
  const out = probe.rtDev;
  stack.pool.release(probe);
  return error !== 0 || out !== dev.slot;
}
