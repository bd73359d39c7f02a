import { type AddressFamily, sameOrNone } from "../address/family.ts";
import type { NeighbourOf, Scope } from "./device/device.ts";
import type { DraftDevices } from "./draft-devices.ts";
import { DraftList } from "./draft-list.ts";
import type { GroupedList } from "./entry-batch.ts";
import type { NextHopOf, PolicyRuleOf, RouteOf } from "./route/route.ts";
import { RT_SCOPE_BY_NAME } from "./route/rt-scope.ts";

/** What an address of either family has that matters here. */
interface AddressOf<Address> {
  readonly scope: Scope;
  readonly dev: string;
  readonly address: Address;
  readonly length: number;
  readonly peer: Address | null;
}

/** What a host has of one family: the lists of which a draft begins. */
export interface Addressing<Address, Own extends AddressOf<Address>, Entry extends NeighbourOf<Address>> {
  readonly addresses: readonly Own[];
  readonly routes: readonly RouteOf<Address>[];
  readonly rules: readonly PolicyRuleOf<Address>[];
  readonly neighbours: readonly Entry[];
}

/**
 * Addresses, routes, policy rules and neighbours of one family under change. Every method that changes something returns
 * null, or one sentence on why the kernel would refuse.
 */
export class DraftAddressing<Address, Own extends AddressOf<Address>, Entry extends NeighbourOf<Address>> {
  readonly #of: AddressFamily<Address>;
  readonly #before: Addressing<Address, Own, Entry>;
  readonly #devices: DraftDevices;
  // Made when first touched: most runs of operations touch one or two of these.
  #addressList: DraftList<Own> | null = null;
  #routeList: DraftList<RouteOf<Address>> | null = null;
  #ruleList: DraftList<PolicyRuleOf<Address>> | null = null;
  #neighbourList: DraftList<Entry> | null = null;

  constructor(of: AddressFamily<Address>, before: Addressing<Address, Own, Entry>, devices: DraftDevices) {
    this.#of = of;
    this.#before = before;
    this.#devices = devices;
  }

  get #addresses(): DraftList<Own> {
    this.#addressList ??= new DraftList(this.#before.addresses, addressKey, (a, b) => {
      return (
        a.length === b.length &&
        a.dev === b.dev &&
        this.#same(a.address, b.address) &&
        this.#same(a.peer, b.peer)
      );
    });
    return this.#addressList;
  }
  get #routes(): DraftList<RouteOf<Address>> {
    this.#routeList ??= new DraftList(this.#before.routes, routeKey, (a, b) => this.#sameRouteKey(a, b));
    return this.#routeList;
  }
  get #rules(): DraftList<PolicyRuleOf<Address>> {
    this.#ruleList ??= new DraftList(this.#before.rules, (rule) => String(rule.priority));
    return this.#ruleList;
  }
  get #neighbours(): DraftList<Entry> {
    this.#neighbourList ??= new DraftList(this.#before.neighbours, neighbourKey, (a, b) => {
      return a.dev === b.dev && a.proxy === b.proxy && this.#same(a.dst, b.dst);
    });
    return this.#neighbourList;
  }

  finish(): Addressing<Address, Own, Entry> {
    const before = this.#before;
    return {
      addresses: this.#addressList?.finish() ?? before.addresses,
      routes: this.#routeList?.finish() ?? before.routes,
      rules: this.#ruleList === null ? before.rules : inPriorityOrder(this.#ruleList.finish()),
      neighbours: this.#neighbourList?.finish() ?? before.neighbours,
    };
  }

  /** With a device go its addresses, the routes with a next hop through it (`fib_sync_down_dev`) and its neighbours. */
  deleteLink(name: string): void {
    this.#addresses.removeWhere((address) => address.dev === name);
    this.#routes.removeWhere((route) => route.nextHops.some((hop) => hop.dev === name));
    this.#neighbours.removeWhere((neighbour) => neighbour.dev === name);
  }

  /** What a device has, and the routes by it, go with its being down; its neighbours are never asked then. */
  takeDown(name: string): void {
    this.#addresses.removeWhere((address) => address.dev === name);
    this.#routes.removeWhere((route) => route.nextHops.some((hop) => hop.dev === name));
  }

  addAddress(address: Own): string | null {
    const { dev } = address;
    if (!this.#devices.has(dev)) return this.#devices.none(dev);
    if (this.#addresses.like(address).length > 0)
      return `${dev} has the address ${this.#text(address)} already`;
    // `ipv6_link_dev_addr`: before those of the same scope and narrower ones, so that the newest stands first.
    if (this.#of.number === 6) {
      this.#addresses.insertBefore(
        address,
        (other) => other.dev === dev && RT_SCOPE_BY_NAME[other.scope] >= RT_SCOPE_BY_NAME[address.scope],
      );
    } else this.#addresses.append(address);
    return null;
  }

  deleteAddress(address: Own): string | null {
    const [found] = this.#addresses.like(address);
    if (found === undefined) return `${address.dev} has no address ${this.#text(address)}`;
    this.#addresses.remove(found);
    return null;
  }

  addRoute(route: RouteOf<Address>): string | null {
    const fault = this.#faultOfHops(route);
    if (fault !== null) return fault;
    if (this.#routes.like(route).some((other) => this.#sameRoute(other, route))) {
      return `table ${route.table} has this route to ${this.#text(route.dst)} already`;
    }
    this.#routes.append(route);
    return null;
  }

  /** The first route of the same prefix, tos and metric gives way (`NLM_F_REPLACE` in `fib_table_insert`). */
  replaceRoute(route: RouteOf<Address>): string | null {
    const fault = this.#faultOfHops(route);
    if (fault !== null) return fault;
    const [first] = this.#routes.like(route);
    if (first === undefined) this.#routes.append(route);
    else this.#routes.replace(first, route);
    return null;
  }

  /** A route without next hops names any of its prefix, tos, metric and type. */
  deleteRoute(route: RouteOf<Address>): string | null {
    const found = this.#routes
      .like(route)
      .find(
        (other) => other.type === route.type && (route.nextHops.length === 0 || this.#sameHops(other, route)),
      );
    if (found === undefined) return `table ${route.table} has no such route to ${this.#text(route.dst)}`;
    this.#routes.remove(found);
    return null;
  }

  addRule(rule: PolicyRuleOf<Address>): null {
    this.#rules.append(rule);
    return null;
  }

  deleteRule(rule: PolicyRuleOf<Address>): string | null {
    const key = ruleKey(rule);
    const found = this.#rules.like(rule).find((other) => ruleKey(other) === key);
    if (found === undefined) return `there is no such rule of priority ${rule.priority}`;
    this.#rules.remove(found);
    return null;
  }

  replaceNeighbour(neighbour: Entry): string | null {
    if (!this.#devices.has(neighbour.dev)) return this.#devices.none(neighbour.dev);
    const [found] = this.#neighbours.like(neighbour);
    if (found === undefined) this.#neighbours.append(neighbour);
    else this.#neighbours.replace(found, neighbour);
    return null;
  }

  /** Why the routes of a batch cannot be added: here a route may not have the key of another at all. */
  faultOfBatch(
    routes: GroupedList<RouteOf<Address>>,
    neighbours: GroupedList<Entry>,
    without: number | null,
  ): string | null {
    for (const route of this.#routes) {
      if (!routes.has(routeKey(route), without, routeKey)) continue;
      return `table ${route.table} has a route to ${this.#text(route.dst)} already`;
    }
    const twice = routes.twice(without, routeKey) ?? neighbours.twice(without, neighbourKey);
    return twice === undefined ? null : `the batch holds ${twice} twice`;
  }

  addBatch(
    routes: GroupedList<RouteOf<Address>>,
    neighbours: GroupedList<Entry>,
    without: number | null,
  ): void {
    this.#neighbours.removeWhere((entry) => neighbours.has(neighbourKey(entry), without, neighbourKey));
    this.#neighbours.appendAll(neighbours.without(without));
    this.#routes.appendAll(routes.without(without));
  }

  #faultOfHops(route: RouteOf<Address>): string | null {
    for (const { dev } of route.nextHops) {
      if (dev !== null && !this.#devices.has(dev)) {
        return `the route to ${this.#text(route.dst)}: ${this.#devices.none(dev)}`;
      }
    }
    return null;
  }

  #text({ address, length }: { readonly address: Address; readonly length: number }): string {
    return `${this.#of.format(address)}/${length}`;
  }

  #same(a: Address | null, b: Address | null): boolean {
    return sameOrNone(this.#of, a, b);
  }

  /** What `fib_table_insert` looks a route up by. */
  #sameRouteKey(a: RouteOf<Address>, b: RouteOf<Address>): boolean {
    return (
      a.dst.length === b.dst.length &&
      this.#same(a.dst.address, b.dst.address) &&
      a.table === b.table &&
      a.tos === b.tos &&
      a.metric === b.metric &&
      sourceKey(a) === sourceKey(b)
    );
  }

  #sameRoute(a: RouteOf<Address>, b: RouteOf<Address>): boolean {
    return (
      a.type === b.type &&
      a.scope === b.scope &&
      a.protocol === b.protocol &&
      this.#same(a.prefsrc, b.prefsrc) &&
      a.mtu === b.mtu &&
      JSON.stringify(a.metrics) === JSON.stringify(b.metrics) &&
      this.#sameHops(a, b)
    );
  }

  #sameHops(a: RouteOf<Address>, b: RouteOf<Address>): boolean {
    return (
      a.nextHops.length === b.nextHops.length &&
      a.nextHops.every((hop, i) => this.#sameHop(hop, b.nextHops[i]))
    );
  }

  #sameHop(a: NextHopOf<Address>, b: NextHopOf<Address> | undefined): boolean {
    return b !== undefined && a.dev === b.dev && this.#same(a.gateway, b.gateway) && a.weight === b.weight;
  }
}

/** `ip` refuses an address of the same length twice on a device (`__inet_insert_ifa`), a peer's network apart. */
function addressKey(address: AddressOf<unknown>): string {
  return `${address.dev} ${address.address}/${address.length} ${address.peer}`;
}

/** All that a rule says (`fib_nl_delrule`), in one order. */
function ruleKey(rule: PolicyRuleOf<unknown>): string {
  const inOrder = (value: object | null) => (value === null ? null : Object.entries(value).sort());
  const { src, dst, fwmark, sport, dport, uidRange, action } = rule;
  const parts = [src, dst, fwmark, sport, dport, uidRange, action].map(inOrder);
  return JSON.stringify([rule.priority, rule.iif, rule.oif, rule.tos, rule.ipproto, rule.not, ...parts]);
}

function routeKey(route: RouteOf<unknown>): string {
  return `${route.table} ${route.dst.address}/${route.dst.length}${sourceKey(route)} ${route.tos} ${route.metric}`;
}

/** Whom it is for packets from. */
function sourceKey({ from }: RouteOf<unknown>): string {
  return from === undefined || from.length === 0 ? "" : ` ${from.address}/${from.length}`;
}

function neighbourKey(neighbour: NeighbourOf<unknown>): string {
  return `${neighbour.dev} ${neighbour.dst} ${neighbour.proxy}`;
}

/** Rules are asked by priority, those of equal priority in the order they were added. */
function inPriorityOrder<Rule extends { readonly priority: number }>(
  rules: readonly Rule[],
): readonly Rule[] {
  const sorted = rules.every((rule, i) => i === 0 || (rules[i - 1]?.priority ?? 0) <= rule.priority);
  return sorted ? rules : [...rules].sort((a, b) => a.priority - b.priority);
}
