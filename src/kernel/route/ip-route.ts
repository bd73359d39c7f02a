import { type AddressFamily, IPV4, IPV6, type PrefixOf } from "../../address/family.ts";
import type { Scope } from "../device/device.ts";
import { parseScope } from "../device/scope.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import type { Origin } from "../origin.ts";
import { formatTos, parseTos } from "./dsfield.ts";
import { parseMetrics } from "./metrics.ts";
import { parseRealms, type Realms } from "./realms.ts";
import type { NextHopOf, Route, Route6, RouteOf, RouteType } from "./route.ts";
import { tableName } from "./rt-table.ts";

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

const DEFAULT = { default: 0 };

/** `ip route show table all` prints both families; a route of IPv6 has a colon somewhere, or a router preference. */
export function isIpv6Route(json: JsonFields): boolean {
  return json.mentionsIpv6(["dst", "gateway", "prefsrc", "from"]) || json.has("pref");
}

export function parseRoute(json: JsonFields, origin: Origin): Route {
  const route = parseAny(json, IPV4, origin);
  return { ...route, scope: parseScope(json, usualScope(route.type)), tos: parseTos(json) };
}

/** Of IPv6 the kernel keeps no scope and no TOS, and a metric always (`ip6_route_info_create`). */
export function parseRoute6(json: JsonFields, origin: Origin): Route6 {
  const route = parseAny(json, IPV6, origin);
  const preference = json.word("pref", ["high", "medium", "low"], "medium");
  return {
    ...route,
    metric: json.integer("metric", 0, 0xffff_ffff, usualMetric6(route)),
    ...(json.has("from") ? { from: json.prefixOf(IPV6, "from", DEFAULT) } : {}),
    ...(json.has("expires") ? { expires: json.integer("expires", 0, 0xffff_ffff, 0) } : {}),
    ...(preference === "medium" ? {} : { preference }),
  };
}

function parseAny<Address>(json: JsonFields, of: AddressFamily<Address>, origin: Origin): RouteOf<Address> {
  if (json.has("encap")) json.fault("encap", "a route that encapsulates is not modelled");
  const metrics = parseMetrics(json.objects("metrics")[0]);
  return {
    type: json.word("type", TYPES, "unicast"),
    dst: json.prefixOf(of, "dst", DEFAULT),
    table: parseTable(json, "main"),
    protocol: json.optionalText("protocol"),
    scope: "global",
    prefsrc: json.optionalAddressOf(of, "prefsrc"),
    metric: json.integer("metric", 0, 0xffff_ffff, 0),
    tos: 0,
    mtu: json.objects("metrics")[0]?.integer("mtu", 0, 0x7fff_ffff, 0) ?? 0,
    ...(metrics === undefined ? {} : { metrics }),
    nextHops: parseNextHops(json, of),
    origin,
  };
}

/** `IP6_RT_PRIO_USER`; table local has no metrics but those that are said. */
export function usualMetric6({ table }: { readonly table: string }): number {
  return table === "local" ? 0 : 1024;
}

/** What `ip route add` takes when no scope is given and `ip` then leaves out; written out where it is otherwise. */
function usualScope(type: RouteType): Scope {
  if (type === "local") return "host";
  return type === "broadcast" || type === "multicast" || type === "anycast" ? "link" : "global";
}

/** Realms by the names that `ip -j` has for both. */
export function realmsOf(
  json: JsonFields | undefined,
  from: string,
  to: string,
): { readonly realms?: Realms } {
  if (json === undefined) return {};
  const text = [json.has(from) ? json.text(from) : null, json.text(to)]
    .filter((each) => each !== null)
    .join("/");
  const realms = parseRealms(text);
  if (realms === undefined)
    json.fault(to, `${JSON.stringify(text)} is no realm: a number or a name is expected`);
  return realms === undefined ? {} : { realms };
}

/** The inverse. */
export function formatFlow(realms: Realms, from: string, to: string): Json {
  return { ...(realms.from === null ? {} : { [from]: realms.from }), [to]: realms.to };
}

/** `table`: a name of `/etc/iproute2/rt_tables`, or a number. */
export function parseTable(json: JsonFields, fallback: string): string {
  const value = json.get("table");
  if (value === undefined) return fallback;
  const isNumber = typeof value === "number" && Number.isInteger(value) && value >= 0;
  const table = isNumber ? String(value) : json.text("table");
  return tableName(table);
}

function parseNextHops<Address>(json: JsonFields, of: AddressFamily<Address>): NextHopOf<Address>[] {
  const hops = json.objects("nexthops");
  if (json.has("nexthops")) return hops.map((hop) => parseNextHop(hop, of));
  return json.has("dev") || json.has("gateway") ? [parseNextHop(json, of)] : [];
}

function parseNextHop<Address>(json: JsonFields, of: AddressFamily<Address>): NextHopOf<Address> {
  const flags = json.texts("flags");
  if (json.has("via")) json.fault("via", "a gateway of the other family is not modelled");
  return {
    dev: json.optionalText("dev"),
    gateway: json.optionalAddressOf(of, "gateway"),
    weight: json.integer("weight", 1, 256, 1),
    onlink: flags.includes("onlink"),
    // `linkdown` alone still carries traffic: with ignore_routes_with_linkdown the kernel adds `dead` itself.
    dead: flags.includes("dead"),
    ...realmsOf(json.object("flow"), "from", "to"),
  };
}

export function formatRoute(route: Route): Json {
  return formatAny(IPV4, route, {
    ...(route.scope === "global" && usualScope(route.type) === "global" ? {} : { scope: route.scope }),
    ...(route.metric === 0 ? {} : { metric: route.metric }),
  });
}

export function formatRoute6(route: Route6): Json {
  return { ...formatAny(IPV6, route, { metric: route.metric }), pref: route.preference ?? "medium" };
}

function formatAny<Address>(of: AddressFamily<Address>, route: RouteOf<Address>, own: Json): Json {
  const [first] = route.nextHops;
  const single = route.nextHops.length === 1 && first?.weight === 1 ? first : undefined;
  return {
    ...(route.type === "unicast" ? {} : { type: route.type }),
    dst: formatDestination(of, route.dst),
    ...(route.from === undefined ? {} : { from: formatDestination(of, route.from) }),
    ...(route.tos === 0 ? {} : { tos: formatTos(route.tos) }),
    ...(single === undefined ? {} : formatHopPlace(of, single)),
    ...(route.table === "main" ? {} : { table: route.table }),
    ...(route.protocol === null ? {} : { protocol: route.protocol }),
    ...own,
    ...(route.prefsrc === null ? {} : { prefsrc: of.format(route.prefsrc) }),
    flags: single === undefined ? [] : formatHopFlags(single),
    ...(route.expires === undefined ? {} : { expires: route.expires }),
    ...(route.mtu === 0 && route.metrics === undefined
      ? {}
      : { metrics: [{ ...(route.mtu === 0 ? {} : { mtu: route.mtu }), ...route.metrics }] }),
    ...(single !== undefined || first === undefined
      ? {}
      : { nexthops: route.nextHops.map((hop) => formatNextHop(of, hop)) }),
  };
}

function formatNextHop<Address>(of: AddressFamily<Address>, hop: NextHopOf<Address>): Json {
  return { ...formatHopPlace(of, hop), weight: hop.weight, flags: formatHopFlags(hop) };
}

function formatHopPlace<Address>(of: AddressFamily<Address>, hop: NextHopOf<Address>): Json {
  return {
    ...(hop.gateway === null ? {} : { gateway: of.format(hop.gateway) }),
    ...(hop.dev === null ? {} : { dev: hop.dev }),
    ...(hop.realms === undefined ? {} : { flow: formatFlow(hop.realms, "from", "to") }),
  };
}

function formatHopFlags<Address>(hop: NextHopOf<Address>): string[] {
  return [...(hop.dead ? ["dead"] : []), ...(hop.onlink ? ["onlink"] : [])];
}

/** A single address has no length, and 0.0.0.0/0 is called default. */
export function formatDestination<Address>(of: AddressFamily<Address>, dst: PrefixOf<Address>): string {
  if (dst.length === 0 && of.same(dst.address, of.any)) return "default";
  return dst.length === of.bits ? of.format(dst.address) : `${of.format(dst.address)}/${dst.length}`;
}
