import { formatIpv4 } from "../../address/ipv4.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import type { Origin } from "../origin.ts";
import type { InterfaceAddress } from "./device.ts";
import { parseScope } from "./scope.ts";

/** Addresses as `ip -j addr` prints them: the entries of `addr_info`. */

/** A family of its own that is not IPv4; tells a family that neither is. */
export function isIpv6Address(json: JsonFields): boolean {
  const family = json.word("family", ["inet", "inet6"]);
  if (family === "inet6") json.checkIpv6("local");
  return family === "inet6";
}

export function parseAddress(json: JsonFields, dev: string, origin: Origin): InterfaceAddress {
  return {
    dev,
    address: json.address("local"),
    length: json.integer("prefixlen", 0, 32),
    broadcast: json.optionalAddress("broadcast"),
    scope: parseScope(json, "global"),
    secondary: json.flag("secondary", false),
    peer: json.optionalAddress("address"),
    label: json.optionalText("label"),
    origin,
  };
}

export function formatAddress(address: InterfaceAddress): Json {
  return {
    family: "inet",
    local: formatIpv4(address.address),
    ...(address.peer === null ? {} : { address: formatIpv4(address.peer) }),
    prefixlen: address.length,
    ...(address.broadcast === null ? {} : { broadcast: formatIpv4(address.broadcast) }),
    scope: address.scope,
    ...(address.secondary ? { secondary: true } : {}),
    ...(address.label === null ? {} : { label: address.label }),
  };
}
