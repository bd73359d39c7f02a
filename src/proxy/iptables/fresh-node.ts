import { BUILT_IN_CHAINS, DraftRuleset } from "../../kernel/netfilter/draft-ruleset.ts";
import type { Chain, Ruleset, Table } from "../../kernel/netfilter/rule.ts";
import type { Operation } from "../../kernel/operation.ts";
import { ORIGIN_NONE } from "../../kernel/origin.ts";
import { familyNumber, type IpFamily } from "../canonical-address.ts";
import type { ProxyFeatures } from "../versions.ts";
import {
  DROP_MARKED_RULE,
  FIREWALL_CHAIN,
  LOCALNET_RULE,
  MARK_DROP_CHAIN,
  MARK_DROP_RULE,
} from "./fixed-rules.ts";
import { FIREWALL_HOOKS } from "./hooks.ts";
import { emptyChain, operations, parseHook } from "./operations.ts";
import { parseTable } from "./parsed-rules.ts";
import { fullSync, type NodeRules, type Sync } from "./proxier.ts";
import { restoreRuleset } from "./restore-ruleset.ts";

export interface FreshNodeOptions {
  /** The kubelet came first, as it does: its KUBE-FIREWALL, with the jumps to it, and its empty chains. */
  readonly kubelet: boolean;
  /** KUBE-PROXY-CANARY in every table: by its absence kube-proxy sees that rules were flushed. */
  readonly canaries: boolean;
}

/**
 * The rules of a node after the first full sync, as its `iptables-save` shows them: tables in the order mangle, filter,
 * nat, built-in chains first and the others by name.
 */
export function freshNodeRuleset(rules: NodeRules, options: FreshNodeOptions): Ruleset {
  const sync = fullSync(rules);
  const written = restoreRuleset(sync);
  const known = fresh.get(written) ?? new Map<string, Ruleset>();
  fresh.set(written, known);
  const key = JSON.stringify([options, rules.features]);
  const found = known.get(key) ?? freshRuleset(sync, options);
  known.set(key, found);
  return found;
}

/** By what a full sync writes, which nodes between which nothing differs share, and by the options. */
const fresh = new WeakMap<Ruleset, Map<string, Ruleset>>();

function freshRuleset(sync: Sync, options: FreshNodeOptions): Ruleset {
  const { features, configuration } = sync.rules;
  return rulesetAfter({ features, family: configuration.family }, options, (before) =>
    operations(sync, before),
  );
}

/** The tables in which a proxier of any mode has done its first operations on iptables. */
export function rulesetAfter(
  node: { readonly features: ProxyFeatures; readonly family: IpFamily },
  options: FreshNodeOptions,
  operationsOn: (before: Ruleset | null) => readonly Operation[],
): Ruleset {
  const before = options.kubelet ? kubeletRuleset(node.features, node.family) : null;
  const draft = new DraftRuleset(before);
  for (const operation of operationsOn(before)) {
    const fault =
      operation.kind === "iptables-restore"
        ? draft.restore(operation.ruleset, operation.noflush)
        : operation.kind === "iptables-insert"
          ? draft.insert(operation.table, operation.chain, operation.index, operation.rule)
          : `a sync of rules has no ${operation.kind}`;
    if (fault !== null) throw new Error(fault);
  }
  const synced = draft.finish() ?? { backend: "nft", tables: new Map() };
  const canary = options.canaries ? ["KUBE-PROXY-CANARY"] : [];
  const tables = new Map<string, Table>();
  for (const name of TABLES) {
    const table = synced.tables.get(name);
    if (table === undefined && canary.length === 0) continue;
    tables.set(name, inPrintedOrder(table ?? emptyTable(name), canary));
  }
  return { backend: synced.backend, tables };
}

const TABLES: readonly string[] = ["mangle", "filter", "nat"];

/** What the kubelet leaves in a fresh node's tables (`--make-iptables-util-chains`). */
function kubeletRuleset({ ownFirewall, externalChain }: ProxyFeatures, family: IpFamily): Ruleset {
  const firewall = readChain("filter", FIREWALL_CHAIN, [
    ...(ownFirewall ? [] : [DROP_MARKED_RULE]),
    ...(family === "IPv4" ? [LOCALNET_RULE] : []),
  ]);
  const tables = TABLES.map((name): [string, Table] => {
    const { chains } = emptyTable(name);
    const made = new Map(chains);
    made.set("KUBE-KUBELET-CANARY", emptyChain("KUBE-KUBELET-CANARY", null));
    // 1.24 told others by it which iptables the node has.
    if (name === "mangle" && externalChain)
      made.set("KUBE-IPTABLES-HINT", emptyChain("KUBE-IPTABLES-HINT", null));
    if (name === "filter") {
      made.set(FIREWALL_CHAIN, firewall);
      for (const hook of FIREWALL_HOOKS) {
        made.set(hook.from, {
          ...emptyChain(hook.from, "ACCEPT"),
          rules: [parseHook(hook, ORIGIN_NONE, familyNumber(family))],
        });
      }
    }
    if (name === "nat" && !ownFirewall) {
      made.set(MARK_DROP_CHAIN, readChain("nat", MARK_DROP_CHAIN, [MARK_DROP_RULE]));
    }
    return [name, { name, chains: made }];
  });
  return { backend: "nft", tables: new Map(tables) };
}

function readChain(table: string, chain: string, lines: readonly string[]): Chain {
  return parseTable(table, [chain], lines).chains.get(chain) as Chain;
}

function emptyTable(name: string): Table {
  const chains = (BUILT_IN_CHAINS.get(name) ?? []).map((chain) => emptyChain(chain, "ACCEPT"));
  return { name, chains: new Map(chains.map((chain) => [chain.name, chain])) };
}

/** Both iptables list the chains of users by name, however they came about. */
function inPrintedOrder({ name, chains }: Table, more: readonly string[]): Table {
  const all = [...chains.values(), ...more.map((chain) => emptyChain(chain, null))];
  const builtIn = all.filter(({ policy }) => policy !== null);
  const made = all.filter(({ policy }) => policy === null).sort((a, b) => (a.name < b.name ? -1 : 1));
  return { name, chains: new Map([...builtIn, ...made].map((chain) => [chain.name, chain])) };
}
