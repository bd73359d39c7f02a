import type { TextFault, TextLine } from "../../tool-text.ts";
import type { ChainLines, TableLines } from "./chain-lines.ts";
import { readListedWords } from "./listed-words.ts";

/**
 * Rules as `iptables -L` prints them, with or without `-n`, `-v` and `--line-numbers`, as lines of `iptables-save`
 * (iptables(8); `print_firewall` in iptables/iptables.c, and each extension's `print`):
 *
 *     Chain KUBE-NODEPORTS (1 references)
 *      pkts bytes target     prot opt in     out     source               destination
 *        10   600 KUBE-MARK-MASQ  tcp  --  *      !docker0  10.0.0.0/8   0.0.0.0/0   /* shop/web: *\/ tcp dpt:30080
 *
 * Without `-v` it does not say which devices a rule asks for: any is taken, and that is said. Words that no reading is
 * known for become a match that nobody models, so that a walk says what it met.
 */
export function tableOfListing(lines: readonly TextLine[]): TableLines {
  const reader = new ListingReader();
  for (const line of joinWrapped(lines)) reader.read(line);
  return reader.finish();
}

/** A line broken in two by whoever pasted it: a value alone at its beginning goes on what stands above. */
function joinWrapped(lines: readonly TextLine[]): TextLine[] {
  const joined: TextLine[] = [];
  for (const line of lines) {
    const above = joined.at(-1);
    if (above !== undefined && /^0x[\da-f]+(?:\/0x[\da-f]+)?\s*$/i.test(line.text)) {
      joined[joined.length - 1] = { number: above.number, text: `${above.text} ${line.text.trim()}` };
    } else joined.push(line);
  }
  return joined;
}

class ListingReader {
  readonly #chains: (ChainLines & { readonly rules: TextLine[] })[] = [];
  readonly #faults: TextFault[] = [];
  readonly #odd: TextLine[] = [];
  #columns: Columns | null = null;
  #withoutDevices = 0;
  readonly #names = new Set<string>();

  read(line: TextLine): void {
    const text = line.text.trim();
    if (text === "") return;
    const head = /^Chain (\S+) \((?:policy (\w+)|\d+ references)/.exec(text);
    if (head !== null) {
      const [, name = "", policy] = head;
      this.#chains.push({ name, policy: policy ?? null, at: line, rules: [] });
      this.#columns = null;
      return;
    }
    const chain = this.#chains.at(-1);
    if (/^(?:num\s+)?(?:pkts\s+bytes\s+)?target\s+prot\s+opt\s/.test(text)) this.#columns = columnsOf(text);
    else if (chain === undefined || this.#columns === null) this.#odd.push(line);
    else this.#readRule(chain, line, this.#columns);
  }

  finish(): TableLines {
    const assumed: string[] = [];
    if (this.#withoutDevices > 0) {
      assumed.push(
        `"iptables -L" without -v does not say by which devices ${this.#withoutDevices} rules ask: any is taken`,
      );
    }
    if (this.#names.size > 0) {
      assumed.push(
        `"iptables -L" without -n gives names for addresses that only the node can look up: ${[...this.#names].join(", ")}`,
      );
    }
    return { chains: this.#chains, faults: this.#faults, odd: this.#odd, assumed };
  }

  #readRule(
    chain: { readonly name: string; readonly rules: TextLine[] },
    line: TextLine,
    columns: Columns,
  ): void {
    const words = line.text.trim().split(/\s+/);
    const start = (columns.number ? 1 : 0) + (columns.counters ? 2 : 0);
    // A rule without target has nothing in that column: then the options stand one earlier.
    const opt = words.findIndex((word, i) => i > start && i <= start + 2 && /^(?:--|-f|!f)$/.test(word));
    const last = opt + (columns.devices ? 4 : 2);
    if (opt === -1 || words[last] === undefined) {
      const message = `${JSON.stringify(line.text.trim())} has not the columns of its heading: it was cut off`;
      this.#faults.push({ line: line.number, message });
      return;
    }
    const target = opt === start + 2 ? (words[start] ?? "") : "";
    const fields = [
      ...this.#protocol(words[opt - 1] ?? "all"),
      ...(words[opt] === "-f" ? ["-f"] : words[opt] === "!f" ? ["!", "-f"] : []),
      ...(columns.devices ? deviceOf("-i", words[opt + 1]) : []),
      ...(columns.devices ? deviceOf("-o", words[opt + 2]) : []),
      ...this.#address("-s", words[last - 1] ?? ""),
      ...this.#address("-d", words[last] ?? ""),
    ];
    if (!columns.devices) this.#withoutDevices++;
    const rest = textBehind(line.text.trim(), last + 1);
    const { matches, how, target: options } = readListedWords(rest, target);
    const jump = target === "" ? [] : [how, target, ...options];
    const rule = ["-A", chain.name, ...fields, ...matches, ...jump].join(" ");
    chain.rules.push({ number: line.number, text: rule });
  }

  #protocol(word: string): string[] {
    const bare = word.replace(/^!/, "");
    if (bare === "all" || bare === "0" || bare === "any") return [];
    return word.startsWith("!") ? ["!", "-p", bare] : ["-p", bare];
  }

  #address(option: string, word: string): string[] {
    const bare = word.replace(/^!/, "");
    if (bare === "anywhere" || bare === "0.0.0.0/0" || bare === "default") return [];
    const value = NAMED_NETWORKS[bare] ?? bare;
    if (!/^\d+\.\d+\.\d+\.\d+(?:\/[\d.]+)?$/.test(value)) {
      this.#names.add(bare);
      return ["-m", "name-of-an-address", option === "-s" ? "--source-name" : "--destination-name", bare];
    }
    return word.startsWith("!") ? ["!", option, value] : [option, value];
  }
}

/** What /etc/networks and /etc/hosts have everywhere, and a well-known name of the DNS. */
const NAMED_NETWORKS: Readonly<Record<string, string>> = {
  localhost: "127.0.0.1",
  "loopback/8": "127.0.0.0/8",
  "link-local/16": "169.254.0.0/16",
  "base-address.mcast.net/4": "224.0.0.0/4",
};

interface Columns {
  readonly number: boolean;
  readonly counters: boolean;
  readonly devices: boolean;
}

function columnsOf(text: string): Columns {
  return {
    number: /^num\b/.test(text),
    counters: /\bpkts\b/.test(text),
    devices: /\bopt\s+in\s+out\b/.test(text),
  };
}

function deviceOf(option: string, word = "*"): string[] {
  const bare = word.replace(/^!/, "");
  if (bare === "*" || bare === "any") return word.startsWith("!") ? ["!", option, "+"] : [];
  return word.startsWith("!") ? ["!", option, bare] : [option, bare];
}

/** What stands behind the first `count` words, blanks within kept. */
function textBehind(text: string, count: number): string {
  const words = text.matchAll(/\S+/g);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const { value } = words.next();
    if (value === undefined) return "";
    end = value.index + value[0].length;
  }
  return text.slice(end).trim();
}
