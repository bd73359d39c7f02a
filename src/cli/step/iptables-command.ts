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

/** `iptables [-t TABLE] -A CHAIN RULE…`, -I, -D by number or by rule, -F, -N, -P. */
export function readIptables(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const options = takeTable(words.map((word) => LONG_NAMES[word] ?? word));
  if (options.kind === "invalid") return options;
  const { name, rest } = options.value;
  const hooks = BUILT_IN_CHAINS.get(name);
  if (hooks === undefined) {
    return invalid(`iptables: no table ${JSON.stringify(name)}${suggestion(name, BUILT_IN_CHAINS.keys())}`);
  }
  const table = host.iptables?.tables.get(name) ?? emptyTable(name, hooks);
  const [command = "", chain, ...more] = rest;
  if (command !== "-F" && chain === undefined) return invalid(`iptables ${command}: a chain is expected`);
  const chosen = new TableCommand(host, table, chain ?? "", origin);
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
      return invalid(`iptables: ${JSON.stringify(command)} is not built yet: -A, -I, -D, -F, -N and -P are`);
  }
}

/** `-t` may stand anywhere, `-w` says nothing here. */
function takeTable(
  words: readonly string[],
): Result<{ readonly name: string; readonly rest: readonly string[] }> {
  const rest: string[] = [];
  let name = "filter";
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (word === "-t") {
      const value = words[++at];
      if (value === undefined) return invalid("iptables: -t has nothing behind it");
      name = value;
    } else if (word === "-w") {
      if (/^\d+$/.test(words[at + 1] ?? "")) at++;
    } else rest.push(word);
  }
  return ok({ name, rest });
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

  constructor(host: Host, table: Table, chain: string, origin: Origin) {
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
      { kind: "iptables-insert", table: this.#table.name, chain: this.#chain, index, rule: rule.value },
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
        `iptables -D: chain ${this.#chain} of table ${this.#table.name} has no such rule: ${text}`,
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
      return invalid(`iptables -N: the chain ${this.#chain} exists already`);
    return ok([this.#restore({ name: this.#chain, policy: null, policyCounters: null, rules: [] })]);
  }

  policy(word: string | undefined): Result<Operation[]> {
    const chain = this.#table.chains.get(this.#chain);
    if (chain === undefined) return this.#noChain();
    if (chain.policy === null)
      return invalid(`iptables -P: ${this.#chain} is no built-in chain, so it has no policy`);
    if (word !== "ACCEPT" && word !== "DROP") return invalid("iptables -P: ACCEPT or DROP is expected");
    return ok([this.#restore(builtIn(this.#chain, word))]);
  }

  #deletion(chain: string, index: number): Operation {
    return { kind: "iptables-delete", table: this.#table.name, chain, index };
  }

  /** A table that was never loaded comes with its built-in chains. */
  #restore(chain: Chain): Operation {
    const isLoaded = this.#host.iptables?.tables.has(this.#table.name) === true;
    const chains = new Map(isLoaded ? [] : this.#table.chains).set(chain.name, chain);
    const tables = new Map([[this.#table.name, { name: this.#table.name, chains }]]);
    const backend = this.#host.iptables?.backend ?? "nft";
    return { kind: "iptables-restore", ruleset: { backend, tables }, noflush: true };
  }

  #rule(words: readonly string[]): Result<Rule> {
    if (!this.#table.chains.has(this.#chain)) return this.#noChain();
    const chains = new Map([...this.#table.chains].map(([name, chain]) => [name, chain.policy !== null]));
    const read = parseRuleArguments(
      words.map((text) => ({ text, raw: rawText(text) })),
      { table: this.#table.name, family: 4, chains },
      null,
      this.#origin,
    );
    return read.kind === "ok"
      ? ok(read.rule)
      : invalid(...read.messages.map((message) => `iptables: ${message}`));
  }

  #noChain(): ReturnType<typeof invalid> {
    const near = suggestion(this.#chain, this.#table.chains.keys());
    return invalid(`iptables: table ${this.#table.name} has no chain ${JSON.stringify(this.#chain)}${near}`);
  }
}

/** As it would stand in a dump: quoted only where it must be. */
function rawText(word: string): string {
  return /[\s"'\\]/.test(word) || word === "" ? quoteString(word) : word;
}
