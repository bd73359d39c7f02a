import { isGroupMac } from "../../address/mac.ts";
import type { Packet } from "../../packet/packet.ts";
import { fdbKey } from "../device/vlan-filter.ts";
import type { CompiledOvsBridge, CompiledOvsPort } from "../ovs/compile-bridge.ts";
import { OFPP_LOCAL } from "../ovs/open-vswitch.ts";
import { ABSENT } from "../session/pair-map.ts";
import type { Stack } from "../stack.ts";

/** The action NORMAL (`xlate_normal`): a bridge as a switch that learns, with the VLANs of its ports. Runs per packet. */

/** A port, and the VLAN that the frame bears on it; 0 untagged. */
export interface NormalOutput {
  readonly to: CompiledOvsPort;
  readonly vlan: number;
}

/** Where a frame goes; null: its VLAN may not come in by the port. */
export function normalOutputs(stack: Stack, from: CompiledOvsPort, packet: Packet): NormalOutput[] | null {
  const vlan = vlanIn(from, packet);
  if (vlan < 0) return null;
  const { bridge } = from;
  const known = isGroupMac(packet.ethDst)
    ? ABSENT
    : stack.state.learned.get(tableKey(bridge, vlan), packet.ethDst, stack.now - MAC_AGING_MS);
  const found = known === ABSENT ? undefined : bridge.ports[known];
  const tos = found === undefined ? bridge.ports : [found];
  return tos
    .filter((to) => !(to.plain.protected && from.plain.protected))
    .filter((to) => to !== from && carries(to, vlan) && (found !== undefined || to.plain.flood))
    .map((to) => ({ to, vlan: to.plain.tag === null ? vlan : 0 }));
}

/** `other-config:mac-aging-time`, where nothing is said: 300 s. */
const MAC_AGING_MS = 300_000;

/** `update_learning_table`. */
export function learnOvs(stack: Stack, from: CompiledOvsPort, packet: Packet): void {
  const vlan = vlanIn(from, packet);
  if (vlan < 0 || isGroupMac(packet.ethSrc)) return;
  const at = from.bridge.ports.indexOf(from);
  const key = tableKey(from.bridge, vlan);
  stack.state.learned.set(key, packet.ethSrc, at, stack.now);
}

/** `input_vid_to_vlan`; -1: the frame may not come in. */
function vlanIn({ plain: { tag, trunks } }: CompiledOvsPort, packet: Packet): number {
  if (tag !== null) return packet.vlan === 0 ? tag : -1;
  return trunks.length === 0 || trunks.includes(packet.vlan) ? packet.vlan : -1;
}

/** `xbundle_includes_vlan`. */
function carries({ plain: { tag, trunks } }: CompiledOvsPort, vlan: number): boolean {
  if (tag !== null) return tag === vlan;
  return trunks.length === 0 || trunks.includes(vlan);
}

/** Far from the indexes of devices: a bridge whose own device the dump lacks has a table as well. */
const WITHOUT_DEVICE = 0x4_0000;

function tableKey(bridge: CompiledOvsBridge, vlan: number): number {
  const local = bridge.byNumber.get(OFPP_LOCAL)?.device ?? null;
  return fdbKey(local?.ifindex ?? WITHOUT_DEVICE + bridge.index, vlan);
}
