import type { Family } from "../../address/ip.ts";
import type { Host } from "../../kernel/host.ts";
import { suggestion } from "../../kernel/nearest-word.ts";
import { BUILT_IN_CHAINS } from "../../kernel/netfilter/draft-ruleset.ts";
import type { Chain, Rule, Table } from "../../kernel/netfilter/rule.ts";
import { formatRule } from "../../kernel/netfilter/save/format.ts";
import { quoteString } from "../../kernel/netfilter/save/quote.ts";
import { parseRuleArguments } from "../../kernel/netfilter/save/rule-line.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { parseWhole } from "../number-text.ts";
import { invalid, ok, type Result } from "../result.ts";

const LONG_NAMES: Readonly<Record<string, string>> = {
  "--append": "-A",
  "--insert": "-I",
  "--delete": "-D",
  "--flush": "-F",
  "--new-chain": "-N",
  "--policy": "-P",
  "--table": "-t",
  "--wait": "-w",
};

/** `iptables [-t TABLE] -A CHAIN RULE…`, -I, -D by number or by rule, -F, -N, -P; for family 6 `ip6tables`. */
export function readIptables(
  host: Host,
  words: readonly string[],
  family: Family,
  origin: Origin,
): Result<Operation[]> {
  const tool = toolName(family);
  const options = takeTable(
    tool,
    words.map((word) => LONG_NAMES[word] ?? word),
  );
  if (options.kind === "invalid") return options;
  const { name, rest } = options.value;
  const hooks = BUILT_IN_CHAINS.get(name);
  if (hooks === undefined) {
    return invalid(`${tool}: no table ${JSON.stringify(name)}${suggestion(name, BUILT_IN_CHAINS.keys())}`);
  }
  const table = rulesOf(host, family)?.tables.get(name) ?? emptyTable(name, hooks);
  const [command = "", chain, ...more] = rest;
  if (command !== "-F" && chain === undefined) return invalid(`${tool} ${command}: a chain is expected`);
  const chosen = new TableCommand(host, table, chain ?? "", family, origin);
  switch (command) {
    case "-A":
      return chosen.append(more);
    case "-I":
      return chosen.insert(more);
    case "-D":
      return chosen.remove(more);
    case "-F":
      return chosen.flush(chain === undefined);
    case "-N":
      return chosen.create();
    case "-P":
      return chosen.policy(more[0]);
    default:
      return invalid(`${tool}: ${JSON.stringify(command)} is not built yet: -A, -I, -D, -F, -N and -P are`);
  }
}

/** `-t` may stand anywhere, `-w` says nothing here. */
function takeTable(
  tool: string,
  words: readonly string[],
): Result<{ readonly name: string; readonly rest: readonly string[] }> {
  const rest: string[] = [];
  let name = "filter";
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === "-t") {
      const value = words[++at];
      if (value === undefined) return invalid(`${tool}: -t has nothing behind it`);
      name = value;
    } else if (word === "-w") {
      if (/^\d+$/.test(words[at + 1] ?? "")) at++;
    } else rest.push(word);
  }
  return ok({ name, rest });
}

function toolName(family: Family): string {
  return family === 6 ? "ip6tables" : "iptables";
}

function rulesOf(host: Host, family: Family): Host["iptables"] {
  return family === 6 ? host.ip6tables : host.iptables;
}

function emptyTable(name: string, hooks: readonly string[]): Table {
  const chains = hooks.map((hook): [string, Chain] => [hook, builtIn(hook, "ACCEPT")]);
  return { name, chains: new Map(chains) };
}

function builtIn(name: string, policy: "ACCEPT" | "DROP"): Chain {
  return { name, policy, policyCounters: { packets: 0, bytes: 0 }, rules: [] };
}

class TableCommand {
  readonly #host: Host;
  readonly #table: Table;
  readonly #chain: string;
  readonly #origin: Origin;
  readonly #family: Family;
  readonly #tool: string;

  constructor(host: Host, table: Table, chain: string, family: Family, origin: Origin) {
    this.#family = family;
    this.#tool = toolName(family);
    this.#origin = origin;
    this.#host = host;
    this.#table = table;
    this.#chain = chain;
  }

  append(words: readonly string[]): Result<Operation[]> {
    return this.#insertAt(null, words);
  }

  insert(words: readonly string[]): Result<Operation[]> {
    const [number, ...rest] = words;
    if (number === undefined || !/^\d+$/.test(number)) return this.#insertAt(1, words);
    const index = parseWhole(number, "the rule's number", 1, 0xffff_ffff);
    return index.kind === "invalid" ? index : this.#insertAt(index.value, rest);
  }

  #insertAt(index: number | null, words: readonly string[]): Result<Operation[]> {
    const rule = this.#rule(words);
    if (rule.kind === "invalid") return rule;
    return ok([
      {
        kind: "iptables-insert",
        ...this.#of(),
        table: this.#table.name,
        chain: this.#chain,
        index,
        rule: rule.value,
      },
    ]);
  }

  remove(words: readonly string[]): Result<Operation[]> {
    const [number] = words;
    if (words.length === 1 && number !== undefined && /^\d+$/.test(number)) {
      const index = parseWhole(number, "the rule's number", 1, 0xffff_ffff);
      return index.kind === "invalid" ? index : ok([this.#deletion(this.#chain, index.value)]);
    }
    const rule = this.#rule(words);
    if (rule.kind === "invalid") return rule;
    const text = formatRule(this.#chain, rule.value);
    const rules = this.#table.chains.get(this.#chain)?.rules ?? [];
    const at = rules.findIndex((other) => formatRule(this.#chain, other) === text);
    if (at < 0)
      return invalid(
        `${this.#tool} -D: chain ${this.#chain} of table ${this.#table.name} has no such rule: ${text}`,
      );
    return ok([this.#deletion(this.#chain, at + 1)]);
  }

  flush(all: boolean): Result<Operation[]> {
    const names = all ? [...this.#table.chains.keys()] : [this.#chain];
    const operations: Operation[] = [];
    for (const name of names) {
      const chain = this.#table.chains.get(name);
      if (chain === undefined) return this.#noChain();
      for (let index = chain.rules.length; index >= 1; index--) operations.push(this.#deletion(name, index));
    }
    return ok(operations);
  }

  create(): Result<Operation[]> {
    if (this.#table.chains.has(this.#chain))
      return invalid(`${this.#tool} -N: the chain ${this.#chain} exists already`);
    return ok([this.#restore({ name: this.#chain, policy: null, policyCounters: null, rules: [] })]);
  }

  policy(word: string | undefined): Result<Operation[]> {
    const chain = this.#table.chains.get(this.#chain);
    if (chain === undefined) return this.#noChain();
    if (chain.policy === null)
      return invalid(`${this.#tool} -P: ${this.#chain} is no built-in chain, so it has no policy`);
    if (word !== "ACCEPT" && word !== "DROP") return invalid(`${this.#tool} -P: ACCEPT or DROP is expected`);
    return ok([this.#restore(builtIn(this.#chain, word))]);
  }

  /** What an operation says of its family: nothing for IPv4. */
  #of(): { readonly family?: Family } {
    return this.#family === 6 ? { family: 6 } : {};
  }

  #deletion(chain: string, index: number): Operation {
    return { kind: "iptables-delete", ...this.#of(), table: this.#table.name, chain, index };
  }

  /** A table that was never loaded comes with its built-in chains. */
  #restore(chain: Chain): Operation {
    const rules = rulesOf(this.#host, this.#family);
    const isLoaded = rules?.tables.has(this.#table.name) === true;
    const chains = new Map(isLoaded ? [] : this.#table.chains).set(chain.name, chain);
    const tables = new Map([[this.#table.name, { name: this.#table.name, chains }]]);
    const backend = rules?.backend ?? "nft";
    return { kind: "iptables-restore", ...this.#of(), ruleset: { backend, tables }, noflush: true };
  }

  #rule(words: readonly string[]): Result<Rule> {
    if (!this.#table.chains.has(this.#chain)) return this.#noChain();
    const read = parseRuleArguments(
      words.map((text) => ({ text, raw: rawText(text) })),
      { table: this.#table.name, family: this.#family, chains: this.#table.chains },
      null,
      this.#origin,
    );
    return read.kind === "ok"
      ? ok(read.rule)
      : invalid(...read.messages.map((message) => `${this.#tool}: ${message}`));
  }

  #noChain(): ReturnType<typeof invalid> {
    const near = suggestion(this.#chain, this.#table.chains.keys());
    return invalid(
      `${this.#tool}: table ${this.#table.name} has no chain ${JSON.stringify(this.#chain)}${near}`,
    );
  }
}

/** As it would stand in a dump: quoted only where it must be. */
function rawText(word: string): string {
  return /[\s"'\\]/.test(word) || word === "" ? quoteString(word) : word;
}
