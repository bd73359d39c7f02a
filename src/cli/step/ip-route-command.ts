import { type AddressFamily, IPV4, IPV6, type PrefixOf, sameOrNone } from "../../address/family.ts";
import type { Family } from "../../address/ip.ts";
import type { Scope } from "../../kernel/device/device.ts";
import { SCOPES } from "../../kernel/device/scope.ts";
import type { Host } from "../../kernel/host.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { usualMetric6 } from "../../kernel/route/ip-route.ts";
import { inOrder, LOCK, METRIC_WORDS, metricOf, type RouteMetrics } from "../../kernel/route/metrics.ts";
import { parseRealms } from "../../kernel/route/realms.ts";
import type { NextHopOf, Route, Route6, RouteOf, RouteType } from "../../kernel/route/route.ts";
import { tableName } from "../../kernel/route/rt-table.ts";
import { parseWhole } from "../number-text.ts";
import { invalid, ok, type Result } from "../result.ts";
import { findDevice, isShort, readPrefix } from "./ip-words.ts";

const ROUTE_TYPES: readonly RouteType[] = [
  "unicast",
  "local",
  "broadcast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
];

/** `ip [-6] route add|append|replace|del …` */
export function readRoute(
  host: Host,
  words: readonly string[],
  family: Family,
  origin: Origin,
): Result<Operation[]> {
  return family === 6
    ? readFor(IPV6, host, host.routes6, words, origin, (route): Route6 => route)
    : readFor(IPV4, host, host.routes, words, origin, (route): Route => route);
}

function readFor<Address>(
  of: AddressFamily<Address>,
  host: Host,
  routes: readonly RouteOf<Address>[],
  words: readonly string[],
  origin: Origin,
  plain: (route: RouteOf<Address>) => Route | Route6,
): Result<Operation[]> {
  const [command = "", ...rest] = words;
  const deletes = isShort(command, "delete", 1);
  const kind = isShort(command, "replace", 1) ? "route-replace" : "route-add";
  const known =
    deletes || kind === "route-replace" || isShort(command, "add", 1) || isShort(command, "append", 2);
  if (!known) return invalid(`ip route ${command}: is not built yet: add, append, replace and del are`);
  const given = new RouteWords(of, host, routes, rest).read();
  if (given.kind === "invalid") return given;
  if (deletes) {
    const found = routeToDelete(of, routes, given.value);
    return found === undefined
      ? invalid("ip route del: there is no such route")
      : ok([{ kind: "route-delete", route: plain(found) }]);
  }
  const route = completed(of, given.value, origin);
  if (route.kind === "invalid") return route;
  const exists = routes.some((other) => sameKey(of, other, route.value));
  if (isShort(command, "add", 2) && command !== "append" && exists)
    return invalid("ip route add: the route exists already");
  return ok([{ kind, route: plain(route.value) }]);
}

/** `NLM_F_EXCL` of `ip route add`: what `fib_table_insert` compares. */
function sameKey<Address>(of: AddressFamily<Address>, a: RouteOf<Address>, b: RouteOf<Address>): boolean {
  return (
    a.table === b.table &&
    of.same(a.dst.address, b.dst.address) &&
    a.dst.length === b.dst.length &&
    a.tos === b.tos &&
    a.metric === b.metric &&
    isSameSource(of, a.from, b.from)
  );
}

function isSameSource<Address>(
  of: AddressFamily<Address>,
  a: PrefixOf<Address> | undefined,
  b: PrefixOf<Address> | undefined,
): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && of.same(a.address, b.address);
}

/** A route as written: what was not said is null. */
interface GivenRoute<Address> {
  readonly type: RouteType;
  readonly dst: PrefixOf<Address>;
  readonly table: string;
  readonly protocol: string | null;
  readonly scope: Scope | null;
  readonly prefsrc: Address | null;
  readonly metric: number | null;
  readonly mtu: number;
  readonly metrics?: RouteMetrics;
  readonly from?: PrefixOf<Address>;
  readonly expires?: number;
  readonly preference?: "high" | "low";
  readonly hops: readonly NextHopOf<Address>[];
}

class RouteWords<Address> {
  readonly #of: AddressFamily<Address>;
  readonly #host: Host;
  readonly #routes: readonly RouteOf<Address>[];
  readonly #words: readonly string[];
  #at = 0;
  #fault: string | null = null;

  constructor(
    of: AddressFamily<Address>,
    host: Host,
    routes: readonly RouteOf<Address>[],
    words: readonly string[],
  ) {
    this.#of = of;
    this.#routes = routes;
    this.#host = host;
    this.#words = words;
  }

  read(): Result<GivenRoute<Address>> {
    const type = ROUTE_TYPES.find((each) => each === this.#words[0]) ?? "unicast";
    if (type === this.#words[0]) this.#at++;
    const dst = this.#destination();
    const given = { table: type === "local" || type === "broadcast" ? "local" : "main", mtu: 0 };
    let more: Partial<GivenRoute<Address>> = {};
    const hops: NextHopOf<Address>[] = [];
    let hop: Partial<NextHopOf<Address>> | undefined;
    while (this.#at < this.#words.length && this.#fault === null) {
      const word = this.#words[this.#at++] as string;
      if (word === "nexthop") {
        if (hop !== undefined) hops.push(this.#hop(hop, more.table));
        hop = {};
      } else if (word === "via") hop = { ...hop, gateway: this.#address() };
      else if (word === "dev") hop = { ...hop, dev: this.#device() };
      else if (word === "onlink") hop = { ...hop, onlink: true };
      else if (word === "weight") hop = { ...hop, weight: this.#number("weight", 1, 256) };
      else if (word === "realm" || word === "realms") hop = { ...hop, ...this.#realms() };
      else if (word === "mtu" || METRIC_WORDS.has(word)) more = this.#withMetric(word, more);
      else more = { ...more, ...this.#setting(word) };
    }
    if (hop !== undefined) hops.push(this.#hop(hop, more.table));
    if (this.#fault !== null) return invalid(`ip route: ${this.#fault}`);
    const unsaid = { protocol: null, scope: null, prefsrc: null, metric: null };
    return ok({ type, dst, ...given, ...unsaid, hops, ...more });
  }

  #realms(): Pick<NextHopOf<Address>, "realms"> {
    const text = this.#word("realms");
    const realms = parseRealms(text);
    if (realms === undefined) this.#fault ??= `${JSON.stringify(text)} is no realm: [FROM/]TO is expected`;
    return realms === undefined ? {} : { realms };
  }

  #setting(word: string): Partial<GivenRoute<Address>> {
    switch (word) {
      case "table":
        return { table: this.#table() };
      case "vrf":
        return { table: this.#vrf() };
      case "proto":
      case "protocol":
        return { protocol: this.#word("proto") };
      case "scope":
        return { scope: this.#scope() };
      case "src":
        return { prefsrc: this.#address() };
      case "metric":
      case "preference":
        return { metric: this.#number(word, 0, 0xffff_ffff) };
      case "expires":
        return { expires: this.#number("expires", 0, 0xffff_ffff) };
      case "pref": {
        const preference = this.#word("pref");
        if (preference === "high" || preference === "low") return { preference };
        if (preference !== "medium")
          this.#fault ??= `${JSON.stringify(preference)} is not high, medium or low`;
        return {};
      }
      case "from":
        if (this.#of.number === 4) this.#fault = "a route of IPv4 has no from: a policy rule (ip rule) has";
        return { from: this.#prefix("from") };
      default:
        this.#fault = `${JSON.stringify(word)} is not built yet`;
        return {};
    }
  }

  /** `advmss 1000`, `mtu lock 1400`, … */
  #withMetric(word: string, before: Partial<GivenRoute<Address>>): Partial<GivenRoute<Address>> {
    const isLocked = this.#words[this.#at] === "lock";
    if (isLocked) this.#at++;
    if (word === "mtu") {
      const mtu = this.#number("mtu", 0, 65_535);
      return isLocked
        ? { ...before, mtu, ...metricsOf({ ...before.metrics, [LOCK]: "mtu" }) }
        : { ...before, mtu };
    }
    const text = this.#word(word);
    const metric = metricOf(word, text);
    if (metric === undefined) this.#fault ??= `${word}: ${JSON.stringify(text)} is not a value it takes`;
    return { ...before, ...metricsOf({ ...before.metrics, ...metric }) };
  }

  #word(what: string): string {
    const word = this.#words[this.#at++];
    if (word === undefined) this.#fault ??= `${what} has nothing behind it`;
    return word ?? "";
  }

  #take<T>(result: Result<T>, standIn: T): T {
    if (result.kind === "ok") return result.value;
    this.#fault ??= result.messages.join("; ");
    return standIn;
  }

  #destination(): PrefixOf<Address> {
    return this.#prefix("the route");
  }

  #prefix(what: string): PrefixOf<Address> {
    const word = this.#word(what);
    const all = { address: this.#of.any, length: 0 };
    return word === "default" ? all : this.#take(readPrefix(this.#of, word), all);
  }

  #address(): Address {
    const word = this.#word("via");
    const address = this.#of.parse(word);
    if (address === undefined) this.#fault ??= this.#of.explain(word);
    return address ?? this.#of.any;
  }

  #device(): string {
    return this.#take(findDevice(this.#host, this.#word("dev")), null)?.name ?? "";
  }

  #number(what: string, low: number, high: number): number {
    return this.#take(parseWhole(this.#word(what), what, low, high), low);
  }

  #table(): string {
    return tableName(this.#word("table"));
  }

  /** The name of a VRF for its table. */
  #vrf(): string {
    const name = this.#word("vrf");
    const detail = this.#host.devices.find((device) => device.name === name)?.detail;
    if (detail?.kind === "vrf") return tableName(String(detail.table));
    this.#fault ??= `${JSON.stringify(name)} is no VRF of ${this.#host.name}`;
    return "main";
  }

  #scope(): Scope {
    const word = this.#word("scope");
    const scope = SCOPES.find((each) => each === word);
    if (scope === undefined) this.#fault ??= `${JSON.stringify(word)} is no scope: ${SCOPES.join(", ")}`;
    return scope ?? "global";
  }

  #hop(given: Partial<NextHopOf<Address>>, table: string = "main"): NextHopOf<Address> {
    const hop = { dev: null, gateway: null, weight: 1, onlink: false, dead: false, ...given };
    if (hop.dev !== null || hop.gateway === null) return hop;
    const { gateway } = hop;
    const towards = (name: string): string | null => deviceTowards(this.#of, this.#routes, gateway, name);
    const dev = towards(table) ?? towards("main");
    if (dev === null) this.#fault ??= "the next hop has an invalid gateway: no route on link leads to it";
    return { ...hop, dev };
  }
}

function metricsOf(metrics: RouteMetrics): { readonly metrics?: RouteMetrics } {
  const ordered = inOrder(metrics);
  return ordered === undefined ? {} : { metrics: ordered };
}

/** Where the kernel finds a gateway: the longest prefix of a table that is on link (`fib_check_nh`: the route's own first). */
function deviceTowards<Address>(
  of: AddressFamily<Address>,
  routes: readonly RouteOf<Address>[],
  gateway: Address,
  table: string,
): string | null {
  let best: RouteOf<Address> | null = null;
  for (const route of routes) {
    const isOnLink = route.table === table && route.type === "unicast" && route.nextHops[0]?.gateway === null;
    if (isOnLink && of.contains(route.dst, gateway) && (best === null || route.dst.length > best.dst.length))
      best = route;
  }
  return best?.nextHops[0]?.dev ?? null;
}

/** What `ip route add` and the kernel fill in. */
function completed<Address>(
  of: AddressFamily<Address>,
  given: GivenRoute<Address>,
  origin: Origin,
): Result<RouteOf<Address>> {
  const { type, hops } = given;
  const needsHop = type === "unicast" || type === "local" || type === "broadcast";
  if (needsHop && hops.length === 0) return invalid("ip route: via or dev is expected");
  const onLink = hops.length > 0 && hops.every((hop) => hop.gateway === null);
  const usual =
    type === "local" ? "host" : type === "broadcast" || (type === "unicast" && onLink) ? "link" : "global";
  const { hops: nextHops, metric, ...rest } = given;
  return ok({
    ...rest,
    protocol: given.protocol ?? "boot",
    // IPv6 keeps no scopes, and a metric always.
    scope: of.number === 6 ? "global" : (given.scope ?? usual),
    metric: metric ?? (of.number === 6 ? usualMetric6(given) : 0),
    tos: 0,
    nextHops,
    origin,
  });
}

/** The first route that has all that was said (`fib_table_delete`). */
function routeToDelete<Address>(
  of: AddressFamily<Address>,
  routes: readonly RouteOf<Address>[],
  given: GivenRoute<Address>,
): RouteOf<Address> | undefined {
  return routes.find(
    (route) =>
      route.table === given.table &&
      of.same(route.dst.address, given.dst.address) &&
      route.dst.length === given.dst.length &&
      (given.from === undefined || isSameSource(of, route.from, given.from)) &&
      (given.type === "unicast" || route.type === given.type) &&
      (given.metric === null || route.metric === given.metric) &&
      (given.protocol === null || route.protocol === given.protocol) &&
      (given.scope === null || route.scope === given.scope) &&
      given.hops.every((hop) => route.nextHops.some((other) => matchesHop(of, other, hop))),
  );
}

function matchesHop<Address>(
  of: AddressFamily<Address>,
  hop: NextHopOf<Address>,
  said: NextHopOf<Address>,
): boolean {
  const isGateway = said.gateway === null || sameOrNone(of, hop.gateway, said.gateway);
  return isGateway && hop.dev === (said.dev ?? hop.dev);
}
