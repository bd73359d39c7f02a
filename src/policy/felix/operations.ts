import type { Family } from "../../address/ip.ts";
import type { Host } from "../../kernel/host.ts";
import { formatElement, parseElement } from "../../kernel/ipset/element-text.ts";
import type { Ipset, IpsetEntry } from "../../kernel/ipset/ipset.ts";
import { BUILT_IN_CHAINS } from "../../kernel/netfilter/draft-ruleset.ts";
import type { CommentMatch } from "../../kernel/netfilter/match/comment.ts";
import type { Chain, Rule, Table } from "../../kernel/netfilter/rule.ts";
import { formatRuleArguments } from "../../kernel/netfilter/save/format.ts";
import { parseRuleArguments } from "../../kernel/netfilter/save/rule-line.ts";
import { splitArguments } from "../../kernel/netfilter/save/words.ts";
import type { Operation } from "../../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import type { FelixState, FelixTable } from "./felix.ts";
import type { FelixSet } from "./ip-sets.ts";
import { ruleHashes } from "./names.ts";
import { type FelixChain, type FelixRule, type RuleSource, ruleArguments } from "./rule-text.ts";

/** Where a rule came from; `null`: it is Felix's own. */
export type OriginOf = (source: RuleSource | null) => Origin;

/**
 * What Felix gives the kernel's tools so that a host is in this state: sets before the rules that ask them, chains before
 * the jumps to them, and what is needed no more at the end. Applied again it changes nothing.
 */
export function felixOperations(state: FelixState, host: Host, originOf: OriginOf): Operation[] {
  const tables = state.tables.map((table) => new TableSync(table, state, host, originOf));
  const origin = originOf(null);
  return [
    ...setOperations(state.sets, state.family, host, origin),
    ...tables.flatMap((table) => table.operations()),
    ...(host.ipsets ?? [])
      .filter(
        ({ name }) => name.startsWith(`cali${state.family}0`) && !state.sets.some((set) => set.name === name),
      )
      .map(({ name }): Operation => ({ kind: "ipset-destroy", set: name })),
  ];
}

const isFelixChain = (name: string) => name.startsWith("cali-");

class TableSync {
  readonly #table: FelixTable;
  readonly #family: Family;
  readonly #there: Table | undefined;
  readonly #backend: "nft" | "legacy";
  readonly #wanted: Table;

  readonly #isFirst: boolean;

  constructor(table: FelixTable, { family, insertMode }: FelixState, host: Host, originOf: OriginOf) {
    this.#table = table;
    this.#family = family;
    this.#isFirst = insertMode === "insert";
    const ruleset = family === 6 ? host.ip6tables : host.iptables;
    this.#there = ruleset?.tables.get(table.name);
    this.#backend = ruleset?.backend ?? "nft";
    this.#wanted = parsed(table, family, originOf);
  }

  operations(): Operation[] {
    const { name } = this.#table;
    const there = this.#there ?? emptyTable(name);
    const own = [...this.#wanted.chains.values()].filter((chain) => isFelixChain(chain.name));
    const changed = own.filter((chain) => !sameRules(chain, there.chains.get(chain.name)));
    const isStale = [...there.chains.keys()].some(
      (chain) => isFelixChain(chain) && !this.#wanted.chains.has(chain),
    );
    const inserted = this.#missing(this.#table.inserted, "I", there);
    const appended = this.#missing(this.#table.appended, "A", there);
    // A table that was never used has no chains yet, and a dump may leave out those that hold nothing.
    const builtIn = [...emptyTable(name).chains.values()].filter(
      (chain) => this.#there?.chains.has(chain.name) !== true,
    );
    const restored = [...builtIn, ...changed];
    const operations: Operation[] = [];
    if (restored.length > 0) operations.push(this.#restore(name, restored, true));
    operations.push(...inserted, ...appended);
    if (isStale) operations.push(this.#restore(name, this.#whole(there, own), false));
    return operations;
  }

  /** As operations name it: IPv4 is what they mean without. */
  get #ofFamily(): { readonly family?: Family } {
    return this.#family === 6 ? { family: 6 } : {};
  }

  #restore(name: string, chains: readonly Chain[], noflush: boolean): Operation {
    const table = { name, chains: new Map(chains.map((chain) => [chain.name, chain])) };
    return {
      ...{ kind: "iptables-restore", ...this.#ofFamily },
      ruleset: { backend: this.#backend, tables: new Map([[name, table]]) },
      noflush,
    };
  }

  /** The table without chains that nothing leads to any more; there is no operation of its own that deletes one. */
  #whole(there: Table, own: readonly Chain[]): Chain[] {
    const others = [...there.chains.values()].filter(({ name }) => !isFelixChain(name));
    const withHooks = others.map((chain): Chain => {
      const rules = (lists: readonly FelixChain[], mode: "I" | "A") =>
        lists.some(({ name }) => name === chain.name) ? this.#hook(chain.name, mode) : [];
      const lacks = (rule: Rule) => !chain.rules.some((one) => sameRule(one, rule));
      const first = rules(this.#table.inserted, "I").filter(lacks);
      const last = rules(this.#table.appended, "A").filter(lacks);
      if (first.length + last.length === 0) return chain;
      return {
        ...chain,
        rules: this.#isFirst ? [...first, ...chain.rules, ...last] : [...chain.rules, ...first, ...last],
      };
    });
    return [...withHooks, ...own];
  }

  #hook(chain: string, mode: "I" | "A"): readonly Rule[] {
    return this.#wanted.chains.get(hookName(mode, chain))?.rules ?? [];
  }

  #missing(lists: readonly FelixChain[], mode: "I" | "A", there: Table): Operation[] {
    return lists.flatMap(({ name }) => {
      const rules = there.chains.get(name)?.rules ?? [];
      const missing = this.#hook(name, mode).filter((rule) => !rules.some((one) => sameRule(one, rule)));
      // The last of them is put first, so that they stand in their order.
      const isFirst = mode === "I" && this.#isFirst;
      const ordered = isFirst ? [...missing].reverse() : missing;
      return ordered.map(
        (rule): Operation => ({
          ...{ kind: "iptables-insert", ...this.#ofFamily, table: this.#table.name, chain: name },
          ...{ index: isFirst ? 1 : null, rule },
        }),
      );
    });
  }
}

const sameRule = (a: Rule, b: Rule) => a === b || formatRuleArguments(a) === formatRuleArguments(b);

function sameRules(wanted: Chain, there: Chain | undefined): boolean {
  return (
    there !== undefined &&
    there.rules.length === wanted.rules.length &&
    wanted.rules.every((rule, i) => sameRule(rule, there.rules[i] as Rule))
  );
}

function emptyTable(name: string): Table {
  const zero = { packets: 0, bytes: 0 };
  const chains = (BUILT_IN_CHAINS.get(name) ?? []).map((chain): [string, Chain] => [
    chain,
    { name: chain, policy: "ACCEPT", policyCounters: zero, rules: [] },
  ]);
  return { name, chains: new Map(chains) };
}

/** What stands for a list of rules in a chain of the kernel while they are read. */
const hookName = (mode: "I" | "A", chain: string) => `${mode}:${chain}`;

/** The rules as the kernel gives them back, each with its hash. */
function parsed({ name, chains, inserted, appended }: FelixTable, family: Family, originOf: OriginOf): Table {
  const lists = [
    ...chains.map((chain) => ({ chain, as: chain.name, seed: chain.name })),
    ...inserted.map((chain) => ({ chain, as: hookName("I", chain.name), seed: chain.name })),
    // Felix keeps the two lists of a chain apart by this.
    ...appended.map((chain) => ({ chain, as: hookName("A", chain.name), seed: `${chain.name}*appends*` })),
  ];
  return {
    name,
    chains: new Map(
      lists.map(({ chain, as, seed }) => [
        as,
        parsedChain({ table: name, family }, chain, as, seed, originOf),
      ]),
    ),
  };
}

interface Scope {
  readonly table: string;
  readonly family: Family;
}

/** Chains that nodes share are read once for all of them. */
const known = new WeakMap<OriginOf, WeakMap<FelixChain, Map<string, Chain>>>();

function parsedChain(scope: Scope, chain: FelixChain, as: string, seed: string, originOf: OriginOf): Chain {
  const ofOrigins = known.get(originOf) ?? new WeakMap<FelixChain, Map<string, Chain>>();
  known.set(originOf, ofOrigins);
  const ofChain = ofOrigins.get(chain) ?? new Map<string, Chain>();
  ofOrigins.set(chain, ofChain);
  const key = `${scope.family} ${scope.table} ${as}`;
  const found = ofChain.get(key);
  if (found !== undefined) return found;
  const hashes = ruleHashes(seed, chain.rules);
  const rules = chain.rules.map((rule, i): Rule => {
    const read = parsedRule(scope, rule);
    const hash: CommentMatch = { kind: "comment", comment: `cali:${hashes[i]}` };
    return { ...read, matches: [hash, ...read.matches], origin: originOf(rule.source) };
  });
  const made: Chain = { name: as, policy: null, policyCounters: null, rules };
  ofChain.set(key, made);
  return made;
}

/** By table and text without a hash: endpoints' rules are the same but for a few names. */
const rules = new Map<string, Rule>();
const MOST_RULES = 4_096;

/** What Felix writes is always right. */
function parsedRule({ table, family }: Scope, rule: FelixRule): Rule {
  const text = ruleArguments(rule);
  const key = `${family} ${table} ${text}`;
  const found = rules.get(key);
  if (found !== undefined) return found;
  const split = splitArguments(text);
  if (split.kind === "invalid") throw new Error(`a rule of Felix cannot be read: ${text}: ${split.message}`);
  const to = /^--(?:jump|goto) (cali-\S+)$/.exec(rule.action)?.[1];
  const chains = new Map(to === undefined ? [] : [[to, { name: to, policy: null }]]);
  const read = parseRuleArguments(split.arguments, { table, chains, family }, null, ORIGIN_NONE);
  if (read.kind === "invalid")
    throw new Error(`a rule of Felix cannot be read: ${text}: ${read.messages.join("; ")}`);
  if (rules.size >= MOST_RULES) rules.clear();
  rules.set(key, read.rule);
  return read.rule;
}

/** `ipset restore` of what is missing, and the difference of what is there. */
function setOperations(sets: readonly FelixSet[], family: Family, host: Host, origin: Origin): Operation[] {
  const there = new Map((host.ipsets ?? []).map((set) => [set.name, set]));
  const made = sets.map((set) => ipsetOf(set, family, origin));
  const missing = made.filter(({ name }) => !there.has(name));
  const restored: Operation[] = missing.length === 0 ? [] : [{ kind: "ipset-restore", sets: missing }];
  const changes = made.flatMap(({ name, entries }): Operation[] => {
    const before = there.get(name);
    if (before === undefined) return [];
    const texts = new Set(entries.map(({ parts }) => formatElement(parts)));
    const had = new Set(before.entries.map(({ parts }) => formatElement(parts)));
    return [
      ...before.entries
        .filter(({ parts }) => !texts.has(formatElement(parts)))
        .map((entry): Operation => ({ kind: "ipset-delete", set: name, entry })),
      ...entries
        .filter(({ parts }) => !had.has(formatElement(parts)))
        .map((entry): Operation => ({ kind: "ipset-add", set: name, entry, exist: false })),
    ];
  });
  return [...restored, ...changes];
}

/** `MaxIPSetSize` */
const MAX_ELEMENTS = 1_048_576;

/** Sets of the same members are one value for all nodes. */
const ipsets = new WeakMap<FelixSet, Map<Origin, Ipset>>();

function ipsetOf(set: FelixSet, family: Family, origin: Origin): Ipset {
  const ofSet = ipsets.get(set) ?? new Map<Origin, Ipset>();
  ipsets.set(set, ofSet);
  const made = ofSet.get(origin) ?? madeIpset(set, family, origin);
  ofSet.set(origin, made);
  return made;
}

function madeIpset({ name, type, members }: FelixSet, family: Family, origin: Origin): Ipset {
  const empty: Ipset = {
    ...{
      name,
      type,
      timeout: null,
      counters: false,
      comment: false,
      skbinfo: false,
      forceadd: false,
      origin,
    },
    storage: {
      ...{ kind: "hash", family, hashsize: 1024, maxelem: MAX_ELEMENTS },
      ...{ mask: null, markmask: null, bucketsize: null, initval: null },
    },
    entries: [],
  };
  const entries = members.map((member): IpsetEntry => {
    const parts = parseElement(member, empty);
    if (typeof parts === "string")
      throw new Error(`a member of Felix's set ${name} cannot be read: ${parts}`);
    return {
      ...{ parts, nomatch: false, timeout: null, counters: null, comment: null },
      ...{ skbmark: null, skbprio: null, skbqueue: null, origin },
    };
  });
  return { ...empty, entries };
}
