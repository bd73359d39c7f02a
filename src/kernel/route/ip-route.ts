import { formatIpv4 } from "../../address/ipv4.ts";
import { formatPrefix4, type Prefix4 } from "../../address/prefix.ts";
import type { Scope } from "../device/device.ts";
import { parseScope } from "../device/scope.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import type { Origin } from "../origin.ts";
import { formatTos, parseTos } from "./dsfield.ts";
import type { NextHop, Route, RouteType } from "./route.ts";

/** Routes as `ip -j route show table all` prints them: what is usual is left out. */

const TYPES: readonly RouteType[] = [
  "unicast",
  "local",
  "broadcast",
  "multicast",
  "anycast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
];

const DEFAULT: ReadonlyMap<string, Prefix4> = new Map([["default", { address: 0, length: 0 }]]);

/** `ip route show table all` prints both families; a route of IPv6 has a colon somewhere, or a router preference. */
export function isIpv6Route(json: JsonFields): boolean {
  const six = ["dst", "gateway", "prefsrc", "from"].filter((name) =>
    String(json.get(name) ?? "").includes(":"),
  );
  for (const name of six) json.checkIpv6(name);
  return six.length > 0 || json.has("pref");
}

export function parseRoute(json: JsonFields, origin: Origin): Route {
  const type = json.word("type", TYPES, "unicast");
  if (json.has("encap")) json.fault("encap", "a route that encapsulates is not modelled");
  return {
    type,
    dst: json.prefix("dst", DEFAULT),
    table: parseTable(json, "main"),
    protocol: json.optionalText("protocol"),
    scope: parseScope(json, usualScope(type)),
    prefsrc: json.optionalAddress("prefsrc"),
    metric: json.integer("metric", 0, 0xffff_ffff, 0),
    tos: parseTos(json),
    mtu: json.objects("metrics")[0]?.integer("mtu", 0, 0x7fff_ffff, 0) ?? 0,
    nextHops: parseNextHops(json),
    origin,
  };
}

/** What `ip route add` takes when no scope is given and `ip` then leaves out; written out where it is otherwise. */
function usualScope(type: RouteType): Scope {
  if (type === "local") return "host";
  return type === "broadcast" || type === "multicast" || type === "anycast" ? "link" : "global";
}

/** `table`: a name of `/etc/iproute2/rt_tables`, or a number. */
export function parseTable(json: JsonFields, fallback: string): string {
  const value = json.get("table");
  if (value === undefined) return fallback;
  const isNumber = typeof value === "number" && Number.isInteger(value) && value >= 0;
  const table = isNumber ? String(value) : json.text("table");
  return TABLES_BY_NUMBER.get(table) ?? table;
}

const TABLES_BY_NUMBER: ReadonlyMap<string, string> = new Map([
  ["253", "default"],
  ["254", "main"],
  ["255", "local"],
]);

function parseNextHops(json: JsonFields): NextHop[] {
  const hops = json.objects("nexthops");
  if (json.has("nexthops")) return hops.map(parseNextHop);
  return json.has("dev") || json.has("gateway") ? [parseNextHop(json)] : [];
}

function parseNextHop(json: JsonFields): NextHop {
  const flags = json.texts("flags");
  if (json.has("via")) json.fault("via", "a gateway of the other family is not modelled");
  return {
    dev: json.optionalText("dev"),
    gateway: json.optionalAddress("gateway"),
    weight: json.integer("weight", 1, 256, 1),
    onlink: flags.includes("onlink"),
    // `linkdown` alone still carries traffic: with ignore_routes_with_linkdown the kernel adds `dead` itself.
    dead: flags.includes("dead"),
  };
}

export function formatRoute(route: Route): Json {
  const [first] = route.nextHops;
  const single = route.nextHops.length === 1 && first?.weight === 1 ? first : undefined;
  return {
    ...(route.type === "unicast" ? {} : { type: route.type }),
    dst: formatDestination(route.dst),
    ...(route.tos === 0 ? {} : { tos: formatTos(route.tos) }),
    ...(single === undefined ? {} : formatHopPlace(single)),
    ...(route.table === "main" ? {} : { table: route.table }),
    ...(route.protocol === null ? {} : { protocol: route.protocol }),
    ...(route.scope === "global" && usualScope(route.type) === "global" ? {} : { scope: route.scope }),
    ...(route.prefsrc === null ? {} : { prefsrc: formatIpv4(route.prefsrc) }),
    ...(route.metric === 0 ? {} : { metric: route.metric }),
    flags: single === undefined ? [] : formatHopFlags(single),
    ...(route.mtu === 0 ? {} : { metrics: [{ mtu: route.mtu }] }),
    ...(single !== undefined || first === undefined ? {} : { nexthops: route.nextHops.map(formatNextHop) }),
  };
}

function formatNextHop(hop: NextHop): Json {
  return { ...formatHopPlace(hop), weight: hop.weight, flags: formatHopFlags(hop) };
}

function formatHopPlace(hop: NextHop): Json {
  return {
    ...(hop.gateway === null ? {} : { gateway: formatIpv4(hop.gateway) }),
    ...(hop.dev === null ? {} : { dev: hop.dev }),
  };
}

function formatHopFlags(hop: NextHop): string[] {
  return [...(hop.dead ? ["dead"] : []), ...(hop.onlink ? ["onlink"] : [])];
}

/** A single address has no length, and 0.0.0.0/0 is called default. */
export function formatDestination(dst: Prefix4): string {
  if (dst.length === 0 && dst.address === 0) return "default";
  return dst.length === 32 ? formatIpv4(dst.address) : formatPrefix4(dst);
}
