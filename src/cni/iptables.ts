import type { Family } from "../address/ip.ts";
import { BUILT_IN_CHAINS } from "../kernel/netfilter/draft-ruleset.ts";
import type { Chain, Rule, Ruleset, Table } from "../kernel/netfilter/rule.ts";
import { formatRuleArguments } from "../kernel/netfilter/save/format.ts";
import { parseRuleArguments } from "../kernel/netfilter/save/rule-line.ts";
import { splitArguments } from "../kernel/netfilter/save/words.ts";
import { TARGETS, UNMODELLED_TARGETS } from "../kernel/netfilter/target/registry.ts";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import { fail } from "./cni-error.ts";
import type { Netns } from "./netns.ts";

/** The `iptables` or `ip6tables` commands that the plugins give, on one table of a namespace. Rules are written as iptables-save writes them. */
export class IptablesTable {
  readonly #netns: Netns;
  readonly #name: string;
  readonly #family: Family;

  constructor(netns: Netns, name: string, family: Family = 4) {
    this.#netns = netns;
    this.#name = name;
    this.#family = family;
  }

  hasChain(chain: string): boolean {
    return this.#table()?.chains.has(chain) ?? false;
  }

  /** `-N`, unless the chain is there. */
  ensureChain(chain: string): void {
    if (!this.hasChain(chain)) this.setChain(chain, []);
  }

  /** The chain with these rules and no others; made where it is missing. */
  setChain(chain: string, rules: readonly string[]): void {
    const made = {
      name: chain,
      policy: null,
      policyCounters: null,
      rules: rules.map((rule) => this.#parse(rule)),
    };
    this.#restore([made], true);
  }

  /** `-A`, unless the chain has the rule. */
  appendUnique(chain: string, rule: string): void {
    if (this.#indexOf(chain, rule) === 0) this.#insert(chain, null, rule);
  }

  /** `-I CHAIN 1`, unless the chain has the rule. */
  prependUnique(chain: string, rule: string): void {
    if (this.#indexOf(chain, rule) === 0) this.#insert(chain, 1, rule);
  }

  /** The rule as the chain's first, wherever it stood. */
  ensureFirst(chain: string, rule: string): void {
    if (this.#indexOf(chain, rule) === 1) return;
    this.delete(chain, rule);
    this.#insert(chain, 1, rule);
  }

  chain(name: string): Chain | undefined {
    return this.#table()?.chains.get(name);
  }

  /** Rules that are there already, as values: no text is read. */
  holds(chain: string, rule: Rule): boolean {
    const wanted = formatRuleArguments(rule);
    return (this.chain(chain)?.rules ?? []).some((own) => formatRuleArguments(own) === wanted);
  }

  append(chain: string, rule: Rule): void {
    if (!this.holds(chain, rule))
      this.#netns.do({ kind: "iptables-insert", ...this.#where, chain, index: null, rule });
  }

  /** `iptables-restore --noflush` of a table that others may share. */
  load(table: Table): void {
    if (this.#table() === undefined) this.#restore([...table.chains.values()], true);
    else {
      const ruleset = rulesetOf(table, this.#backend);
      this.#netns.do({ kind: "iptables-restore", family: this.#family, ruleset, noflush: true });
    }
  }

  hasRule(chain: string, rule: string): boolean {
    return this.#indexOf(chain, rule) > 0;
  }

  delete(chain: string, rule: string): void {
    const index = this.#indexOf(chain, rule);
    if (index > 0) this.#remove(chain, index);
  }

  /** Does a rule of the chain jump to another one? */
  hasJump(chain: string, to: string): boolean {
    return (this.chain(chain)?.rules ?? []).some((rule) => jumpOf(rule) === to);
  }

  /** Every rule of the chain that jumps to another one. */
  deleteJumps(chain: string, to: string): void {
    const rules = this.#table()?.chains.get(chain)?.rules ?? [];
    for (const [i, rule] of [...rules.entries()].reverse()) {
      if (jumpOf(rule) === to) this.#remove(chain, i + 1);
    }
  }

  /** `-F` and `-X`: there is no operation of its own for it, so the table is loaded again without the chain. */
  deleteChain(chain: string): void {
    const table = this.#table();
    if (table === undefined || !table.chains.has(chain)) return;
    this.#restore(
      [...table.chains.values()].filter(({ name }) => name !== chain),
      false,
    );
  }

  #table(): Table | undefined {
    return this.#ruleset?.tables.get(this.#name);
  }

  /** Rules through the kernel's nftables (`iptables-nft`). */
  get isNft(): boolean {
    return this.#backend === "nft";
  }

  get #ruleset(): Ruleset | null {
    const { iptables, ip6tables } = this.#netns.host;
    return this.#family === 6 ? ip6tables : iptables;
  }

  get #backend(): Ruleset["backend"] {
    const { iptables } = this.#netns.host;
    return this.#ruleset?.backend ?? iptables?.backend ?? "nft";
  }

  get #where(): { readonly family: Family; readonly table: string } {
    return { family: this.#family, table: this.#name };
  }

  /** Counting from 1; 0 when the chain has no such rule. */
  #indexOf(chain: string, rule: string): number {
    const found = this.#table()?.chains.get(chain)?.rules ?? [];
    const wanted = formatRuleArguments(this.#parse(rule));
    return found.findIndex((own) => formatRuleArguments(own) === wanted) + 1;
  }

  #insert(chain: string, index: number | null, rule: string): void {
    this.#netns.do({
      kind: "iptables-insert",
      ...this.#where,
      chain,
      index,
      rule: this.#parse(rule),
    });
  }

  #remove(chain: string, index: number): void {
    this.#netns.do({ kind: "iptables-delete", ...this.#where, chain, index });
  }

  /** A table is loaded with its built-in chains. */
  #restore(chains: readonly Chain[], noflush: boolean): void {
    const builtIn = noflush && this.#table() === undefined ? (BUILT_IN_CHAINS.get(this.#name) ?? []) : [];
    const zero = { packets: 0, bytes: 0 };
    const all = [
      ...builtIn.map((name): Chain => ({ name, policy: "ACCEPT", policyCounters: zero, rules: [] })),
      ...chains,
    ];
    const table = { name: this.#name, chains: new Map(all.map((chain) => [chain.name, chain])) };
    this.#netns.do({
      kind: "iptables-restore",
      family: this.#family,
      ruleset: { backend: this.#backend, tables: new Map([[this.#name, table]]) },
      noflush,
    });
  }

  /** What a configuration put into a rule may be none: then the plugin gives up with what iptables says. */
  #parse(rule: string): Rule {
    try {
      return parseRule(this.#name, rule, this.#netns.origin, this.#family);
    } catch (error) {
      const program = this.#family === 6 ? "ip6tables" : "iptables";
      return fail(
        `running [/usr/sbin/${program} -t ${this.#name} ${rule} --wait]: exit status 2: ${(error as Error).message}`,
      );
    }
  }
}

/** Tables of values that are loaded on many hosts, by backend. */
const rulesets = { legacy: new WeakMap<Table, Ruleset>(), nft: new WeakMap<Table, Ruleset>() };

function rulesetOf(table: Table, backend: Ruleset["backend"]): Ruleset {
  const known = rulesets[backend].get(table) ?? { backend, tables: new Map([[table.name, table]]) };
  rulesets[backend].set(table, known);
  return known;
}

/** One rule as iptables-save writes it behind `-A CHAIN`. Throws for what is no rule: the plugins write them, not users. */
export function parseRule(
  table: string,
  text: string,
  origin: Origin = ORIGIN_NONE,
  family: Family = 4,
): Rule {
  const split = splitArguments(text);
  if (split.kind === "invalid") throw new Error(`${text}: ${split.message}`);
  const words = split.arguments;
  const jump = words.findIndex((word) => word.text === "-j" || word.text === "-g");
  const target = words[jump + 1]?.text ?? "";
  const chains = new Map(isChainName(target) ? [[target, { name: target, policy: null }]] : []);
  const parsed = parseRuleArguments(words, { table, family, chains }, null, origin);
  if (parsed.kind === "invalid") throw new Error(`${text}: ${parsed.messages.join("; ")}`);
  return parsed.rule;
}

const VERDICTS: ReadonlySet<string> = new Set(["ACCEPT", "DROP", "RETURN", "QUEUE"]);

/** Whatever is no target is a chain. */
function isChainName(target: string): boolean {
  return !TARGETS.has(target) && !UNMODELLED_TARGETS.has(target) && !VERDICTS.has(target);
}

function jumpOf(rule: Rule): string | null {
  const { target } = rule;
  if (target === null || (target.kind !== "jump" && target.kind !== "goto")) return null;
  return (target as { readonly chain?: string }).chain ?? null;
}
