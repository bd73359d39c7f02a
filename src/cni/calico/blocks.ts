import type { Family } from "../../address/ip.ts";
import { bitsOf, formatIp, formatIpNet, type Ip, type IpNet, networkOf, plus } from "../ip.ts";
import type { CalicoPool } from "./network.ts";

/** A node takes no more blocks of a family than this of itself (`maxBlocksPerHost`); then it borrows single addresses. */
export const MOST_BLOCKS = 20;

/** Who has which blocks of the pools: the affinities of a datastore, while addresses are being given out. */
export class CalicoBlocks {
  readonly #owners = new Map<string, string>();
  readonly #byNode = new Map<string, IpNet[]>();
  readonly #mostBlocks: number;

  constructor(mostBlocks: number = MOST_BLOCKS) {
    this.#mostBlocks = mostBlocks;
  }

  claim(block: IpNet, node: string): void {
    const key = formatIpNet(networkOf(block));
    if (this.#owners.get(key) === node) return;
    this.#owners.set(key, node);
    const own = this.#byNode.get(node);
    if (own === undefined) this.#byNode.set(node, [block]);
    else own.push(block);
  }

  ownerOf(block: IpNet): string | undefined {
    return this.#owners.get(formatIpNet(networkOf(block)));
  }

  /** Of a family, in the order in which the node took them. */
  blocksOf(node: string, family: Family): readonly IpNet[] {
    return (this.#byNode.get(node) ?? []).filter(({ ip }) => ip.family === family);
  }

  /** All blocks of a family that somebody has, with their nodes. */
  *all(family: Family): Iterable<{ readonly node: string; readonly block: IpNet }> {
    for (const node of this.#byNode.keys())
      for (const block of this.blocksOf(node, family)) yield { node, block };
  }

  /**
   * A block of a pool that nobody has, for a node: the search begins where a hash of the node's name says, so that nodes
   * that start together do not want the same one (`randomBlockGenerator`, whose numbers are Go's and not these).
   *
   * @returns undefined when the pool is used up, or the node has all that it may
   */
  free({ cidr, blockSize }: CalicoPool, node: string): IpNet | undefined {
    const { ip, length } = networkOf(cidr);
    if (this.blocksOf(node, ip.family).length >= this.#mostBlocks || blockSize < length) return undefined;
    const count = 1n << BigInt(blockSize - length);
    const size = 1n << BigInt(bitsOf(ip.family) - blockSize);
    const start = BigInt(fnv32(node)) % count;
    for (let i = 0n; i < count; i++) {
      const block = { ip: plus(ip, ((start + i) % count) * size), length: blockSize };
      if (!this.#owners.has(formatIpNet(block))) return block;
    }
    return undefined;
  }
}

/** The addresses of a block in the order in which a new one gives them. */
export function* addressesOf(block: IpNet): Iterable<Ip> {
  const { ip } = networkOf(block);
  const size = 1n << BigInt(bitsOf(ip.family) - block.length);
  for (let i = 0n; i < size; i++) yield plus(ip, i);
}

/** `10-244-166-128-26`, as the datastore names what belongs to a block (`CIDRToName`). */
export function blockName({ ip, length }: IpNet): string {
  return `${formatIp(ip).replaceAll(/[.:]/g, "-")}-${length}`;
}

/** FNV-1 of 32 bits, as Go's `hash/fnv` has it. */
function fnv32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = (Math.imul(h, 0x01000193) ^ text.charCodeAt(i)) >>> 0;
  return h;
}
