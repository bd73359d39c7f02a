import { parseIpv6 } from "../../../address/ipv6.ts";
import { parseMac } from "../../../address/mac.ts";
import { maskWord } from "../../../address/prefix6.ts";
import { LABEL_WORDS } from "../../conntrack/extensions.ts";
import { internInterfaceName } from "../../device/interface-name.ts";
import type { BinaryOperator, NftConstant, NftExpression } from "../expression.ts";
import { parseTime } from "../text/time.ts";

/**
 * Constants as the words of registers: one signed 32-bit word, four for an IPv6 address. Link-layer addresses and names
 * of interfaces are the handles that packets and devices carry.
 */
export function wordsOfType(type: string): number {
  return type === "ipv6_addr" || type === "ct_label" ? 4 : 1;
}

/** The words of a constant; null where the walk has no value to compare with. */
export function constantWords({ type, value }: NftConstant): readonly number[] | null {
  if (type === "ct_label" && typeof value === "number") return labelWords(value);
  if (typeof value === "number") return value > 0xffff_ffff ? null : [value | 0];
  switch (type) {
    case "ipv6_addr":
      return parseIpv6(value)?.map((word) => word | 0) ?? null;
    case "ether_addr": {
      const mac = parseMac(value);
      return mac === undefined ? null : [mac];
    }
    case "ifname":
    case "iface_index":
      return [internInterfaceName(value)];
    case "time": {
      const ms = parseTime(value);
      return ms === undefined ? null : [Math.min(ms, 0x7fffffff)];
    }
    default:
      return null;
  }
}

/** A label is named by its bit's number. */
function labelWords(bit: number): readonly number[] | null {
  if (bit >= LABEL_WORDS * 32) return null;
  return Array.from({ length: LABEL_WORDS }, (_, i) => (bit >> 5 === i ? 1 << (bit & 31) : 0));
}

/** The words of an expression that needs no packet: constants, flags, and what operators make of them. */
export function foldWords(expression: NftExpression): readonly number[] | null {
  switch (expression.kind) {
    case "constant":
      return constantWords(expression);
    case "list": {
      const all = expression.values.map((value) => constantWords(value) ?? [0]);
      return (all[0] ?? [0]).map((_, i) => all.reduce((bits, words) => bits | (words[i] ?? 0), 0));
    }
    case "binary": {
      const left = foldWords(expression.left);
      const right = foldWords(expression.right);
      if (left === null || right === null || left.length !== right.length) return null;
      const { op } = expression;
      if (left.length > 1 && isShift(op)) return null;
      return left.map((word, i) => operate(op, word, right[i] as number));
    }
    case "concat": {
      const words: number[] = [];
      for (const part of expression.parts) {
        const own = foldWords(part);
        if (own === null) return null;
        words.push(...own);
      }
      return words;
    }
    default:
      return null;
  }
}

/** Shifts move bits from word to word, which is done for one word alone. */
export function isShift(op: BinaryOperator): boolean {
  return op === "<<" || op === ">>";
}

/** Runs per packet. */
export function operate(op: BinaryOperator, left: number, right: number): number {
  switch (op) {
    case "&":
      return left & right;
    case "|":
      return left | right;
    case "^":
      return left ^ right;
    case "<<":
      return left << right;
    case ">>":
      return (left >>> right) | 0;
    default:
      op satisfies never;
      return 0;
  }
}

/** First and last value of a key's part, inclusive; null where the walk cannot tell. */
export function boundsOf(
  expression: NftExpression,
): { readonly from: readonly number[]; readonly to: readonly number[] } | null {
  switch (expression.kind) {
    case "range": {
      const from = constantWords(expression.from);
      const to = constantWords(expression.to);
      return from === null || to === null ? null : { from, to };
    }
    case "prefix": {
      const words = constantWords(expression.address);
      if (words === null) return null;
      const masks = words.map((_, i) => maskWord(expression.length, i));
      return {
        from: words.map((word, i) => word & (masks[i] as number)),
        to: words.map((word, i) => word | ~(masks[i] as number)),
      };
    }
    case "any":
      return { from: [0, 0, 0, 0], to: [-1, -1, -1, -1] };
    default: {
      const words = foldWords(expression);
      return words === null ? null : { from: words, to: words };
    }
  }
}

/** Does a name of an interface stand for all that begin so? */
export function wildcardPrefix(expression: NftExpression): string | null {
  if (expression.kind !== "constant" || expression.type !== "ifname") return null;
  const { value } = expression;
  return typeof value === "string" && value.endsWith("*") ? value.slice(0, -1) : null;
}
