import { type AddressFamily, IPV4, type PrefixOf } from "../address/family.ts";
import type { Ipv4 } from "../address/ipv4.ts";
import { type Mac, parseMac } from "../address/mac.ts";
import { suggestion } from "./nearest-word.ts";

/**
 * Reading what `ip -j` and `bridge -j` print, field by field. A field that is missing or wrong is reported with its
 * path and reading goes on with a stand-in, so that one pass finds all faults; whoever asked looks at `Faults` before it
 * believes a value.
 */
export interface Fault {
  /** Path from the top of the document: `hosts.node1.links[2].mtu`. */
  readonly field: string;
  readonly message: string;
}

/** The faults of a whole input, the first of them kept, all counted. */
export class Faults {
  readonly kept: Fault[] = [];
  readonly #limit: number;
  count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(field: string, message: string): void {
    this.count++;
    if (this.kept.length < this.#limit) this.kept.push({ field, message });
  }
}

export type Json = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `path` with a key behind it: `.name`, or `["a b"]` where the key is no plain word. */
export function fieldOf(path: string, key: string): string {
  if (path === "") return /^[\w-]+$/.test(key) ? key : `[${JSON.stringify(key)}]`;
  return /^[\w-]+$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

/** What a JSON value is, for a message. */
export function describeJson(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export class JsonFields {
  readonly path: string;
  readonly json: Json;
  readonly faults: Faults;

  constructor(json: Json, path: string, faults: Faults) {
    this.json = json;
    this.path = path;
    this.faults = faults;
  }

  /** Present at all: iproute2 prints flags such as `"not": null`. */
  has(name: string): boolean {
    return Object.hasOwn(this.json, name);
  }

  get(name: string): unknown {
    return Object.hasOwn(this.json, name) ? this.json[name] : undefined;
  }

  fault(name: string, message: string): void {
    this.faults.add(fieldOf(this.path, name), message);
  }

  /** Text that must be there and not be empty. */
  text(name: string): string {
    const value = this.get(name);
    if (typeof value === "string" && value !== "") return value;
    this.#expected(name, value === "" ? undefined : value, "a text");
    return "";
  }

  optionalText(name: string): string | null {
    const value = this.get(name);
    if (value === undefined || value === null) return null;
    if (typeof value === "string") return value;
    this.#expected(name, value, "a text");
    return null;
  }

  /** A whole number from `low` to `high`. Without `fallback` the field must be there. */
  integer(name: string, low: number, high: number, fallback?: number): number {
    const value = this.get(name);
    if (value === undefined && fallback !== undefined) return fallback;
    if (typeof value === "number" && Number.isInteger(value) && value >= low && value <= high) return value;
    this.#expected(name, value, `a whole number from ${low} to ${high}`);
    return fallback ?? low;
  }

  /** true or false; iproute2 also prints some as 1 or 0. */
  flag(name: string, fallback: boolean): boolean {
    const value = this.get(name);
    if (value === undefined) return fallback;
    if (value === true || value === 1) return true;
    if (value === false || value === 0) return false;
    this.#expected(name, value, "true or false");
    return fallback;
  }

  /** One of a closed set of words. Without `fallback` the field must be there. */
  word<W extends string>(name: string, words: readonly W[], fallback?: W): W {
    const value = this.get(name);
    if (value === undefined && fallback !== undefined) return fallback;
    const found = words.find((word) => word === value);
    if (found !== undefined) return found;
    const wanted = `one of ${words.map((word) => (word === "" ? '""' : word)).join(", ")}`;
    if (typeof value === "string") {
      this.fault(name, `${JSON.stringify(value)} is not ${wanted}${suggestion(value, words)}`);
    } else this.#expected(name, value, wanted);
    return fallback ?? (words[0] as W);
  }

  /** A list of texts; a missing field is an empty list. */
  texts(name: string): readonly string[] {
    const value = this.get(name);
    if (value === undefined) return [];
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    this.#expected(name, value, "a list of texts");
    return [];
  }

  address(name: string): Ipv4 {
    return this.addressOf(IPV4, name);
  }

  optionalAddress(name: string): Ipv4 | null {
    return this.optionalAddressOf(IPV4, name);
  }

  addressOf<Address>(of: AddressFamily<Address>, name: string): Address {
    return this.optionalAddressOf(of, name) ?? this.#missing(name, `an ${of.name} address`, of.any);
  }

  optionalAddressOf<Address>(of: AddressFamily<Address>, name: string): Address | null {
    const value = this.get(name);
    if (value === undefined || value === null) return null;
    const address = typeof value === "string" ? of.parse(value) : undefined;
    if (address !== undefined) return address;
    if (typeof value === "string") this.fault(name, of.explain(value));
    else this.#expected(name, value, `an ${of.name} address`);
    return of.any;
  }

  /** An address, alone or with a length, or one of the words that stand for all zeros and a length (`default`: 0). */
  prefixOf<Address>(
    of: AddressFamily<Address>,
    name: string,
    words: Readonly<Record<string, number>>,
  ): PrefixOf<Address> {
    const value = this.get(name);
    if (typeof value !== "string") {
      this.#expected(name, value, `an ${of.name} prefix`);
      return { address: of.any, length: 0 };
    }
    const length = Object.hasOwn(words, value) ? words[value] : undefined;
    const prefix = length === undefined ? of.parsePrefix(value) : { address: of.any, length };
    if (prefix !== undefined) return prefix;
    this.fault(name, value.includes("/") ? of.explainPrefix(value) : of.explain(value));
    return { address: of.any, length: 0 };
  }

  /** Is there a colon in any of these fields, as in all addresses of IPv6? */
  mentionsIpv6(names: readonly string[]): boolean {
    return names.some((name) => String(this.get(name) ?? "").includes(":"));
  }

  mac(name: string): Mac {
    const value = this.get(name);
    const mac = typeof value === "string" ? parseMac(value) : undefined;
    if (mac !== undefined) return mac;
    this.#expected(name, value, "a MAC address such as 02:42:ac:11:00:02");
    return 0;
  }

  /** A number written as `0x1f`, as decimal text or as a number, of at most 32 bits. */
  number32(name: string): number {
    const value = this.get(name);
    const digits = typeof value === "number" ? String(value) : value;
    if (typeof digits === "string" && /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(digits)) {
      const number = Number(digits);
      if (number <= 0xffff_ffff) return number;
    }
    this.#expected(name, value, "a number of 32 bits such as 0x4000");
    return 0;
  }

  /** The object in a field; undefined when there is none. */
  object(name: string): JsonFields | undefined {
    const value = this.get(name);
    if (value === undefined || value === null) return undefined;
    if (isJsonObject(value)) return new JsonFields(value, fieldOf(this.path, name), this.faults);
    this.#expected(name, value, "an object");
    return undefined;
  }

  /** The objects of a list; none where the field is missing. iproute2 prints `{}` for what a filter left out. */
  objects(name: string): JsonFields[] {
    const value = this.get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value)) {
      this.#expected(name, value, "a list");
      return [];
    }
    const path = fieldOf(this.path, name);
    const found: JsonFields[] = [];
    for (const [i, item] of (value as readonly unknown[]).entries()) {
      if (isJsonObject(item)) {
        if (Object.keys(item).length > 0) found.push(new JsonFields(item, `${path}[${i}]`, this.faults));
      } else this.faults.add(`${path}[${i}]`, `an object is expected here, not ${describeJson(item)}`);
    }
    return found;
  }

  #missing<T>(name: string, wanted: string, standIn: T): T {
    this.#expected(name, this.get(name), wanted);
    return standIn;
  }

  #expected(name: string, value: unknown, wanted: string): void {
    const found = describeJson(value);
    if (value === undefined) this.fault(name, `is missing: ${wanted} is expected`);
    else this.fault(name, `${found} is not ${wanted}`);
  }
}
