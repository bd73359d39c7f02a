import { parseIpv4 } from "../../address/ipv4.ts";
import { parseIpv6 } from "../../address/ipv6.ts";
import { macNumber, parseMac } from "../../address/mac.ts";
import type { OvsField } from "./field.ts";
import { OFPP_LOCAL } from "./open-vswitch.ts";
import { unquote } from "./split-list.ts";

/** Values and masks as flows write them, as the words of their field. */

/** Port numbers that have names of their own (`OFPP_*`). */
export const OFPP_IN_PORT = 0xfff8;
export const OFPP_TABLE = 0xfff9;
export const OFPP_NORMAL = 0xfffa;
export const OFPP_FLOOD = 0xfffb;
export const OFPP_ALL = 0xfffc;
export const OFPP_CONTROLLER = 0xfffd;
export const OFPP_NONE = 0xffff;
const RESERVED: Readonly<Record<string, number>> = {
  IN_PORT: OFPP_IN_PORT,
  TABLE: OFPP_TABLE,
  NORMAL: OFPP_NORMAL,
  FLOOD: OFPP_FLOOD,
  ALL: OFPP_ALL,
  CONTROLLER: OFPP_CONTROLLER,
  LOCAL: OFPP_LOCAL,
  ANY: OFPP_NONE,
  NONE: OFPP_NONE,
};

/** A bridge's ports by name. */
export type PortNumbers = ReadonlyMap<string, number>;

/** A port by number, reserved name, or (`--names`) by its own; undefined: there is none of that name. */
export function portNumber(text: string, ports: PortNumbers): number | undefined {
  const own = unquote(text);
  if (/^(?:\d+|0x[\da-f]+)$/i.test(own)) return Number(own) & 0xffff;
  return ports.get(own) ?? RESERVED[own.toUpperCase()];
}

/** `CS_*` of `ct_state` (ovs-fields(7)). */
export const CS_NEW = 0x01;
export const CS_EST = 0x02;
export const CS_REL = 0x04;
export const CS_RPL = 0x08;
export const CS_INV = 0x10;
export const CS_TRK = 0x20;
export const CS_SNAT = 0x40;
export const CS_DNAT = 0x80;
const CT_STATES: Readonly<Record<string, number>> = {
  new: CS_NEW,
  est: CS_EST,
  rel: CS_REL,
  rpl: CS_RPL,
  inv: CS_INV,
  trk: CS_TRK,
  snat: CS_SNAT,
  dnat: CS_DNAT,
};

const TCP_FLAG_NAMES: Readonly<Record<string, number>> = {
  ...{ fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128, ns: 256 },
};

/** A value under a mask: as many words of each as the field has. */
export interface Masked {
  readonly value: Int32Array;
  readonly mask: Int32Array;
}

/** `VALUE` or `VALUE/MASK` of a field; undefined: it is none. */
export function parseMasked(text: string, field: OvsField, ports: PortNumbers): Masked | undefined {
  const all = (1n << BigInt(field.bits)) - 1n;
  if (field.form === "ct-state" || field.form === "tcp-flags") {
    const read = parseFlags(text, field.form === "ct-state" ? CT_STATES : TCP_FLAG_NAMES);
    if (read !== undefined) return masked(BigInt(read.value), BigInt(read.mask), field);
  }
  if (field.form === "frag") {
    const frag = FRAGS[text];
    return frag === undefined ? undefined : masked(BigInt(frag.value), BigInt(frag.mask), field);
  }
  if (field.form === "port") {
    const port = portNumber(text, ports);
    return port === undefined ? undefined : masked(BigInt(port), all, field);
  }
  const at = text.indexOf("/");
  const value = parseValue(at < 0 ? text : text.slice(0, at), field);
  const mask = at < 0 ? all : parseMask(text.slice(at + 1), field);
  if (value === undefined || mask === undefined || value > all || mask > all) return undefined;
  return masked(value & mask, mask, field);
}

const FRAGS: Readonly<Record<string, { value: number; mask: number }>> = {
  no: { value: 0, mask: 3 },
  yes: { value: 1, mask: 1 },
  first: { value: 1, mask: 3 },
  later: { value: 3, mask: 3 },
  not_later: { value: 0, mask: 2 },
};

/** `+trk-new`, `new|trk`. */
function parseFlags(
  text: string,
  names: Readonly<Record<string, number>>,
): { readonly value: number; readonly mask: number } | undefined {
  let value = 0;
  let mask = 0;
  if (/^(?:[+-][a-z]+)+$/.test(text)) {
    for (const [, sign, name = ""] of text.matchAll(/([+-])([a-z]+)/g)) {
      const bit = names[name];
      if (bit === undefined) return undefined;
      mask |= bit;
      if (sign === "+") value |= bit;
    }
    return { value, mask };
  }
  if (!/^[a-z]+(?:\|[a-z]+)*$/.test(text)) return undefined;
  for (const name of text.split("|")) {
    const bit = names[name];
    if (bit === undefined) return undefined;
    value |= bit;
  }
  return { value, mask: 0xfff };
}

function parseMask(text: string, field: OvsField): bigint | undefined {
  const isPrefix = (field.form === "ipv4" || field.form === "ipv6") && /^\d+$/.test(text);
  if (!isPrefix) return parseValue(text, field);
  const length = Number(text);
  if (length > field.bits) return undefined;
  return ((1n << BigInt(length)) - 1n) << BigInt(field.bits - length);
}

/** A value alone, in the form its field has or as a number. */
export function parseValue(text: string, field: OvsField): bigint | undefined {
  if (/^(?:\d+|0x[\da-f]+)$/i.test(text)) return BigInt(text);
  if (field.form === "mac") {
    const mac = parseMac(text);
    return mac === undefined ? undefined : BigInt(macNumber(mac));
  }
  // A register of 128 bits may be given an address, too.
  const four = parseIpv4(text);
  if (four !== undefined) return BigInt(four >>> 0);
  const six = field.bits === 128 ? parseIpv6(text) : undefined;
  return six?.reduce((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n);
}

export function masked(value: bigint, mask: bigint, field: OvsField): Masked {
  return { value: wordsOf(value, field.words), mask: wordsOf(mask, field.words) };
}

function wordsOf(value: bigint, words: number): Int32Array {
  const out = new Int32Array(words);
  for (let i = words - 1, left = value; i >= 0; i--, left >>= 32n) out[i] = Number(left & 0xffff_ffffn) | 0;
  return out;
}
