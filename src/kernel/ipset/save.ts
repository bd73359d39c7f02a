import { suggestion } from "../nearest-word.ts";
import { ORIGIN_NONE, type Origin } from "../origin.ts";
import type { LineError } from "../tool-text.ts";
import { formatEntry, readAdd } from "./add-line.ts";
import { formatCreate, readCreate } from "./create-line.ts";
import { elementKey } from "./element-text.ts";
import type { Ipset, IpsetEntry } from "./ipset.ts";
import { type Message, Words } from "./line-words.ts";

/**
 * What `ipset save` prints, and back (ipset(8)):
 *
 *     create nets hash:net family inet hashsize 64 maxelem 100 bucketsize 12 initval 0x56945d70
 *     add nets 10.70.2.159 nomatch
 *
 * Only that: `flush`, `swap` or `del` are no part of a dump. All faults of a text are collected.
 */
export function parseIpsetSave(
  text: string,
  originOf: (line: number) => Origin = () => ORIGIN_NONE,
): IpsetText {
  const dump = new Dump(originOf);
  for (const [i, line] of text.split("\n").entries()) dump.line(i + 1, line.replace(/\r$/, ""));
  return dump.finish();
}

export type IpsetText =
  | { readonly kind: "ok"; readonly sets: readonly Ipset[] }
  | { readonly kind: "invalid"; readonly errors: readonly LineError[] };

export function formatIpsetSave(sets: readonly Ipset[]): string {
  return sets
    .map((set) => `${[formatCreate(set), ...set.entries.map((entry) => formatAdd(entry, set))].join("\n")}\n`)
    .join("");
}

function formatAdd(entry: IpsetEntry, set: Ipset): string {
  return `add ${set.name} ${formatEntry(entry)}`;
}

/** A set being read, its entries by what makes two of them one. */
interface OpenSet {
  readonly set: Ipset;
  readonly entries: IpsetEntry[];
  readonly keys: Set<string>;
}

class Dump {
  readonly #originOf: (line: number) => Origin;
  readonly #sets = new Map<string, OpenSet>();
  readonly #errors: LineError[] = [];

  constructor(originOf: (line: number) => Origin) {
    this.#originOf = originOf;
  }

  line(number: number, text: string): void {
    if (text.trim() === "" || text.startsWith("#")) return;
    const message = this.#read(text, number);
    if (message !== null) this.#errors.push({ line: number, text, message });
  }

  finish(): IpsetText {
    if (this.#errors.length > 0) return { kind: "invalid", errors: this.#errors };
    return { kind: "ok", sets: [...this.#sets.values()].map(({ set, entries }) => ({ ...set, entries })) };
  }

  #read(text: string, number: number): Message | null {
    const reader = new Words(text);
    const command = reader.next();
    if (command === "create") return this.#create(reader, number);
    if (command === "add") return this.#add(reader, number);
    return `${JSON.stringify(command)} is no line of "ipset save": create and add are`;
  }

  #create(reader: Words, number: number): Message | null {
    const set = readCreate(reader, this.#originOf(number));
    if (typeof set === "string") return set;
    if (this.#sets.has(set.name)) return `there is a set ${JSON.stringify(set.name)} already`;
    this.#sets.set(set.name, { set, entries: [], keys: new Set() });
    return null;
  }

  #add(reader: Words, number: number): Message | null {
    const name = reader.next();
    const open = this.#sets.get(name);
    if (open === undefined) {
      return `there is no set ${JSON.stringify(name)} above${suggestion(name, this.#sets.keys())}`;
    }
    const entry = readAdd(reader, open.set, this.#originOf(number));
    if (typeof entry === "string") return entry;
    const key = elementKey(entry.parts, open.set.type);
    if (open.keys.has(key)) return `${key} is in the set ${name} already`;
    open.keys.add(key);
    open.entries.push(entry);
    return null;
  }
}
