import type { Family } from "../../../address/ip.ts";
import type { TextFault, TextLine } from "../../tool-text.ts";
import type { ChainLines, TableLines } from "./chain-lines.ts";
import { readListedWords } from "./listed-words.ts";

/**
 * Rules as `iptables -L` and `ip6tables -L` print them, with or without `-n`, `-v` and `--line-numbers`, as lines of `iptables-save`
 * (iptables(8); `print_firewall` in iptables/iptables.c, and each extension's `print`):
 *
 *     Chain KUBE-NODEPORTS (1 references)
 *      pkts bytes target     prot opt in     out     source               destination
 *        10   600 KUBE-MARK-MASQ  tcp  --  *      !docker0  10.0.0.0/8   0.0.0.0/0   /* shop/web: *\/ tcp dpt:30080
 *
 * Without `-v` it does not say which devices a rule asks for: any is taken, and that is said. Words that no reading is
 * known for become a match that nobody models, so that a walk says what it met.
 */
export function tableOfListing(lines: readonly TextLine[], family: Family = 4): TableLines {
  const reader = new ListingReader(family);
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
  readonly #family: Family;

  constructor(family: Family) {
    this.#family = family;
  }

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
    // Until iptables 1.8.9 ip6tables printed nothing in that column.
    const last = opt === -1 ? this.#lastAddress(words) : opt + (columns.devices ? 4 : 2);
    const prot = opt === -1 ? last - (columns.devices ? 4 : 2) : opt - 1;
    if (prot < start || words[last] === undefined) {
      const message = `${JSON.stringify(line.text.trim())} has not the columns of its heading: it was cut off`;
      this.#faults.push({ line: line.number, message });
      return;
    }
    const target = prot === start + 1 ? (words[start] ?? "") : "";
    const fields = [
      ...this.#protocol(words[prot] ?? "all"),
      ...(words[opt] === "-f" ? ["-f"] : words[opt] === "!f" ? ["!", "-f"] : []),
      ...(columns.devices ? deviceOf("-i", words[last - 3]) : []),
      ...(columns.devices ? deviceOf("-o", words[last - 2]) : []),
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

  /** The destination of a rule: the second of the first two words that are addresses side by side. */
  #lastAddress(words: readonly string[]): number {
    const isAddress = (word = ""): boolean => {
      const bare = word.replace(/^!/, "");
      return ANYWHERE.has(bare) || ADDRESS[this.#family].test(bare) || bare in NAMED_NETWORKS[this.#family];
    };
    const at = words.findIndex((word, i) => isAddress(word) && isAddress(words[i + 1]));
    return at === -1 ? -1 : at + 1;
  }

  #protocol(word: string): string[] {
    const bare = word.replace(/^!/, "");
    if (bare === "all" || bare === "0" || bare === "any") return [];
    return word.startsWith("!") ? ["!", "-p", bare] : ["-p", bare];
  }

  #address(option: string, word: string): string[] {
    const bare = word.replace(/^!/, "");
    if (ANYWHERE.has(bare)) return [];
    const value = NAMED_NETWORKS[this.#family][bare] ?? bare;
    if (!ADDRESS[this.#family].test(value)) {
      this.#names.add(bare);
      return ["-m", "name-of-an-address", option === "-s" ? "--source-name" : "--destination-name", bare];
    }
    return word.startsWith("!") ? ["!", option, value] : [option, value];
  }
}

const ANYWHERE: ReadonlySet<string> = new Set(["anywhere", "0.0.0.0/0", "::/0", "default"]);

const ADDRESS: Readonly<Record<Family, RegExp>> = {
  4: /^\d+\.\d+\.\d+\.\d+(?:\/[\d.]+)?$/,
  6: /^[\da-f]*:[\da-f:.]*(?:\/[\da-f:.]+)?$/i,
};

/** What /etc/networks and /etc/hosts have everywhere, and a well-known name of the DNS. */
const NAMED_NETWORKS: Readonly<Record<Family, Readonly<Record<string, string>>>> = {
  4: {
    localhost: "127.0.0.1",
    "loopback/8": "127.0.0.0/8",
    "link-local/16": "169.254.0.0/16",
    "base-address.mcast.net/4": "224.0.0.0/4",
  },
  6: { localhost: "::1", "ip6-localhost": "::1", "ip6-loopback": "::1" },
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
