import { explainIpv4, type Ipv4, parseIpv4 } from "../../address/ipv4.ts";
import { contains, type Prefix4 } from "../../address/prefix.ts";
import { SCOPES } from "../../kernel/device/scope.ts";
import type { Host } from "../../kernel/host.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { NextHop, Route, RouteType } from "../../kernel/route/route.ts";
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

/** `ip route add|append|replace|del …` */
export function readRoute(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const [command = "", ...rest] = words;
  const deletes = isShort(command, "delete", 1);
  const kind = isShort(command, "replace", 1) ? "route-replace" : "route-add";
  const known =
    deletes || kind === "route-replace" || isShort(command, "add", 1) || isShort(command, "append", 2);
  if (!known) return invalid(`ip route ${command}: is not built yet: add, append, replace and del are`);
  const given = new RouteWords(host, rest).read();
  if (given.kind === "invalid") return given;
  if (deletes) return deleteRoute(host, given.value);
  const route = completed(given.value, origin);
  if (route.kind === "invalid") return route;
  const exists = host.routes.some((other) => sameKey(other, route.value));
  if (isShort(command, "add", 2) && command !== "append" && exists)
    return invalid("ip route add: the route exists already");
  return ok([{ kind, route: route.value }]);
}

/** `NLM_F_EXCL` of `ip route add`: what `fib_table_insert` compares. */
function sameKey(a: Route, b: Route): boolean {
  return (
    a.table === b.table &&
    a.dst.address === b.dst.address &&
    a.dst.length === b.dst.length &&
    a.tos === b.tos &&
    a.metric === b.metric
  );
}

/** A route as written: what was not said is null. */
interface GivenRoute {
  readonly type: RouteType;
  readonly dst: Prefix4;
  readonly table: string;
  readonly protocol: string | null;
  readonly scope: Route["scope"] | null;
  readonly prefsrc: Ipv4 | null;
  readonly metric: number | null;
  readonly mtu: number;
  readonly hops: readonly NextHop[];
}

class RouteWords {
  readonly #host: Host;
  readonly #words: readonly string[];
  #at = 0;
  #fault: string | null = null;

  constructor(host: Host, words: readonly string[]) {
    this.#host = host;
    this.#words = words;
  }

  read(): Result<GivenRoute> {
    const type = ROUTE_TYPES.find((each) => each === this.#words[0]) ?? "unicast";
    if (type === this.#words[0]) this.#at++;
    const dst = this.#destination();
    const given = { table: type === "local" || type === "broadcast" ? "local" : "main", mtu: 0 };
    let more: Partial<GivenRoute> = {};
    const hops: NextHop[] = [];
    let hop: Partial<NextHop> | undefined;
    while (this.#at < this.#words.length && this.#fault === null) {
      const word = this.#words[this.#at++] as string;
      if (word === "nexthop") {
        if (hop !== undefined) hops.push(this.#hop(hop));
        hop = {};
      } else if (word === "via") hop = { ...hop, gateway: this.#address() };
      else if (word === "dev") hop = { ...hop, dev: this.#device() };
      else if (word === "onlink") hop = { ...hop, onlink: true };
      else if (word === "weight") hop = { ...hop, weight: this.#number("weight", 1, 256) };
      else more = { ...more, ...this.#setting(word) };
    }
    if (hop !== undefined) hops.push(this.#hop(hop));
    if (this.#fault !== null) return invalid(`ip route: ${this.#fault}`);
    const unsaid = { protocol: null, scope: null, prefsrc: null, metric: null };
    return ok({ type, dst, ...given, ...unsaid, hops, ...more });
  }

  #setting(word: string): Partial<GivenRoute> {
    switch (word) {
      case "table":
        return { table: this.#table() };
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
      case "mtu":
        return { mtu: this.#number("mtu", 0, 65_535) };
      default:
        this.#fault = `${JSON.stringify(word)} is not built yet`;
        return {};
    }
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

  #destination(): Prefix4 {
    const word = this.#word("the route");
    if (word === "default") return { address: 0, length: 0 };
    return this.#take(readPrefix(word), { address: 0, length: 0 });
  }

  #address(): Ipv4 {
    const word = this.#word("via");
    const address = parseIpv4(word);
    if (address === undefined) this.#fault ??= explainIpv4(word);
    return address ?? 0;
  }

  #device(): string {
    return this.#take(findDevice(this.#host, this.#word("dev")), null)?.name ?? "";
  }

  #number(what: string, low: number, high: number): number {
    return this.#take(parseWhole(this.#word(what), what, low, high), low);
  }

  #table(): string {
    const word = this.#word("table");
    const names: Readonly<Record<string, string>> = { "253": "default", "254": "main", "255": "local" };
    return names[word] ?? word;
  }

  #scope(): Route["scope"] {
    const word = this.#word("scope");
    const scope = SCOPES.find((each) => each === word);
    if (scope === undefined) this.#fault ??= `${JSON.stringify(word)} is no scope: ${SCOPES.join(", ")}`;
    return scope ?? "global";
  }

  #hop(given: Partial<NextHop>): NextHop {
    const hop = { dev: null, gateway: null, weight: 1, onlink: false, dead: false, ...given };
    if (hop.dev !== null || hop.gateway === null) return hop;
    const dev = deviceTowards(this.#host, hop.gateway);
    if (dev === null) this.#fault ??= "the next hop has an invalid gateway: no route on link leads to it";
    return { ...hop, dev };
  }
}

/** Where the kernel finds a gateway: the longest prefix of the main table that is on link. */
function deviceTowards(host: Host, gateway: Ipv4): string | null {
  let best: Route | null = null;
  for (const route of host.routes) {
    const isOnLink =
      route.table === "main" && route.type === "unicast" && route.nextHops[0]?.gateway === null;
    if (isOnLink && contains(route.dst, gateway) && (best === null || route.dst.length > best.dst.length))
      best = route;
  }
  return best?.nextHops[0]?.dev ?? null;
}

/** What `ip route add` and the kernel fill in. */
function completed(given: GivenRoute, origin: Origin): Result<Route> {
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
    scope: given.scope ?? usual,
    metric: metric ?? 0,
    tos: 0,
    nextHops,
    origin,
  });
}

/** The first route that has all that was said (`fib_table_delete`). */
function deleteRoute(host: Host, given: GivenRoute): Result<Operation[]> {
  const found = host.routes.find(
    (route) =>
      route.table === given.table &&
      route.dst.address === given.dst.address &&
      route.dst.length === given.dst.length &&
      (given.type === "unicast" || route.type === given.type) &&
      (given.metric === null || route.metric === given.metric) &&
      (given.protocol === null || route.protocol === given.protocol) &&
      (given.scope === null || route.scope === given.scope) &&
      given.hops.every((hop) => route.nextHops.some((other) => matchesHop(other, hop))),
  );
  return found === undefined
    ? invalid("ip route del: there is no such route")
    : ok([{ kind: "route-delete", route: found }]);
}

function matchesHop(hop: NextHop, said: NextHop): boolean {
  return hop.gateway === (said.gateway ?? hop.gateway) && hop.dev === (said.dev ?? hop.dev);
}
