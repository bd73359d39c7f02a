import type { Ipv4 } from "../../address/ipv4.ts";
import type { Ipv6Words } from "../../address/ipv6.ts";
import { internInterfaceName } from "../device/interface-name.ts";
import { InterfaceNamePattern } from "../netfilter/match/interface-name-pattern.ts";
import { Journal } from "../session/journal.ts";
import {
  ELEMENT_FILLED,
  ELEMENT_NOMATCH,
  ELEMENT_PRESENT,
  ElementLayout,
  ElementTable,
  IFACE_ANY,
  IFACE_PHYSDEV,
  IFACE_WILDCARD,
} from "./element-table.ts";
import { addressMask6Of, addressMaskOf } from "./element-text.ts";
import {
  dimensionsOf,
  familyOf,
  type Ipset,
  type IpsetDimension,
  type IpsetEntry,
  type IpsetType,
} from "./ipset.ts";
import { internSetName } from "./set-query.ts";

/** `CompiledSet.dimensions`. */
export const DIM_IP = 0;
export const DIM_NET = 1;
export const DIM_PORT = 2;
export const DIM_MAC = 3;
export const DIM_MARK = 4;
export const DIM_IFACE = 5;
const DIM_SET = 6;

const DIMENSION_NUMBER: Readonly<Record<IpsetDimension, number>> = {
  ip: DIM_IP,
  net: DIM_NET,
  port: DIM_PORT,
  mac: DIM_MAC,
  mark: DIM_MARK,
  iface: DIM_IFACE,
  set: DIM_SET,
};

/** A key has at most two addresses of four words, a port and the lengths. */
export const KEY_WORDS = 10;

/** Types that packets of either family are looked for in. */
const ANY_FAMILY: ReadonlySet<IpsetType> = new Set(["hash:mac", "bitmap:port", "list:set"]);

const noJournal = new Journal();

/**
 * A set compiled: its elements in a hash table by the words of their keys, and which prefix lengths it holds. Derived from
 * the plain set, shared by every host that holds it, never changed: what packets change lies in a layer above.
 */
export class CompiledSet {
  readonly plain: Ipset;
  /** As `internSetName` gave it. */
  readonly id: number;
  /** Packets of another family are in no such set; 0: any (`NFPROTO_UNSPEC`). */
  readonly family: 4 | 6 | 0;
  /** `DIM_*` in order. */
  readonly dimensions: Uint8Array;
  readonly isList: boolean;
  readonly isBitmap: boolean;
  readonly hasNets: boolean;
  readonly hasIface: boolean;
  /** bitmap:port knows TCP and UDP alone, and no protocol (`ip_set_get_ip_port`). */
  readonly portsOnly: boolean;
  /** hash:ip and hash:ip,port have no element 0.0.0.0 or ::. */
  readonly refusesZero: boolean;
  /** One word, or four. */
  readonly addressMask: Int32Array;
  /** Bits of an address. */
  readonly addressBits: 32 | 128;
  readonly markMask: number;
  readonly layout: ElementLayout;
  readonly table: ElementTable;
  /** By length, of the first prefix and then of the second: how many elements have it. */
  readonly lengthCounts: Int32Array;
  readonly wildcards: readonly Wildcard[];
  /** list:set: ids of its members' names, in order. */
  readonly members: Int32Array;

  constructor(plain: Ipset) {
    this.plain = plain;
    this.id = internSetName(plain.name);
    const dimensions = dimensionsOf(plain.type);
    this.dimensions = Uint8Array.from(dimensions, (dimension) => DIMENSION_NUMBER[dimension]);
    const family = familyOf(plain);
    this.family = ANY_FAMILY.has(plain.type) ? 0 : family;
    this.isList = plain.storage.kind === "list";
    this.isBitmap = plain.storage.kind === "bitmap-ip" || plain.storage.kind === "bitmap-port";
    this.hasNets = dimensions.includes("net");
    this.hasIface = dimensions.includes("iface");
    this.portsOnly = plain.type === "bitmap:port";
    this.refusesZero = plain.type === "hash:ip" || plain.type === "hash:ip,port";
    this.addressMask = Int32Array.from(
      family === 6 ? addressMask6Of(plain.storage) : [addressMaskOf(plain.storage)],
    );
    this.addressBits = family === 6 ? 128 : 32;
    this.markMask = (plain.storage.kind === "hash" ? (plain.storage.markmask ?? -1) : -1) | 0;
    this.layout = new ElementLayout(plain);
    this.members = Int32Array.from(this.isList ? plain.entries : [], memberOf);
    this.lengthCounts = new Int32Array(2 * LENGTHS);
    const slots = this.hasIface ? plain.entries.length * 2 : plain.entries.length;
    this.table = new ElementTable(this.layout, noJournal, slots);
    const wildcards = new Map<string, Wildcard>();
    const key = new Int32Array(KEY_WORDS);
    for (const [place, entry] of plain.entries.entries()) this.fill(entry, place, key, wildcards);
    this.wildcards = [...wildcards.values()];
  }

  private fill(entry: IpsetEntry, place: number, key: Int32Array, wildcards: Map<string, Wildcard>): void {
    const { table, layout } = this;
    this.keyOf(entry, key);
    for (const part of entry.parts) {
      if (part.kind !== "iface" || !part.wildcard) continue;
      const id = internInterfaceName(part.name);
      wildcards.set(part.name, { id, pattern: new InterfaceNamePattern(`${part.name}+`) });
    }
    const slot = table.place(key);
    let state = ELEMENT_PRESENT | (entry.nomatch ? ELEMENT_NOMATCH : 0);
    if (layout.mac >= 0) {
      const mac = entry.parts[1];
      if (mac?.kind === "mac") {
        table.set(slot, layout.mac, mac.mac);
        state |= ELEMENT_FILLED;
      }
    }
    table.set(slot, layout.state, state);
    if (layout.expires >= 0) table.set(slot, layout.expires, (entry.timeout ?? 0) * HUNDREDTHS);
    if (layout.packets >= 0) {
      table.setWide(slot, layout.packets, entry.counters?.packets ?? 0);
      table.setWide(slot, layout.bytes, entry.counters?.bytes ?? 0);
    }
    if (layout.entry >= 0) table.set(slot, layout.entry, place + 1);
    this.countLengths(key, this.lengthCounts, 1);
    if (this.hasIface && listsDevice(layout, key)) {
      asNetOnly(layout, key);
      const net = table.place(key);
      table.set(net, layout.state, ELEMENT_PRESENT);
      table.set(net, layout.count, table.get(net, layout.count) + 1);
    }
  }

  /** The key of an entry. */
  keyOf(entry: IpsetEntry, key: Int32Array): void {
    const { layout } = this;
    key.fill(0);
    let address = layout.address;
    let lengthShift = 0;
    for (const [i, part] of entry.parts.entries()) {
      switch (part.kind) {
        case "net":
          writeWords(key, address, part.address);
          address = layout.second;
          if (this.dimensions[i] === DIM_NET) {
            key[layout.lengths] = (key[layout.lengths] as number) | (part.length << lengthShift);
            lengthShift += 8;
          }
          break;
        case "port":
          key[layout.port] = (part.protocol << 16) | part.port;
          break;
        case "mac":
          if (layout.mac < 0) key[layout.second] = part.mac;
          break;
        case "mark":
          key[layout.second] = part.mark;
          break;
        case "iface":
          key[layout.second] = internInterfaceName(part.name);
          key[layout.lengths] =
            (key[layout.lengths] as number) |
            (part.wildcard ? IFACE_WILDCARD : 0) |
            (part.physdev ? IFACE_PHYSDEV : 0);
          break;
        case "set":
          key[layout.second] = internSetName(part.name);
          break;
      }
    }
  }

  /** Count an element's prefix lengths in or out. */
  countLengths(key: Int32Array, counts: Int32Array, by: number): void {
    if (!this.hasNets) return;
    const lengths = key[this.layout.lengths] as number;
    const first = lengths & 0xff;
    const second = LENGTHS + ((lengths >> 8) & 0xff);
    counts[first] = (counts[first] as number) + by;
    counts[second] = (counts[second] as number) + by;
  }
}

/** Prefix lengths of either family: 0 … 128. */
export const LENGTHS = 129;
/** A second in the unit of `ElementLayout.expires`. */
export const HUNDREDTHS = 100;

/** An interface name's beginning that stands for all that begin so. */
export interface Wildcard {
  readonly id: number;
  readonly pattern: InterfaceNamePattern;
}

function memberOf(entry: IpsetEntry): number {
  const part = entry.parts[0];
  return part?.kind === "set" ? internSetName(part.name) : -1;
}

function writeWords(key: Int32Array, at: number, address: Ipv4 | Ipv6Words): void {
  if (typeof address === "number") key[at] = address;
  else for (let word = 0; word < 4; word++) key[at + word] = address[word] as number;
}

/** A bridge port is hashed apart from devices (`hash_netiface4_elem_hashed`), so it does not hide shorter prefixes. */
export function listsDevice(layout: ElementLayout, key: Int32Array): boolean {
  return ((key[layout.lengths] as number) & IFACE_PHYSDEV) === 0;
}

/** Turn the key of a net and interface into that of the net's own slot. */
export function asNetOnly(layout: ElementLayout, key: Int32Array): void {
  key[layout.second] = IFACE_ANY;
  key[layout.lengths] = (key[layout.lengths] as number) & 0xffff;
}

const compiled = new WeakMap<Ipset, CompiledSet>();

/** The compiled form of a set, made on first use and kept for as long as that version of the set lives. */
export function compileSet(plain: Ipset): CompiledSet {
  let set = compiled.get(plain);
  if (set === undefined) {
    set = new CompiledSet(plain);
    compiled.set(plain, set);
  }
  return set;
}
