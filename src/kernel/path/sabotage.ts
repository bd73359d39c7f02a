import type { Packet } from "../../packet/packet.ts";

/**
 * `nf_bridge->sabotage_in_done`: has what br_netfilter ran through PREROUTING on the bridge passed by the host's own PREROUTING
 * once, as it does? A copy made on the bridge shares the answer with its packet (`skb_ext`): where one has, the other is run
 * through it again.
 */
export function isSabotaged({ nfBridgeSabotaged, nfBridgeShared }: Packet): boolean {
  return nfBridgeShared?.sabotaged ?? nfBridgeSabotaged;
}

export function sabotage(packet: Packet): void {
  packet.nfBridgeSabotaged = true;
  if (packet.nfBridgeShared !== null) packet.nfBridgeShared.sabotaged = true;
}

/** A packet and its copy know the same of the bridge from here on. */
export function shareBridge(packet: Packet, copy: Packet): void {
  if (!packet.nfBridge) return;
  packet.nfBridgeShared ??= { sabotaged: packet.nfBridgeSabotaged };
  copy.nfBridgeShared = packet.nfBridgeShared;
}
