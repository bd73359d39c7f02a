import { formatIpv4, type Ipv4 } from "../../address/ipv4.ts";
import { firstOf, type Prefix4, sizeOf } from "../../address/prefix.ts";
import type { CalicoPool } from "./network.ts";

/** A node takes no more blocks than this of itself (`maxBlocksPerHost`); then it borrows single addresses. */
export const MOST_BLOCKS = 20;

/** Who has which blocks of the pools: the affinities of a datastore, while addresses are being given out. */
export class CalicoBlocks {
  /** By the block's first address. */
  readonly #owners = new Map<Ipv4, string>();
  readonly #byNode = new Map<string, Prefix4[]>();

  claim(block: Prefix4, node: string): void {
    this.#owners.set(firstOf(block), node);
    const own = this.#byNode.get(node);
    if (own === undefined) this.#byNode.set(node, [block]);
    else own.push(block);
  }

  ownerOf(block: Prefix4): string | undefined {
    return this.#owners.get(firstOf(block));
  }

  /** In the order in which the node took them. */
  blocksOf(node: string): readonly Prefix4[] {
    return this.#byNode.get(node) ?? [];
  }

  /** All blocks that somebody has, with their nodes. */
  *all(): Iterable<{ readonly node: string; readonly block: Prefix4 }> {
    for (const [node, blocks] of this.#byNode) for (const block of blocks) yield { node, block };
  }

  /**
   * A block of a pool that nobody has, for a node: the search begins where a hash of the node's name says, so that nodes
   * that start together do not want the same one (`randomBlockGenerator`, whose numbers are Go's and not these).
   *
   * @returns undefined when the pool is used up, or the node has all that it may
   */
  free(pool: CalicoPool, node: string): Prefix4 | undefined {
    if (this.blocksOf(node).length >= MOST_BLOCKS || pool.blockSize < pool.cidr.length) return undefined;
    const count = 2 ** (pool.blockSize - pool.cidr.length);
    const size = 2 ** (32 - pool.blockSize);
    const start = fnv32(node) % count;
    for (let i = 0; i < count; i++) {
      const address = (firstOf(pool.cidr) + ((start + i) % count) * size) | 0;
      if (!this.#owners.has(address)) return { address, length: pool.blockSize };
    }
    return undefined;
  }
}

/** The addresses of a block in the order in which a new one gives them. */
export function* addressesOf(block: Prefix4): Iterable<Ipv4> {
  const first = firstOf(block);
  for (let i = 0; i < sizeOf(block); i++) yield (first + i) | 0;
}

/** `10-244-166-128-26`, as the datastore names what belongs to a block. */
export function blockName({ address, length }: Prefix4): string {
  return `${formatIpv4(address).replaceAll(".", "-")}-${length}`;
}

/** FNV-1 of 32 bits, as Go's `hash/fnv` has it. */
function fnv32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = (Math.imul(h, 0x01000193) ^ text.charCodeAt(i)) >>> 0;
  return h;
}
