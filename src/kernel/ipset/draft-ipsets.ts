import { DraftList } from "../draft-list.ts";
import { suggestion } from "../nearest-word.ts";
import { elementKey } from "./element-text.ts";
import { IPSET_TYPES, type Ipset, type IpsetEntry } from "./ipset.ts";

/** The sets of a host being changed by a run of operations. Every method returns null, or why the kernel would refuse. */
export class DraftIpsets {
  readonly #original: readonly Ipset[] | null;
  readonly #sets: Map<string, DraftSet>;
  #changed = false;

  constructor(original: readonly Ipset[] | null) {
    this.#original = original;
    this.#sets = new Map((original ?? []).map((set) => [set.name, new DraftSet(set)]));
  }

  finish(): readonly Ipset[] | null {
    return this.#changed ? [...this.#sets.values()].map((set) => set.finish()) : this.#original;
  }

  restore(sets: readonly Ipset[]): string | null {
    this.#changed = true;
    for (const set of sets) {
      if (this.#sets.has(set.name)) return `there is a set ${JSON.stringify(set.name)} already`;
      this.#sets.set(set.name, new DraftSet(set));
    }
    for (const set of sets) {
      for (const entry of set.entries) {
        const fault = this.#faultOfMember(entry);
        if (fault !== null) return fault;
      }
    }
    return null;
  }

  /** A set that a list holds cannot go (`ip_set_destroy`); that a rule names it is seen when the rules are compiled. */
  destroy(name: string): string | null {
    if (!this.#sets.has(name)) return this.#noSet(name);
    for (const set of this.#sets.values()) {
      if (set.holds(name)) return `the set ${name} is in use: the list ${set.plain.name} holds it`;
    }
    this.#changed = true;
    this.#sets.delete(name);
    return null;
  }

  add(name: string, entry: IpsetEntry, exist: boolean): string | null {
    const set = this.#sets.get(name);
    if (set === undefined) return this.#noSet(name);
    const fault = this.#faultOfMember(entry);
    if (fault !== null) return fault;
    this.#changed = true;
    return set.add(entry, exist);
  }

  delete(name: string, entry: IpsetEntry): string | null {
    const set = this.#sets.get(name);
    if (set === undefined) return this.#noSet(name);
    this.#changed = true;
    return set.delete(entry);
  }

  #faultOfMember(entry: IpsetEntry): string | null {
    const part = entry.parts[0];
    if (part?.kind !== "set") return null;
    const member = this.#sets.get(part.name);
    if (member === undefined) return this.#noSet(part.name);
    return member.plain.type === "list:set" ? `the list ${part.name} cannot be in a list` : null;
  }

  #noSet(name: string): string {
    const known = [...this.#sets.keys()];
    return `there is no set ${JSON.stringify(name)}${suggestion(name, known)}`;
  }
}

class DraftSet {
  readonly plain: Ipset;
  readonly #entries: DraftList<IpsetEntry>;
  #size: number;

  constructor(plain: Ipset) {
    this.plain = plain;
    this.#entries = new DraftList(plain.entries, (entry) => elementKey(entry.parts, plain.type));
    this.#size = plain.entries.length;
  }

  finish(): Ipset {
    const entries = this.#entries.finish();
    return entries === this.plain.entries ? this.plain : { ...this.plain, entries };
  }

  holds(name: string): boolean {
    return this.plain.type === "list:set" && this.#entries.withKey(name).length > 0;
  }

  add(entry: IpsetEntry, exist: boolean): string | null {
    const { name, type, storage } = this.plain;
    const kinds = IPSET_TYPES[type].length;
    if (entry.parts.length !== kinds && type !== "bitmap:ip,mac") {
      return `the set ${name} is of ${type}: an element has ${kinds} parts`;
    }
    const key = elementKey(entry.parts, type);
    const [found] = this.#entries.withKey(key);
    if (found !== undefined) {
      if (!exist) return `${key} is in the set ${name} already`;
      this.#entries.replace(found, entry);
      return null;
    }
    if (storage.kind === "hash" && this.#size >= storage.maxelem) {
      return `the set ${name} is full: it holds ${storage.maxelem}`;
    }
    this.#size++;
    this.#entries.append(entry);
    return null;
  }

  delete(entry: IpsetEntry): string | null {
    const key = elementKey(entry.parts, this.plain.type);
    const [found] = this.#entries.withKey(key);
    if (found === undefined) return `${key} is not in the set ${this.plain.name}`;
    this.#size--;
    this.#entries.remove(found);
    return null;
  }
}
