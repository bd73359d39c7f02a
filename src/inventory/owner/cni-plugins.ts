import type { Table } from "../../kernel/netfilter/rule.ts";
import type { Owner } from "../../world/world.ts";
import { chainAfter, commentsOf, type NameSource } from "./placed-rule.ts";

const NETWORK_AND_ID = /name: "([^"]*)" id: "([^"]*)"/;

/**
 * The reference CNI plugins: chains `CNI-…` (masquerading), `CNI-DN-…` (portmap) and their jumps bear the network's name and
 * the container's id in comments; a chain without comments of its own belongs to the container whose rule jumps to it.
 */
export class CniChains {
  readonly #chains = new Map<string, Owner>();

  constructor(tables: Iterable<Table>) {
    for (const { chains } of tables) {
      for (const { name, rules } of chains.values()) {
        for (const rule of rules) {
          const owner = inComments(commentsOf(rule));
          const next = chainAfter(rule);
          if (owner === undefined) continue;
          if (isOfOne(name)) this.#chains.set(name, owner);
          if (next !== undefined && isOfOne(next)) this.#chains.set(next, owner);
        }
      }
    }
  }

  readonly ownerOf: NameSource = ({ chain, rule }) => {
    const next = chainAfter(rule) ?? "";
    const owner = inComments(commentsOf(rule)) ?? this.#chains.get(chain) ?? this.#chains.get(next);
    if (owner !== undefined) return owner;
    const isOurs = [chain, next].some((name) => name.startsWith("CNI-"));
    if (!isOurs) return undefined;
    const name = [chain, next].some((each) => each.startsWith("CNI-HOSTPORT")) ? "portmap" : "cni";
    return { kind: "Agent", name, inferred: true };
  };
}

/** `CNI-` and a hash, or `CNI-DN-` and one: not the chains that all containers share. */
function isOfOne(chain: string): boolean {
  return /^CNI-(DN-|SN-)?[0-9a-f]{20,}$/.test(chain);
}

function inComments(comments: readonly string[]): Owner | undefined {
  for (const comment of comments) {
    const [, network, id] = NETWORK_AND_ID.exec(comment) ?? [];
    if (network !== undefined && id !== undefined)
      return { kind: "Container", name: id, field: `network ${network}`, inferred: true };
  }
  return undefined;
}
