import { INNER_GENEVE, INNER_VXLAN, type Packet } from "../../packet/packet.ts";
import type { CompiledOvsPort, OvsTunnel } from "../ovs/compile-bridge.ts";
import * as F from "../ovs/field.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { takeOut } from "./encapsulation.ts";
import { classifyFrame, recordIn } from "./frame.ts";
import { ovsReceive } from "./ovs.ts";

/** Frames that come in by tunnels of Open vSwitch. Runs per packet. */

const NO_PORT = reason("ovs-no-port");

/**
 * What a UDP port that tunnels of Open vSwitch listen on received. Takes the packet over.
 *
 * @returns false when none listens on the port; the packet is the caller's then
 */
export function ovsTunnelReceive(stack: Stack, outer: Packet): boolean {
  let found: CompiledOvsPort | null = null;
  let best = -1;
  let listening = false;
  for (const port of stack.net.ovsTunnels) {
    const tunnel = port.tunnel as OvsTunnel;
    if (tunnel.port !== outer.dport) continue;
    listening = true;
    const rank = rankOf(tunnel, outer);
    if (rank > best) {
      best = rank;
      found = port;
    }
  }
  if (!listening) return false;
  const inner = outer.inner;
  if (found === null || inner === null) {
    stack.kill(outer, NO_PORT);
    return true;
  }
  const memory = new Int32Array(F.MEMORY_WORDS);
  memory[F.AT_TUN_ID + 1] = outer.vni;
  memory[F.AT_TUN_TOS] = outer.tos;
  memory[F.AT_TUN_TTL] = outer.ttl;
  if (outer.family === 4) {
    memory[F.AT_TUN_SRC] = outer.src;
    memory[F.AT_TUN_DST] = outer.dst;
  }
  takeOut(stack, inner, outer);
  const device = found.tunnel?.device ?? null;
  if (device !== null) {
    classifyFrame(device, inner);
    inner.dev = device.ifindex;
    recordIn(stack, device, inner);
  }
  ovsReceive(stack, found, inner, memory);
  return true;
}

/** `tnl_find`: the port that says most of the packet: its key, then its sender, then its receiver. -1: it is for others. */
function rankOf({ type, family, remote, local, inKey: key }: OvsTunnel, outer: Packet): number {
  const encapsulation = type === "vxlan" ? INNER_VXLAN : INNER_GENEVE;
  if (outer.encapsulation !== encapsulation) return -1;
  if (key !== -1 && key !== outer.vni) return -1;
  if (remote !== -1 && (family !== outer.family || remote !== outer.src)) return -1;
  if (local !== 0 && local !== -1 && local !== outer.dst) return -1;
  return (key === -1 ? 0 : 8) + (remote === -1 ? 0 : 4) + (local === -1 ? 0 : local === 0 ? 1 : 2);
}
