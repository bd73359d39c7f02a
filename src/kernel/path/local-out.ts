import { hashOf } from "../../packet/flow-hash.ts";
import { ETH_P_IP, ETH_P_IPV6, INNER_QUOTED, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { EPERM } from "../errno.ts";
import { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_OUT } from "../netfilter/hook.ts";
import { nfHook } from "../netfilter/hooks.ts";
import type { Stack } from "../stack.ts";
import { ipOutput } from "./ip-output.ts";
import { vrfOut } from "./vrf.ts";

/**
 * `ip_local_out`: a routed packet made on this host goes through OUTPUT and on its way. Takes the packet over.
 *
 * @returns 0, or the errno (EPERM, mostly) when OUTPUT dropped it, which the sender of a datagram sees at once
 */
export function localOut(stack: Stack, packet: Packet): number {
  packet.ethType = packet.family === 6 ? ETH_P_IPV6 : ETH_P_IP;
  // `ip6_make_flowlabel`: for its label a packet is hashed as it is sent, whole and untranslated.
  if (packet.family === 6 && packet.encapsulation <= INNER_QUOTED) hashOf(packet);
  const { vrf, kind } = stack.net.devices[packet.rtDev] as NetDevice;
  if (vrf !== null && kind !== "vrf" && !vrfOut(stack, vrf, packet)) return 0;
  return localOutHook(stack, packet);
}

/** OUTPUT and what follows. Takes the packet over. */
export function localOutHook(stack: Stack, packet: Packet): number {
  const out = stack.net.devices[packet.rtDev] as NetDevice;
  stack.dropErrno = 0;
  const verdict = nfHook(stack, NF_INET_LOCAL_OUT, packet, 0, out.ifindex);
  if (verdict !== NF_ACCEPT) {
    if (verdict !== NF_DROP) return 0;
    stack.pool.release(packet);
    return stack.dropErrno === 0 ? EPERM : stack.dropErrno;
  }
  return ipOutput(stack, packet);
}
