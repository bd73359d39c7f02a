import type { Packet } from "../../../packet/packet.ts";
import { NF_NETDEV_EGRESS } from "../../netfilter/hook.ts";
import type { Stack } from "../../stack.ts";
import type { HostNftSets } from "../host-nft-sets.ts";
import type { CompiledNftTable } from "./nft-table.ts";

const ETH_HLEN = 14;
/** Words of the longest key beside the longest value. */
const REGISTERS = 64;

/**
 * A packet on its way through a chain of one host: what rules read and write (`struct nft_regs`, `struct nft_pktinfo`).
 * One for each host, set anew by `nftDoChain`; a way that begins inside another (a rejection's) comes back only to the
 * outer one's end. Runs per packet.
 */
export class NftRun {
  readonly regs = new Int32Array(REGISTERS);
  readonly sets: HostNftSets;
  readonly stack: Stack;
  packet: Packet;
  table: CompiledNftTable | null = null;
  hook = 0;
  /** Symbol of the chain that the last jump or goto names. */
  target = -1;
  /** A load has read bits that are not known: set back by who asks. */
  unsure = false;

  /** `skb->len`: at a device's egress the link-layer header is part of it. Runs per packet. */
  get length(): number {
    const { length, framed } = this.packet;
    return this.hook === NF_NETDEV_EGRESS && framed ? length + ETH_HLEN : length;
  }

  constructor(stack: Stack, sets: HostNftSets, packet: Packet) {
    this.stack = stack;
    this.sets = sets;
    this.packet = packet;
  }
}
