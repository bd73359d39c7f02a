import { type AddressFamily, IPV4, IPV6 } from "../../address/family.ts";
import { formatIpv4 } from "../../address/ipv4.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import type { Origin } from "../origin.ts";
import type { InterfaceAddress, InterfaceAddress6, Ipv6AddressFlag } from "./device.ts";
import { parseScope } from "./scope.ts";

/** Addresses as `ip -j addr` prints them: the entries of `addr_info`. */

/** Is the entry of IPv6? Tells a family that is neither. */
export function isIpv6Address(json: JsonFields): boolean {
  return json.word("family", ["inet", "inet6"]) === "inet6";
}

export function parseAddress(json: JsonFields, dev: string, origin: Origin): InterfaceAddress {
  return {
    ...parseEnds(json, IPV4, dev, origin),
    broadcast: json.optionalAddress("broadcast"),
    secondary: json.flag("secondary", false),
    label: json.optionalText("label"),
  };
}

export function parseAddress6(json: JsonFields, dev: string, origin: Origin): InterfaceAddress6 {
  return {
    ...parseEnds(json, IPV6, dev, origin),
    flags: FLAGS.filter((flag) => json.flag(flag, false)),
  };
}

function parseEnds<Address>(json: JsonFields, of: AddressFamily<Address>, dev: string, origin: Origin) {
  return {
    dev,
    address: json.addressOf(of, "local"),
    length: json.integer("prefixlen", 0, of.bits),
    scope: parseScope(json, "global"),
    peer: json.optionalAddressOf(of, "address"),
    origin,
  };
}

/** In the order in which `ip` prints them. */
const FLAGS: readonly Ipv6AddressFlag[] = [
  "secondary",
  "temporary",
  "deprecated",
  "tentative",
  "dadfailed",
  "nodad",
  "optimistic",
  "home",
  "mngtmpaddr",
  "noprefixroute",
  "autojoin",
  "dynamic",
  "stable-privacy",
];

export function formatAddress(address: InterfaceAddress): Json {
  return {
    family: "inet",
    ...formatEnds(IPV4, address),
    prefixlen: address.length,
    ...(address.broadcast === null ? {} : { broadcast: formatIpv4(address.broadcast) }),
    scope: address.scope,
    ...(address.secondary ? { secondary: true } : {}),
    ...(address.label === null ? {} : { label: address.label }),
  };
}

export function formatAddress6(address: InterfaceAddress6): Json {
  return {
    family: "inet6",
    ...formatEnds(IPV6, address),
    prefixlen: address.length,
    scope: address.scope,
    ...Object.fromEntries(address.flags.map((flag) => [flag, true])),
  };
}

function formatEnds<Address>(
  of: AddressFamily<Address>,
  { address, peer }: { readonly address: Address; readonly peer: Address | null },
): Json {
  return { local: of.format(address), ...(peer === null ? {} : { address: of.format(peer) }) };
}
