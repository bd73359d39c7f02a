import { IP6_ANY, type Ip6 } from "../../address/ip6-handle.ts";
import type { Mac } from "../../address/mac.ts";
import * as MAC from "../../address/mac.ts";
import * as PACKET from "../../packet/packet.ts";
import { deviceKey, type Packet } from "../../packet/packet.ts";
import { ALL_NODES } from "../device/joined-groups.ts";
import type { NetDevice } from "../device/net-device.ts";
import { arpXmit } from "../neighbour/arp-xmit.ts";
import { addressOn, messageTo } from "../neighbour/ndisc-send.ts";
import * as NEIGHBOUR from "../neighbour/neighbour.ts";
import { nudState } from "../neighbour/nud-state.ts";
import { multicastMac } from "../neighbour/output.ts";
import { isLoopback, isMulticast } from "../route/output-route.ts";
import * as PAIR_MAP from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { MAC_ZERO } = MAC;
const {
  ARPOP_REPLY,
  ARPOP_REQUEST,
  ETH_P_ARP,
  IPPROTO_ICMPV6,
  ND_OVERRIDE,
  ND_SOLICITED,
  NDISC_NEIGHBOUR_ADVERTISEMENT,
  NDISC_NEIGHBOUR_SOLICITATION,
} = PACKET;
const { NUD_VALID } = NEIGHBOUR;
const { ABSENT } = PAIR_MAP;

/**
 * A bridge answers questions for those whom its host knows, in their place (net/bridge/br_arp_nd_proxy.c), and keeps questions
 * from ports that have `neigh_suppress`: the way of overlays, whose agents write the neighbours. Runs per packet.
 */

/** Who is behind a MAC: a port, the bridge itself, or null where the bridge does not know. */
export type FindPort = (mac: Mac, vlan: number) => NetDevice | null;

/** `br_is_neigh_suppress_enabled`. */
export function suppresses(port: NetDevice | null): boolean {
  return port?.neighSuppress === true;
}

/** BROPT_NEIGH_SUPPRESS_ENABLED: a port of the bridge has it. */
function isEnabled({ ports }: NetDevice): boolean {
  return ports.some((port) => port.neighSuppress || port.neighVlanSuppress);
}

/**
 * `br_do_proxy_suppress_arp`, `br_do_suppress_nd`: a question, or what says itself who is there, comes into a bridge.
 *
 * @param from the port it came in by, null: of the host itself
 * @param vlan that it is in, 0 of a bridge that does not filter
 * @returns is it kept from the ports that suppress (`proxyarp_replied`)?
 */
export function suppressed(
  stack: Stack,
  bridge: NetDevice,
  from: NetDevice | null,
  packet: Packet,
  vlan: number,
  find: FindPort,
): boolean {
  const enabled = isEnabled(bridge);
  if (packet.ethType === ETH_P_ARP) {
    if (!enabled && (from === null || !bridge.ports.some((port) => port.proxyArp || port.proxyArpWifi)))
      return false;
    return suppressedArp(stack, bridge, from, packet, vlan, find, enabled);
  }
  return enabled && isNeighMessage(packet) && suppressedNd(stack, bridge, from, packet, vlan, find);
}

/** `br_is_nd_neigh_msg`. */
function isNeighMessage({ family, protocol, icmpType, extensions }: Packet): boolean {
  if (family !== 6 || protocol !== IPPROTO_ICMPV6 || extensions.length > 0) return false;
  return icmpType === NDISC_NEIGHBOUR_SOLICITATION || icmpType === NDISC_NEIGHBOUR_ADVERTISEMENT;
}

function suppressedArp(
  stack: Stack,
  bridge: NetDevice,
  from: NetDevice | null,
  packet: Packet,
  vlan: number,
  find: FindPort,
  enabled: boolean,
): boolean {
  const { src: sip, dst: tip, arpSha: sha } = packet;
  if (bridge.noArp || isLoopback(tip) || isMulticast(tip)) return false;
  if (enabled) {
    if (suppresses(from)) return false;
    // Who says of himself that he is there.
    if (sip === tip) return true;
  }
  if (packet.arpOp !== ARPOP_REQUEST) return false;
  const dev = deviceOfVlan(stack, bridge, vlan);
  if (dev === null) return false;
  if (enabled && isHosts(stack, dev, (on) => on.addresses.some(({ address }) => address === tip)))
    return true;
  const mac = validMac(stack, dev, 4, tip);
  const port = mac === null ? null : find(mac, vlan);
  if (mac === null || port === null) return false;
  const answers = from?.proxyArp || port.proxyArpWifi || suppresses(port);
  if (answers && from !== null && !from.noArp) {
    const reply = stack.pool.take();
    reply.ethType = ETH_P_ARP;
    reply.arpOp = ARPOP_REPLY;
    reply.arpSha = mac;
    reply.arpTha = sha;
    reply.src = tip;
    reply.dst = sip;
    reply.length = 28;
    frame(reply, from, mac, sha, vlan);
    arpXmit(stack, from, reply);
  }
  return answers || enabled;
}

function suppressedNd(
  stack: Stack,
  bridge: NetDevice,
  from: NetDevice | null,
  packet: Packet,
  vlan: number,
  find: FindPort,
): boolean {
  const { src, dst, icmpType, ndFlags, ndTarget: target } = packet;
  if (suppresses(from)) return false;
  if (icmpType === NDISC_NEIGHBOUR_ADVERTISEMENT) return (ndFlags & ND_SOLICITED) === 0;
  if (src === dst) return true;
  const dev = deviceOfVlan(stack, bridge, vlan);
  if (dev === null) return false;
  if (isHosts(stack, dev, (on) => addressOn(on, target) !== null)) return true;
  const mac = validMac(stack, dev, 6, target);
  const port = mac === null ? null : find(mac, vlan);
  if (mac === null || port === null) return false;
  if (suppresses(port) && from !== null) advertise(stack, from, packet, mac, vlan);
  return true;
}

/** `br_nd_send`: past OUTPUT and all that a packet of the host's own meets. */
function advertise(stack: Stack, port: NetDevice, question: Packet, mac: Mac, vlan: number): void {
  const { src, ndTarget, ndLladdr, ethSrc, tos } = question;
  const nobody = src === IP6_ANY;
  const to: Ip6 = nobody ? ALL_NODES : src;
  const reply = messageTo(stack, to, mac);
  reply.icmpType = NDISC_NEIGHBOUR_ADVERTISEMENT;
  reply.src = ndTarget;
  reply.tos = tos & 0xf0;
  reply.ndTarget = ndTarget;
  reply.ndFlags = nobody ? ND_OVERRIDE : ND_OVERRIDE | ND_SOLICITED;
  const asker = ndLladdr === MAC_ZERO ? ethSrc : ndLladdr;
  frame(reply, port, mac, nobody ? multicastMac(6, to) : asker, vlan);
  stack.path.transmit(stack, port, reply);
}

function frame(reply: Packet, port: NetDevice, from: Mac, to: Mac, vlan: number): void {
  reply.framed = true;
  reply.ethSrc = from;
  reply.ethDst = to;
  reply.vlan = port.vlans?.pvid === vlan ? 0 : vlan;
}

/** `__vlan_find_dev_deep_rcu`: the bridge itself, or its VLAN device of the tag. */
function deviceOfVlan({ net }: Stack, bridge: NetDevice, vlan: number): NetDevice | null {
  if (vlan === 0) return bridge;
  return net.devices.find((dev) => dev.vlanId === vlan && isOver(dev, bridge)) ?? null;
}

/** Does one device sit on another of its host? */
function isOver({ plain, vrf }: NetDevice, lower: NetDevice): boolean {
  const { detail } = plain;
  if ("lower" in detail && detail.lower?.host === null && detail.lower.device === lower.name) return true;
  return vrf !== null && vrf.plain === plain && lower.vrf === vrf && vrf !== lower;
}

/** `br_is_local_ip`, `br_is_local_ip6`: an address of the device, or of one above it. */
function isHosts(stack: Stack, dev: NetDevice, has: (dev: NetDevice) => boolean): boolean {
  if (has(dev)) return true;
  return stack.net.devices.some((upper) => upper !== dev && isOver(upper, dev) && isHosts(stack, upper, has));
}

/** A neighbour's MAC where it is valid (NUD_VALID), null else. */
function validMac(stack: Stack, dev: NetDevice, family: number, address: number): Mac | null {
  if ((nudState(stack, dev, family, address) & NUD_VALID) === 0) return null;
  const key = deviceKey(family, dev.ifindex);
  const learned = stack.state.neighbours.get(key, address);
  const mac = learned === ABSENT ? stack.net.neighbours.mac(key, address) : learned;
  return mac >= 0 ? mac : null;
}
