import { ETH_P_ARP, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { NF_ACCEPT, NF_INET_INGRESS, type NfVerdict } from "../netfilter/hook.ts";
import type { Stack } from "../stack.ts";
import type { CompiledNft } from "./compile/nft-table.ts";
import { nftDoChain } from "./do-chain.ts";

/** A base chain at a device's ingress: of a table of family netdev, or inet. */
export interface IngressChain {
  readonly priority: number;
  readonly run: (stack: Stack, packet: Packet) => NfVerdict;
}

/** The chains that frames coming in by a device meet before anything else, in the order they run. */
export function ingressChains(nft: CompiledNft, device: string): readonly IngressChain[] {
  const found: IngressChain[] = [];
  for (const table of nft.tables) {
    const { family, flags } = table.plain;
    if ((family !== "netdev" && family !== "inet") || flags.includes("dormant")) continue;
    for (const [place, { plain }] of table.chains.entries()) {
      if (plain.base?.hook !== "ingress" || !plain.base.devices.includes(device)) continue;
      found.push({
        priority: plain.base.priority,
        run: (stack, packet) => nftDoChain(stack, table, place, NF_INET_INGRESS, packet),
      });
    }
  }
  // What is registered last comes first among equals.
  return found.reverse().sort((a, b) => a.priority - b.priority);
}

/** `nf_hook_ingress`: run a frame through a device's chains, its link-layer header still before it. Runs per packet. */
export function nftIngress(stack: Stack, dev: NetDevice, packet: Packet): NfVerdict {
  const { hook, inIf, outIf, inName, outName } = stack;
  stack.hook = NF_INET_INGRESS;
  stack.inIf = dev.ifindex;
  stack.inName = dev.nameId;
  stack.outIf = 0;
  stack.outName = -1;
  if (packet.ethType !== ETH_P_ARP) stack.tape?.hook(stack.host, NF_INET_INGRESS, dev.ifindex, 0, packet);
  let verdict: NfVerdict = NF_ACCEPT;
  const chains = dev.ingress;
  for (let i = 0; i < chains.length && verdict === NF_ACCEPT; i++) {
    verdict = (chains[i] as IngressChain).run(stack, packet);
  }
  stack.hook = hook;
  stack.inIf = inIf;
  stack.outIf = outIf;
  stack.inName = inName;
  stack.outName = outName;
  return verdict;
}
