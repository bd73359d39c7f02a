import type { Family } from "../../address/ip.ts";
import { ICMP_NAMES, type IcmpName } from "../icmp/type-names.ts";

/**
 * ICMP and ICMPv6 types and codes by the names ipset prints (ipset's lib/icmp.c and lib/icmpv6.c): iptables' own, less those
 * that stand for several codes, and those it learned later.
 */
const NAMES: Readonly<Record<Family, readonly IcmpName[]>> = {
  4: ownNames(ICMP_NAMES[4]),
  6: [
    ...ownNames(ICMP_NAMES[6]),
    // as it spells them, beside the right ones
    ["neigbour-solicitation", 135, 0],
    ["neigbour-advertisement", 136, 0],
  ],
};

function ownNames(names: readonly IcmpName[]): readonly IcmpName[] {
  const UNKNOWN = /^(beyond-scope|failed-policy|reject-route|neighbor-.*)$/;
  const hasCodes = (type: number) => names.some(([, other, code]) => other === type && code !== null);
  return names
    .filter(([name, type, code]) => !UNKNOWN.test(name) && (code !== null || !hasCodes(type)))
    .map(([name, type, code]) => [name, type, code ?? 0]);
}

/** Type × 256 + code of a name, or of `type/code`; undefined for neither. */
export function parseIcmpPort(text: string, family: Family): number | undefined {
  const numbers = /^(\d{1,3})\/(\d{1,3})$/.exec(text);
  if (numbers !== null) {
    const type = Number(numbers[1]);
    const code = Number(numbers[2]);
    return type <= 255 && code <= 255 ? type * 256 + code : undefined;
  }
  const named = NAMES[family].find(([name]) => name === text);
  return named === undefined ? undefined : named[1] * 256 + (named[2] ?? 0);
}

export function formatIcmpPort(port: number, family: Family): string {
  const type = port >> 8;
  const code = port & 0xff;
  const named = NAMES[family].find(([, t, c]) => t === type && c === code);
  return named === undefined ? `${type}/${code}` : named[0];
}
