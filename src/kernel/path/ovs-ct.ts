import { word6 } from "../../address/ip6-handle.ts";
import { ETH_P_IP, ETH_P_IPV6, isIcmp, type Packet } from "../../packet/packet.ts";
import { conntrackConfirm, conntrackIn } from "../conntrack/conntrack-in.ts";
import {
  CT_NONE,
  ctInfoDirection,
  IP_CT_ESTABLISHED,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_NEW,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
  IPS_CONFIRMED,
  IPS_DST_NAT,
  IPS_NAT_MASK,
  IPS_SRC_NAT,
} from "../conntrack/status.ts";
import { zoneId, zoneOf } from "../conntrack/zone.ts";
import { type Manip, NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } from "../nat/manip.ts";
import { natPacket } from "../nat/manip-packet.ts";
import { natInitialized, natNullBinding, natSetup } from "../nat/nat.ts";
import { translateIcmpError } from "../nat/nat-hook.ts";
import type { NatRange } from "../nat/range.ts";
import { NF_ACCEPT } from "../netfilter/hook.ts";
import type { OvsCt, OvsNat } from "../ovs/compile-actions.ts";
import * as F from "../ovs/field.ts";
import { CS_DNAT, CS_EST, CS_INV, CS_NEW, CS_REL, CS_RPL, CS_SNAT, CS_TRK } from "../ovs/field-value.ts";
import type { OvsKey } from "../ovs/packet-field.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";

/** The action `ct` (net/openvswitch/conntrack.c): the host's own connection tracking, in a zone. Runs per packet. */

const NAT_ICMP = reason("nat-icmp");

/** `flow_clear_conntrack`. */
export function clearOvsConntrack({ memory }: OvsKey): void {
  memory.fill(0, F.AT_CT_STATE, F.AT_CONJ_ID);
  memory.fill(0, F.AT_CT_SRC, F.AT_CT_DPORT + 1);
}

/**
 * `ovs_ct_execute`.
 *
 * @param exec does what the action does to the connection's mark and label, in the key
 * @returns false: the packet was dropped, and a reason noted; it is the caller's to give back
 */
export function ovsConntrack(
  stack: Stack,
  key: OvsKey,
  action: OvsCt,
  zone: number,
  exec: () => void,
): boolean {
  const { packet } = key;
  if (packet.ethType !== ETH_P_IP && packet.ethType !== ETH_P_IPV6) return true;
  if (packet.isFragment)
    stack.engine.unmodelled.add("fragments in ct() of Open vSwitch, which puts them together first");
  const before = key.memory[F.AT_CT_STATE] as number;
  if (!isCached(stack, packet, zone, action)) {
    packet.ct = CT_NONE;
    packet.ctInfo = 0;
    packet.ctTemplate = zoneOf(zone, "both");
    if (conntrackIn(stack, packet) !== NF_ACCEPT) return false;
    updateKey(stack, key, zone, 0);
  } else updateKey(stack, key, zone, before & (CS_SNAT | CS_DNAT));
  const table = stack.conntrack;
  if (packet.ct < 0) return true;
  const state = key.memory[F.AT_CT_STATE] as number;
  const isConfirmed = (table.status(packet.ct) & IPS_CONFIRMED) !== 0;
  if (action.nat !== null && (state & (CS_SNAT | CS_DNAT)) === 0 && (isConfirmed || action.commit)) {
    if (!translate(stack, key, action.nat, action.commit)) return false;
  }
  if (!action.commit) return true;
  exec();
  table.setMark(packet.ct, key.memory[F.AT_CT_MARK] as number);
  for (let i = 0; i < 4; i++) {
    const label = key.memory[F.AT_CT_LABEL + 3 - i] as number;
    if (table.extensions.labels(packet.ct, i) !== label) table.extensions.setLabels(packet.ct, i, label);
  }
  return conntrackConfirm(stack, packet) === NF_ACCEPT;
}

/** `skb_nfct_cached`: it was tracked in this zone before; `force` wants it to be the first of its connection. */
function isCached(stack: Stack, packet: Packet, zone: number, { force }: OvsCt): boolean {
  if (packet.ct < 0) return false;
  const table = stack.conntrack;
  if (zoneId(table.zone(packet.ct), 0) !== zone) return false;
  if (!force || ctInfoDirection(packet.ctInfo) === 0) return true;
  if ((table.status(packet.ct) & IPS_CONFIRMED) !== 0) table.remove(packet.ct);
  return false;
}

/** `ovs_ct_update_key`. */
function updateKey(stack: Stack, key: OvsKey, zone: number, nat: number): void {
  clearOvsConntrack(key);
  const { packet, memory } = key;
  memory[F.AT_CT_ZONE] = zone;
  const { ct } = packet;
  if (ct < 0) {
    memory[F.AT_CT_STATE] = CS_TRK | CS_INV;
    return;
  }
  const table = stack.conntrack;
  const isNew = (table.status(ct) & IPS_CONFIRMED) === 0;
  memory[F.AT_CT_STATE] = CS_TRK | (STATES[packet.ctInfo] ?? 0) | (isNew ? CS_NEW : 0) | nat;
  memory[F.AT_CT_MARK] = table.mark(ct);
  for (let i = 0; i < 4; i++) memory[F.AT_CT_LABEL + 3 - i] = table.extensions.labels(ct, i);
  memory[F.AT_CT_PROTO] = table.proto(ct);
  memory[F.AT_CT_SPORT] = table.origSport(ct);
  memory[F.AT_CT_DPORT] = table.origDport(ct);
  if (table.family(ct) === 4) {
    memory[F.AT_CT_SRC] = table.origSrc(ct);
    memory[F.AT_CT_DST] = table.origDst(ct);
    return;
  }
  for (let i = 0; i < 4; i++) {
    memory[F.AT_CT6_SRC + i] = word6(table.origSrc(ct), i);
    memory[F.AT_CT6_DST + i] = word6(table.origDst(ct), i);
  }
}

/** `ovs_ct_get_state`, by `IP_CT_*`. */
const STATES: Readonly<Record<number, number>> = {
  [IP_CT_ESTABLISHED]: CS_EST,
  [IP_CT_ESTABLISHED_REPLY]: CS_EST | CS_RPL,
  [IP_CT_RELATED]: CS_REL,
  [IP_CT_RELATED_REPLY]: CS_REL | CS_RPL,
  [IP_CT_NEW]: CS_NEW,
};

/** `ovs_ct_nat`: as the connection is translated already, or as the action says. */
function translate(stack: Stack, key: OvsKey, nat: OvsNat, commit: boolean): boolean {
  const { packet } = key;
  const table = stack.conntrack;
  const info = packet.ctInfo;
  const status = table.status(packet.ct);
  const reply = ctInfoDirection(info) === 1;
  let manip: Manip;
  if (info !== IP_CT_NEW && (status & IPS_NAT_MASK) !== 0 && (info !== IP_CT_RELATED || commit)) {
    const source = (status & IPS_SRC_NAT) !== 0;
    manip = source !== reply ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
  } else if (nat.way === null) return true;
  else manip = nat.way === "src" ? NF_NAT_MANIP_SRC : NF_NAT_MANIP_DST;
  const { range } = nat;
  if (!execute(stack, key, range, manip)) return false;
  if ((table.status(packet.ct) & IPS_DST_NAT) === 0) return true;
  if ((table.status(packet.ct) & IPS_SRC_NAT) !== 0) {
    const other = manip === NF_NAT_MANIP_SRC ? NF_NAT_MANIP_DST : NF_NAT_MANIP_SRC;
    return execute(stack, key, range, other);
  }
  return reply || execute(stack, key, null, NF_NAT_MANIP_SRC);
}

/** `ovs_ct_nat_execute`. */
function execute(stack: Stack, { packet, memory }: OvsKey, range: NatRange | null, manip: Manip): boolean {
  const { ct, ctInfo } = packet;
  const related = ctInfo === IP_CT_RELATED || ctInfo === IP_CT_RELATED_REPLY;
  if (related && isIcmp(packet)) {
    if (translateIcmpError(stack, packet, manip)) return true;
    stack.drop(packet, NAT_ICMP);
    return false;
  }
  if ((related || ctInfo === IP_CT_NEW) && !natInitialized(stack.conntrack, ct, manip)) {
    if (range === null) natNullBinding(stack, ct, manip);
    else natSetup(stack, ct, range, manip);
  }
  if (natPacket(stack, packet, manip) !== NF_ACCEPT) return false;
  memory[F.AT_CT_STATE] =
    (memory[F.AT_CT_STATE] as number) | (manip === NF_NAT_MANIP_SRC ? CS_SNAT : CS_DNAT);
  return true;
}
