import type { Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { NF_ACCEPT, NF_ARP_IN, NF_ARP_OUT } from "../netfilter/hook.ts";
import { nftFrame } from "../nft/frame-hooks.ts";
import type { Stack } from "../stack.ts";

/** `arp_xmit`: nftables' chains of family arp, then out by the device. Takes the packet over. */
export function arpXmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  const chains = stack.net.arpChains;
  if (chains !== null && nftFrame(stack, NF_ARP_OUT, chains.output, packet, null, dev) !== NF_ACCEPT) {
    stack.pool.release(packet);
    return;
  }
  stack.path.transmit(stack, dev, packet);
}

/** Do the same chains let ARP in? */
export function admitsArp(stack: Stack, dev: NetDevice, packet: Packet): boolean {
  const chains = stack.net.arpChains;
  return chains === null || nftFrame(stack, NF_ARP_IN, chains.input, packet, dev, null) === NF_ACCEPT;
}
