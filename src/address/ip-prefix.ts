import { IPV4, IPV6, type PrefixOf } from "./family.ts";
import { formatIp, type IpAddress } from "./ip.ts";
import { covers, lastOf, networkOf, type Prefix4, parsePrefix4 } from "./prefix.ts";
import { covers6, maskWord, networkOf6, type Prefix6, parsePrefix6 } from "./prefix6.ts";

/** A prefix of either family in plain state. */
export type IpPrefix = Prefix4 | Prefix6;

/** `address/length` of either family, each as strictly as its own parser. */
export function parseIpPrefix(text: string): IpPrefix | undefined {
  return text.includes(":") ? parsePrefix6(text) : parsePrefix4(text);
}

export function formatIpPrefix({ address, length }: IpPrefix): string {
  return `${formatIp(address)}/${length}`;
}

/** Does the address lie in the prefix? One of the other family lies in none. */
export function liesIn(prefix: IpPrefix, address: IpAddress): boolean {
  if (isOf4(prefix)) return typeof address === "number" && IPV4.contains(prefix, address);
  return typeof address !== "number" && IPV6.contains(prefix, address);
}

/** Is every address of `inner` one of `outer`? */
export function coversIp(outer: IpPrefix, inner: IpPrefix): boolean {
  if (isOf4(outer)) return isOf4(inner) && covers(outer, inner);
  return !isOf4(inner) && covers6(outer, inner);
}

/** Of two prefixes that share an address, one covers the other. */
export function overlapIp(a: IpPrefix, b: IpPrefix): boolean {
  return coversIp(a, b) || coversIp(b, a);
}

/** The same prefix with its host bits cleared. */
export function networkOfIp(prefix: IpPrefix): IpPrefix {
  return isOf4(prefix) ? networkOf(prefix) : networkOf6(prefix);
}

function isOf4(prefix: PrefixOf<IpAddress>): prefix is Prefix4 {
  return typeof prefix.address === "number";
}

/** The address so many before a prefix's last one, `back` below 2³² and below the prefix's size. */
export function addressFromEnd(prefix: IpPrefix, back: number): IpAddress {
  if (isOf4(prefix)) return (lastOf(prefix) - back) | 0;
  const [a, b, c, d] = networkOf6(prefix).address;
  const host = (word: number, i: number): number => (word | ~maskWord(prefix.length, i)) >>> 0;
  return [host(a, 0), host(b, 1), host(c, 2), host(d, 3) - back];
}
