import { formatIpv6, parseIpv6 } from "../../src/address/ipv6.ts";

/**
 * The same objects with the families exchanged: every IPv4 address in them an IPv6 one, `10.96.0.10` as `fd00:10:96::10`, and
 * every IPv6 one an IPv4 one, so that the IPv6 proxier has as much to do as the other had. All else stays.
 */
export function exchanged(value: unknown): unknown {
  if (typeof value === "string") return exchangedText(value);
  if (Array.isArray(value)) return value.map(exchanged);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, exchanged(one)]));
}

function exchangedText(text: string): string {
  if (text === "IPv4" || text === "IPv6") return text === "IPv4" ? "IPv6" : "IPv4";
  const four = /^(\s*)(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?(\s*)$/.exec(text);
  if (four !== null) {
    const [, before = "", a, b, c, d, length, after = ""] = four;
    const bytes = [a, b, c, d].map(Number);
    const words = bytes[0] === 127 ? "::1" : `fd00:${bytes.slice(0, 3).join(":")}::${bytes[3]}`;
    const address = bytes.every((byte) => byte === 0) ? "::" : canonical(words);
    const longest = bytes[0] === 127 ? 128 : longer(Number(length));
    return `${before}${address}${length === undefined ? "" : `/${longest}`}${after}`;
  }
  if (!/^[0-9a-f]*:[0-9a-f:]*(\/\d+)?$/.test(text)) return text;
  return text.includes("/") ? "10.99.0.0/16" : `10.99.0.${text.length}`;
}

/** The first sixteen bits are `fd00`; the last byte of four stands in the last sixteen. */
function longer(length: number): number {
  if (length === 0) return 0;
  return length <= 24 ? length * 2 + 16 : length === 32 ? 128 : 112;
}

function canonical(text: string): string {
  const words = parseIpv6(text);
  if (words === undefined) throw new Error(`${text} is no address`);
  return formatIpv6(words);
}
