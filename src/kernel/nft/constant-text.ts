import { formatIpv4, parseIpv4 } from "../../address/ipv4.ts";
import { formatIpv6Ntop, parseIpv6 } from "../../address/ipv6.ts";
import { formatProtocol, parseProtocol } from "../netfilter/save/protocol.ts";
import { dataType, symbolName, symbolValue } from "./datatype.ts";
import type { NftConstant } from "./expression.ts";

/**
 * Constants of nftables' data types as text. A value is kept as a number, in host order; texts are kept where no number holds them.
 */

/** What /etc/protocols calls the number that iptables takes for all. */
const PROTOCOL_0 = "ip";

/** A constant of a type from a word as nft writes it; undefined for what is none. */
export function parseConstant(typeName: string, word: string, quoted: boolean): NftConstant | undefined {
  const { form, bits } = dataType(typeName);
  const constant = (value: number | string | undefined): NftConstant | undefined =>
    value === undefined ? undefined : { kind: "constant", type: typeName, value };
  switch (form) {
    case "ipv4":
      return constant(parseIpv4(word));
    case "ipv6": {
      const words = parseIpv6(word);
      return constant(words === undefined ? undefined : formatIpv6Ntop(words));
    }
    case "mac":
      return constant(/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(word) ? canonicalMac(word) : undefined);
    case "quoted":
      return constant(word);
    case "protocol":
      return constant(word === PROTOCOL_0 ? 0 : parseProtocol(word));
    case "classid":
      return constant(word);
    case "raw": {
      // Of a place in a header nft knows no type, but its set's elements have one.
      const address = ["ipv4_addr", "ipv6_addr", "ether_addr"].find(
        (name) => /[.:]/.test(word) && parseConstant(name, word, false) !== undefined,
      );
      if (address !== undefined) return parseConstant(address, word, false);
      break;
    }
    case "time":
      return constant(/^\d+$/.test(word) ? `${word}s` : word);
    default:
      break;
  }
  const symbol = symbolValue(typeName, word);
  if (symbol !== undefined) return constant(symbol);
  if (quoted || !/^(0x[0-9a-f]+|\d+)$/i.test(word)) return undefined;
  const value = Number(word);
  return bits > 0 && bits < 53 && value >= 2 ** bits ? undefined : constant(value);
}

function canonicalMac(word: string): string {
  return word
    .split(":")
    .map((byte) => byte.padStart(2, "0").toLowerCase())
    .join(":");
}

/** A constant as nft prints it. */
export function formatConstant({ type: typeName, value }: NftConstant): string {
  const { form } = dataType(typeName);
  if (typeof value === "string") return form === "quoted" ? `"${value}"` : value;
  if (form === "ipv4") return formatIpv4(value);
  if (form === "protocol") return value === 0 ? PROTOCOL_0 : formatProtocol(value);
  if (form === "raw") return `0x${value.toString(16)}`;
  if (form === "hex") return `0x${value.toString(16).padStart(8, "0")}`;
  const symbol = symbolName(typeName, value);
  if (symbol !== undefined) return typeName === "devgroup" ? `"${symbol}"` : symbol;
  if (form === "name" && dataType(typeName).isBitmask) return `0x${value.toString(16)}`;
  return form === "byte" ? `0x${value.toString(16).padStart(2, "0")}` : String(value);
}

/** An end of a range: nft prints no names in it (`range_expr_print`). */
export function formatNumeric(constant: NftConstant): string {
  const { type: typeName, value } = constant;
  const { form } = dataType(typeName);
  return typeof value === "number" && (form === "name" || form === "protocol")
    ? String(value)
    : formatConstant(constant);
}
