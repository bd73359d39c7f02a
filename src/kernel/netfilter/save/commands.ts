import type { TextFault, TextLine } from "../../tool-text.ts";
import { HOOK_NAMES, TABLE_HOOKS } from "../hook.ts";
import type { ChainLines, TableLines } from "./chain-lines.ts";

/**
 * Rules as commands, by table: what `iptables -S` prints (`-P INPUT ACCEPT`, `-N NAME`, `-A NAME …`), what
 * `iptables-restore` is given (`* nat`, `-I CHAIN 1 …`, `COMMIT`), or `iptables -t nat -A …` lines of a script; ip6tables
 * likewise. They are carried out one after the other on empty tables.
 */
export function tablesOfCommands(
  lines: readonly TextLine[],
  table: string | null,
): ReadonlyMap<string | null, TableLines> {
  const reader = new CommandReader(table);
  for (const line of lines) reader.read(line);
  return reader.finish();
}

interface Draft {
  readonly chains: Map<string, { at: TextLine; policy: string | null; rules: TextLine[] }>;
  readonly faults: TextFault[];
  readonly odd: TextLine[];
}

const COMMAND =
  /^(-[NPAIDFX]|--(?:new-chain|new|policy|append|insert|delete|flush|delete-chain))(?:\s+(\S+)(?:\s+(.*))?)?$/;

const SHORT: Readonly<Record<string, string>> = {
  "--new-chain": "-N",
  "--new": "-N",
  "--policy": "-P",
  "--append": "-A",
  "--insert": "-I",
  "--delete": "-D",
  "--flush": "-F",
  "--delete-chain": "-X",
};

class CommandReader {
  readonly #tables = new Map<string | null, Draft>();
  #table: string | null;

  constructor(table: string | null) {
    this.#table = table;
  }

  read(line: TextLine): void {
    let text = line.text.trim();
    const heading = /^\*\s*(\w+)$/.exec(text)?.[1];
    if (heading !== undefined) {
      this.#table = heading;
      return;
    }
    if (text === "" || text === "COMMIT" || /^(?:#|ip6?tables-(?:save|restore)\b)/.test(text)) return;
    const declared = /^:(\S+)\s+(\S+)/.exec(text);
    if (declared !== null) {
      const [, name = "", policy = ""] = declared;
      this.#chain(name, line).policy = policy === "-" ? null : policy;
      return;
    }
    text = text
      .replace(/^(?:sudo\s+)?ip6?tables(?:-\w+)?\s+/, "")
      .replace(/(?:^|\s)(?:-w|--wait)(?:\s+\d+)?(?=\s)/, "");
    const before = this.#table;
    const named = /(?:^|\s)(?:-t|--table)[ =](\w+)\s*/.exec(text);
    if (named !== null) {
      this.#table = named[1] ?? null;
      text = text.replace(named[0], " ").trim();
    }
    if (!this.#command(text, line)) this.#draft().odd.push(line);
    if (named !== null) this.#table = before;
  }

  finish(): ReadonlyMap<string | null, TableLines> {
    const found = new Map<string | null, TableLines>();
    for (const [table, { chains, faults, odd }] of this.#tables) {
      const list = [...chains].map(([name, chain]): ChainLines => ({ name, ...chain }));
      found.set(table, { chains: list, faults, odd, assumed: [] });
    }
    return found;
  }

  #command(text: string, line: TextLine): boolean {
    const found = COMMAND.exec(text);
    if (found === null) return false;
    const [, word = "", chain, rest = ""] = found;
    const command = SHORT[word] ?? word;
    if (chain === undefined) {
      if (command === "-F" || command === "-X") return true;
      this.#draft().faults.push({
        line: line.number,
        message: `${word} names no chain: the line was cut off`,
      });
      return true;
    }
    this.#carryOut(command, this.#chain(chain, line), chain, rest, line);
    return true;
  }

  #carryOut(
    command: string,
    chain: { policy: string | null; rules: TextLine[] },
    name: string,
    rest: string,
    line: TextLine,
  ): void {
    const rule = (text: string): TextLine => ({ number: line.number, text: `-A ${name} ${text}`.trimEnd() });
    if (command === "-P") {
      const policy = /^(ACCEPT|DROP)\b/.exec(rest)?.[1];
      if (policy !== undefined) chain.policy = policy;
      else {
        const message = `${JSON.stringify(rest)} is no policy: ACCEPT or DROP is expected`;
        this.#draft().faults.push({ line: line.number, message });
      }
    } else if (command === "-A") chain.rules.push(rule(rest));
    else if (command === "-I") {
      const [, position, text = ""] = /^(?:(\d+)\s+)?(.*)$/.exec(rest) ?? [];
      chain.rules.splice(Math.max(0, Number(position ?? 1) - 1), 0, rule(text));
    } else if (command === "-F") chain.rules.length = 0;
    else if (command === "-D") this.#remove(chain.rules, rest, rule(rest).text);
  }

  #remove(rules: TextLine[], rest: string, text: string): void {
    const at = /^\d+$/.test(rest) ? Number(rest) - 1 : rules.findIndex((rule) => rule.text === text);
    if (at >= 0) rules.splice(at, 1);
  }

  #draft(): Draft {
    let draft = this.#tables.get(this.#table);
    if (draft === undefined) {
      draft = { chains: new Map(), faults: [], odd: [] };
      this.#tables.set(this.#table, draft);
    }
    return draft;
  }

  #chain(name: string, at: TextLine): { policy: string | null; rules: TextLine[] } {
    const { chains } = this.#draft();
    let chain = chains.get(name);
    if (chain === undefined) {
      chain = { at, policy: null, rules: [] };
      chains.set(name, chain);
    }
    return chain;
  }
}

/** The built-in chains of a table, in the order of their hooks. */
export function builtInChains(table: string): readonly string[] {
  return (TABLE_HOOKS[table] ?? []).map(({ hook }) => HOOK_NAMES[hook] as string);
}
