import { interfaceName, internInterfaceName } from "../../device/interface-name.ts";
import type { ArgumentReader } from "../save/arguments.ts";

/** `IFNAMSIZ`, less the final zero. */
const MAX_LENGTH = 15;

/** The name of an interface as a rule gives it; a trailing `+` stands for any ending (`xtables_parse_interface`). */
export function readInterfacePattern(reader: ArgumentReader): string {
  const text = reader.word("the name of an interface");
  if (text.length > MAX_LENGTH || text === "" || /[\s/]/.test(text)) {
    reader.failValue(
      `${JSON.stringify(text)} is no interface name: 1 to ${MAX_LENGTH} characters, no blanks, no slash`,
    );
  }
  return text;
}

/** Compares interned names with a pattern (`ifname_compare_aligned`). Runs per packet. */
export class InterfaceNamePattern {
  private readonly exact: number;
  private readonly prefix: string;
  /** By id of a name: 0 not looked at yet, 1 no, 2 yes. Names are never renumbered. */
  private known: Uint8Array;

  constructor(pattern: string) {
    const open = pattern.endsWith("+");
    this.exact = open ? -1 : internInterfaceName(pattern);
    this.prefix = open ? pattern.slice(0, -1) : "";
    this.known = new Uint8Array(0);
  }

  /** @param id as `internInterfaceName` gave it; -1 for no interface, which only `+` alone matches */
  matches(id: number): boolean {
    if (this.exact !== -1) return id === this.exact;
    if (this.prefix === "") return true;
    if (id < 0) return false;
    const known = id < this.known.length ? this.known[id] : 0;
    return known === 0 ? this.learn(id) : known === 2;
  }

  private learn(id: number): boolean {
    if (id >= this.known.length) {
      const larger = new Uint8Array(Math.max(16, (id + 1) * 2));
      larger.set(this.known);
      this.known = larger;
    }
    const hit = interfaceName(id).startsWith(this.prefix);
    this.known[id] = hit ? 2 : 1;
    return hit;
  }
}
