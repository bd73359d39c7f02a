import type { Ipv4 } from "../../address/ipv4.ts";
import { type PrefixMap4, TriePrefixMap4 } from "../../address/prefix-map.ts";
import type { NetDevice } from "../device/net-device.ts";
import type { PolicyRule, Route, RouteType } from "./route.ts";
import { RTN_BLACKHOLE, RTN_BY_NAME, RTN_PROHIBIT, RTN_THROW, RTN_UNREACHABLE } from "./types.ts";

/** `RT_SCOPE_*`: larger is narrower. */
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_SITE = 200;
export const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
export const RT_SCOPE_NOWHERE = 255;

const SCOPES = {
  global: RT_SCOPE_UNIVERSE,
  site: RT_SCOPE_SITE,
  link: RT_SCOPE_LINK,
  host: RT_SCOPE_HOST,
  nowhere: RT_SCOPE_NOWHERE,
} as const;

export const EINVAL = 22;
export const EACCES = 13;
export const ENETUNREACH = 101;
export const EHOSTUNREACH = 113;
export const ECONNREFUSED = 111;
export const EMSGSIZE = 90;
export const EPERM = 1;

/** A next hop resolved to its device. */
export interface FibNextHop {
  readonly dev: NetDevice | null;
  readonly gateway: Ipv4;
  readonly hasGateway: boolean;
  readonly onlink: boolean;
  readonly weight: number;
  /** Scope of the next hop itself (`nhc_scope`): a gateway's is LINK, an on-link one's HOST, a local one's NOWHERE. */
  readonly scope: number;
}

/** A route compiled: the kernel's `fib_info` with its alias. */
export interface FibRoute {
  /** Index in the Host's `routes`, for names and origins. */
  readonly index: number;
  readonly type: number;
  readonly scope: number;
  readonly prefsrc: Ipv4;
  readonly hasPrefsrc: boolean;
  readonly mtu: number;
  readonly metric: number;
  readonly tos: number;
  readonly address: Ipv4;
  readonly mask: number;
  readonly length: number;
  readonly nextHops: readonly FibNextHop[];
  readonly weights: readonly number[];
}

/** A table's routes, longest prefix first, then by metric: the readable scan is the definition. */
export interface FibColumns {
  readonly routes: readonly FibRoute[];
  /** Columns of `routes` for the scan: address, mask. */
  readonly keys: Int32Array;
  /** Where in `routes` the longest prefix of an address begins: where a scan may start. null for a short table. */
  readonly longest: PrefixMap4 | null;
}

/** One routing table. A host that only answers ARP never looks into its thousand routes: they are compiled when it does. */
export class FibTable {
  readonly name: string;
  /** null: not looked into yet. */
  columns: FibColumns | null = null;
  private readonly plain: (readonly [Route, number])[] = [];
  private readonly device: (name: string) => NetDevice | null;

  constructor(name: string, device: (name: string) => NetDevice | null) {
    this.name = name;
    this.device = device;
  }

  /** `index`: the route's place among all of the host. */
  add(route: Route, index: number): void {
    this.plain.push([route, index]);
  }

  compile(): FibColumns {
    const list = this.plain.map(([route, index]) => compileRoute(route, index, this.device));
    // Same order as the kernel's: longest prefix, then TOS (a set one first), then metric, then order of insertion.
    list.sort((a, b) => b.length - a.length || b.tos - a.tos || a.metric - b.metric || a.index - b.index);
    const keys = new Int32Array(list.length * 2);
    for (const [i, route] of list.entries()) {
      keys[2 * i] = route.address;
      keys[2 * i + 1] = route.mask;
    }
    const columns = { routes: list, keys, longest: list.length > SCAN_AT_MOST ? longestOf(list) : null };
    this.columns = columns;
    return columns;
  }
}

export interface FibRule {
  readonly plain: PolicyRule;
  readonly table: FibTable | null;
  readonly always: boolean;
}

/** What a look-up asks for (`struct flowi4`); one per host, filled anew each time. */
export class Flow {
  daddr = 0;
  saddr = 0;
  /** ifindex, 0 any. */
  oif = 0;
  iif = 0;
  mark = 0;
  tos = 0;
  proto = 0;
  sport = 0;
  dport = 0;
  uid = 0;
  /** Ports are known: rules on ports may match. */
  hasPorts = false;
}

/** A look-up's answer (`struct fib_result`); reused. `error` 0 means a usable route. */
export class FibResult {
  route: FibRoute | null = null;
  error = 0;
  table: FibTable | null = null;
}

/** The routing of one host, compiled. */
export class Fib {
  readonly rules: readonly FibRule[];
  readonly tables: ReadonlyMap<string, FibTable>;
  /** Routes of type local outside the kernel's own table order: source checks must then look properly. */
  readonly hasCustomLocalRoutes: boolean;

  constructor(
    routes: readonly Route[],
    rules: readonly PolicyRule[],
    device: (name: string) => NetDevice | null,
  ) {
    const tables = new Map<string, FibTable>();
    for (const [index, route] of routes.entries()) {
      let table = tables.get(route.table);
      if (table === undefined) {
        table = new FibTable(route.table, device);
        tables.set(route.table, table);
      }
      table.add(route, index);
    }
    this.tables = tables;
    const plain = rules.length > 0 ? [...rules].sort((a, b) => a.priority - b.priority) : DEFAULT_RULES;
    this.rules = plain.map((rule) => ({
      plain: rule,
      table: rule.action.kind === "lookup" ? (tables.get(rule.action.table) ?? null) : null,
      always:
        rule.src === null &&
        rule.dst === null &&
        rule.iif === null &&
        rule.oif === null &&
        rule.fwmark === null &&
        rule.tos === 0 &&
        rule.ipproto === null &&
        rule.sport === null &&
        rule.dport === null &&
        rule.uidRange === null &&
        !rule.not &&
        rule.action.kind === "lookup" &&
        rule.action.suppressPrefixLength === null,
    }));
    this.hasCustomLocalRoutes = routes.some((route) => route.type === "local" && route.table !== "local");
  }

  /**
   * `fib_lookup`: policy rules in order, each asking its table. Fills `result`; its `error` is 0 or the errno that a
   * sender would see (ENETUNREACH when nothing matched).
   */
  lookup(flow: Flow, result: FibResult, nameOf: (ifindex: number) => string): void {
    result.route = null;
    const rules = this.rules;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as FibRule;
      if (!rule.always && !ruleMatches(rule.plain, flow, nameOf)) continue;
      const action = rule.plain.action;
      switch (action.kind) {
        case "lookup": {
          if (rule.table === null || !scan(rule.table, flow, result)) continue;
          const route = result.route as FibRoute | null;
          if (
            route !== null &&
            action.suppressPrefixLength !== null &&
            route.length <= action.suppressPrefixLength
          ) {
            result.route = null;
            continue;
          }
          return;
        }
        case "goto": {
          const to = rules.findIndex((other) => other.plain.priority >= action.priority);
          if (to < 0) {
            i = rules.length;
          } else i = to - 1;
          continue;
        }
        case "nop":
          continue;
        case "blackhole":
          result.error = EINVAL;
          return;
        case "prohibit":
          result.error = EACCES;
          return;
        case "unreachable":
          result.error = ENETUNREACH;
          return;
      }
    }
    result.error = ENETUNREACH;
    result.table = null;
  }
}

/** Up to this many routes the scan alone is as fast. */
const SCAN_AT_MOST = 24;

function longestOf(list: readonly FibRoute[]): PrefixMap4 {
  const map = new TriePrefixMap4();
  for (let i = list.length - 1; i >= 0; i--) {
    const route = list[i] as FibRoute;
    map.insert({ address: route.address, length: route.length }, i);
  }
  return map;
}

/** `fib_table_lookup`. True when the table decided (a route, or an error type); `throw` and no match go on. */
function scan(table: FibTable, flow: Flow, result: FibResult): boolean {
  const columns = table.columns ?? table.compile();
  const { keys, longest } = columns;
  const daddr = flow.daddr;
  let start = 0;
  if (longest !== null) {
    start = longest.lookup(daddr);
    if (start < 0) return false;
  }
  for (let i = start * 2; i < keys.length; i += 2) {
    if ((daddr & (keys[i + 1] as number)) !== keys[i]) continue;
    const route = columns.routes[i >> 1] as FibRoute;
    if (route.tos !== 0 && route.tos !== flow.tos) continue;
    switch (route.type) {
      case RTN_THROW:
        return false;
      case RTN_BLACKHOLE:
        result.error = EINVAL;
        result.route = route;
        result.table = table;
        return true;
      case RTN_UNREACHABLE:
        result.error = EHOSTUNREACH;
        result.route = route;
        result.table = table;
        return true;
      case RTN_PROHIBIT:
        result.error = EACCES;
        result.route = route;
        result.table = table;
        return true;
    }
    if (!usable(route, flow.oif)) continue;
    result.error = 0;
    result.route = route;
    result.table = table;
    return true;
  }
  return false;
}

/** A device that goes down takes its routes with it, but not those to its own addresses (`fib_sync_down_dev`). */
function usable(route: FibRoute, oif: number): boolean {
  const hops = route.nextHops;
  for (let i = 0; i < hops.length; i++) {
    const { dev, scope } = hops[i] as FibNextHop;
    if (dev === null || !(dev.up || scope === RT_SCOPE_NOWHERE)) continue;
    if (oif === 0 || dev.ifindex === oif) return true;
  }
  return false;
}

function compileRoute(route: Route, index: number, device: (name: string) => NetDevice | null): FibRoute {
  const local = route.type === "local";
  const mask = route.dst.length === 0 ? 0 : (-1 << (32 - route.dst.length)) | 0;
  const alive = route.nextHops.filter((hop) => !hop.dead);
  return {
    index,
    type: RTN_BY_NAME[route.type satisfies RouteType],
    scope: SCOPES[route.scope],
    prefsrc: route.prefsrc ?? 0,
    hasPrefsrc: route.prefsrc !== null,
    mtu: route.mtu,
    metric: route.metric,
    tos: route.tos,
    address: route.dst.address & mask,
    mask,
    length: route.dst.length,
    nextHops: alive.map((hop) => ({
      dev: hop.dev === null ? null : device(hop.dev),
      gateway: hop.gateway ?? 0,
      hasGateway: hop.gateway !== null,
      onlink: hop.onlink,
      weight: hop.weight,
      scope: local ? RT_SCOPE_NOWHERE : hop.gateway !== null ? RT_SCOPE_LINK : RT_SCOPE_HOST,
    })),
    weights: alive.map((hop) => hop.weight),
  };
}

function ruleMatches(rule: PolicyRule, flow: Flow, nameOf: (ifindex: number) => string): boolean {
  return rule.not !== selectorMatches(rule, flow, nameOf);
}

/** `fib_rule_match` and `fib4_rule_match`. */
function selectorMatches(rule: PolicyRule, flow: Flow, nameOf: (ifindex: number) => string): boolean {
  if (rule.iif !== null && (flow.iif === 0 || nameOf(flow.iif) !== rule.iif)) return false;
  if (rule.oif !== null && (flow.oif === 0 || nameOf(flow.oif) !== rule.oif)) return false;
  if (rule.fwmark !== null && ((flow.mark ^ rule.fwmark.value) & rule.fwmark.mask) !== 0) return false;
  if (rule.src !== null && !inPrefix(flow.saddr, rule.src.address, rule.src.length)) return false;
  if (rule.dst !== null && !inPrefix(flow.daddr, rule.dst.address, rule.dst.length)) return false;
  if (rule.tos !== 0 && rule.tos !== flow.tos) return false;
  if (rule.ipproto !== null && rule.ipproto !== flow.proto) return false;
  if (rule.uidRange !== null && (flow.uid < rule.uidRange.from || flow.uid > rule.uidRange.to)) return false;
  if (rule.sport !== null && !(flow.hasPorts && flow.sport >= rule.sport.from && flow.sport <= rule.sport.to))
    return false;
  if (rule.dport !== null && !(flow.hasPorts && flow.dport >= rule.dport.from && flow.dport <= rule.dport.to))
    return false;
  return true;
}

function inPrefix(address: number, prefix: number, length: number): boolean {
  return length === 0 || ((address ^ prefix) & (-1 << (32 - length))) === 0;
}

/** What a namespace has before anybody changes its rules. */
const DEFAULT_RULES: readonly PolicyRule[] = (
  [
    [0, "local"],
    [32766, "main"],
    [32767, "default"],
  ] as const
).map(([priority, table]) => ({
  priority,
  src: null,
  dst: null,
  iif: null,
  oif: null,
  fwmark: null,
  tos: 0,
  ipproto: null,
  sport: null,
  dport: null,
  uidRange: null,
  not: false,
  action: { kind: "lookup", table, suppressPrefixLength: null },
  origin: 0,
}));
