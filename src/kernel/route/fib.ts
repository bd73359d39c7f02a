import type { Family } from "../../address/ip.ts";
import { TriePrefixMap4 } from "../../address/prefix-map.ts";
import { PrefixMap6 } from "../../address/prefix-map6.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as ERRNO from "../errno.ts";
import { compileRoute, withSiblings } from "./compile-route.ts";
import { type CompiledRule, compileRules, ruleMatches } from "./fib-rule.ts";
import { select6 } from "./fib6-select.ts";
import * as IP_RULE from "./ip-rule.ts";
import { realmsNumber } from "./realms.ts";
import type { PolicyRule, PolicyRule6, Route, Route6 } from "./route.ts";
import * as RT_SCOPE from "./rt-scope.ts";
import * as ROUTE_TYPES from "./types.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } = ERRNO;
const { DEFAULT_RULES, DEFAULT_RULES6 } = IP_RULE;
const { RT_SCOPE_NOWHERE } = RT_SCOPE;
const { RTN_BLACKHOLE, RTN_PROHIBIT, RTN_THROW, RTN_UNREACHABLE } = ROUTE_TYPES;

/** A next hop resolved to its device; addresses here and below as the path holds them. */
export interface FibNextHop {
  readonly dev: NetDevice | null;
  readonly gateway: number;
  readonly hasGateway: boolean;
  readonly onlink: boolean;
  readonly weight: number;
  /** `nh_tclassid` */
  readonly realms: number;
  /** Scope of the next hop itself (`nhc_scope`): a gateway's is LINK, an on-link one's HOST, a local one's NOWHERE. */
  readonly scope: number;
}

/** A route compiled: the kernel's `fib_info` with its alias. */
export interface FibRoute {
  /** Index in the Host's `routes` or `routes6`, for names and origins. */
  readonly index: number;
  readonly type: number;
  readonly scope: number;
  readonly prefsrc: number;
  readonly hasPrefsrc: boolean;
  readonly mtu: number;
  /** `mtu lock`: nothing that is learned of the way lowers it. */
  readonly mtuLocked: boolean;
  /** What its connections ask for, and set out with; 0: as usual. */
  readonly advmss: number;
  readonly hopLimit: number;
  readonly metric: number;
  readonly tos: number;
  /** The network, host bits cleared. */
  readonly address: number;
  /** IPv4 only. */
  readonly mask: number;
  /** IPv6 only: the network that it is for packets from; of length 0 all. */
  readonly srcAddress: number;
  readonly srcLength: number;
  /** IPv6 only, in the order of preference: 1 low, 2 medium, 3 high. */
  readonly preference: number;
  readonly length: number;
  readonly nextHops: readonly FibNextHop[];
  readonly weights: readonly number[];
}

/** A table's routes, longest prefix first, then by metric: the readable scan is the definition. */
export interface FibColumns {
  readonly routes: readonly FibRoute[];
  /** Columns of `routes` for the scan: address and mask, or of IPv6 address and length. */
  readonly keys: Int32Array;
  /** Where in `routes` the longest prefix of an address begins: where a scan may start. null for a short table. */
  readonly longest: { lookup(address: number): number } | null;
}

/** One routing table. A host that only answers ARP never looks into its thousand routes: they are compiled when it does. */
export class FibTable {
  readonly name: string;
  /** For keys: the same for the same name. */
  readonly key: number;
  readonly family: Family;
  /** null: not looked into yet. */
  columns: FibColumns | null = null;
  private readonly plain: (readonly [Route | Route6, number])[] = [];
  private readonly device: (name: string) => NetDevice | null;

  constructor(name: string, family: Family, device: (name: string) => NetDevice | null) {
    this.name = name;
    this.key = [...name].reduce((key, letter) => Math.imul(key, 31) + letter.charCodeAt(0), 0) | 0;
    this.family = family;
    this.device = device;
  }

  /** `index`: the route's place among all of the host. */
  add(route: Route | Route6, index: number): void {
    this.plain.push([route, index]);
  }

  compile(): FibColumns {
    const six = this.family === 6;
    let list = this.plain.map(([route, index]) => compileRoute(route, index, this.device));
    // Same order as the kernel's: longest prefix, then TOS (a set one first), then metric, then order of insertion. Of IPv6 one
    // prefix's routes stand together (`fib6_node.leaf`), those for some senders alone before the others (`fib6_node.subtree`).
    list.sort(
      (a, b) =>
        b.length - a.length ||
        (six
          ? a.address - b.address || b.srcLength - a.srcLength || a.srcAddress - b.srcAddress
          : b.tos - a.tos) ||
        a.metric - b.metric ||
        a.index - b.index,
    );
    if (six) list = withSiblings(list);
    const keys = new Int32Array(list.length * 2);
    for (const [i, route] of list.entries()) {
      keys[2 * i] = route.address;
      keys[2 * i + 1] = six ? route.length : route.mask;
    }
    const columns = { routes: list, keys, longest: list.length > SCAN_AT_MOST ? longestOf(list, six) : null };
    this.columns = columns;
    return columns;
  }
}

export interface FibRule extends CompiledRule {
  readonly table: FibTable | null;
}

/** What a look-up asks for (`struct flowi4`, `flowi6`); one per host, filled anew each time. */
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
  /** The VRF to look into, ifindex (`flowi_l3mdev`); 0: that of the devices. It holds for one look-up. */
  inVrf = 0;
  /** What the last look-up took it to be (`l3mdev_update_flow`), 0 none; and whether the outgoing device said so. */
  vrf = 0;
  vrfByOif = false;
  /** IPv4: of several default routes the one whose gateway the asking socket has a way by already (`sk_dst_cache`), 0 none yet. */
  keptGateway = 0;

  // IPv6 alone
  /** Routes by this device are preferred (ifindex, 0 none): a bound sender's, or the one a packet came in by. */
  via = 0;
  /** No other device will do (`RT6_LOOKUP_F_IFACE`). */
  viaOnly = false;
  /** Gateways that did not answer are passed over where another can be had (`RT6_LOOKUP_F_REACHABLE`): their states. */
  neighbours: FailedNeighbours | null = null;
}

/** Who of a host's neighbours did not answer (NUD_FAILED), by `deviceKey` and the address as the path holds it. */
export interface FailedNeighbours {
  has(device: number, address: number): boolean;
}

/** A look-up's answer (`struct fib_result`); reused. `error` 0 means a usable route. */
export class FibResult {
  route: FibRoute | null = null;
  error = 0;
  table: FibTable | null = null;
  /** Those that the policy rule has that led there (`fib_result.tclassid`). */
  realms = 0;
  /** IPv6: which of the route's next hops was found; others of equal metric may be taken instead (`fib6_select_path`). */
  hop = 0;
}

/** The routing of one host in one family, compiled. */
export class Fib {
  readonly family: Family;
  readonly rules: readonly FibRule[];
  readonly tables: ReadonlyMap<string, FibTable>;
  /** That of the host's own addresses, null where there is none. */
  readonly local: FibTable | null;
  /** A policy rule asks for the source: it matters whether that is chosen yet. */
  readonly asksSource: boolean;
  /** There are several default routes in one table: each look-up may say another (`fib_select_default`). */
  readonly hasDefaults: boolean;
  /** Somebody added a route of type local, in whichever table (`fib_has_custom_local_routes`): source checks then look properly. */
  readonly hasCustomLocalRoutes: boolean;
  /** Other rules than a namespace begins with: source checks then look properly too (`fib4_has_custom_rules`). */
  readonly hasCustomRules: boolean;
  /** Some way or rule has realms (`fib_num_tclassid_users`): source checks then look too. */
  readonly hasRealms: boolean;
  /** Where rules that every packet comes to look, one after another; null where there are others. */
  private readonly chain: readonly FibTable[] | null;
  /** By ifindex the VRF of each device that is in one, null where there is none. */
  private readonly vrfs: ReadonlyMap<number, NetDevice> | null;

  constructor(
    family: Family,
    routes: readonly (Route | Route6)[],
    rules: readonly (PolicyRule | PolicyRule6)[],
    device: (name: string) => NetDevice | null,
    devices: readonly NetDevice[],
  ) {
    this.family = family;
    const members = devices.filter(({ vrf }) => vrf !== null);
    this.vrfs =
      members.length === 0 ? null : new Map(members.map((dev) => [dev.ifindex, dev.vrf as NetDevice]));
    const tables = new Map<string, FibTable>();
    for (const [index, route] of routes.entries()) {
      let table = tables.get(route.table);
      if (table === undefined) {
        table = new FibTable(route.table, family, device);
        tables.set(route.table, table);
      }
      table.add(route, index);
    }
    this.tables = tables;
    this.local = tables.get("local") ?? null;
    this.rules = compileRules(family, rules, this.vrfs !== null).map((rule) => ({
      ...rule,
      table: rule.action.kind === "lookup" ? (tables.get(rule.action.table) ?? null) : null,
    }));
    this.asksSource = this.rules.some(({ src }) => src !== null);
    const defaults = routes.filter(({ dst }) => dst.length === 0).map(({ table }) => table);
    this.hasDefaults = family === 4 && new Set(defaults).size < defaults.length;
    this.chain = this.vrfs === null ? lookedUpInTurn(this.rules) : null;
    const usual: readonly { readonly priority: number }[] = family === 6 ? DEFAULT_RULES6 : DEFAULT_RULES;
    this.hasCustomRules =
      this.rules.length !== usual.length ||
      this.rules.some(({ always, priority }, i) => !always || priority !== usual[i]?.priority);
    this.hasRealms =
      family === 4 &&
      ((routes as readonly Route[]).some(({ nextHops }) =>
        nextHops.some((hop) => realmsNumber(hop.realms) !== 0),
      ) ||
        this.rules.some(({ realms }) => realms !== 0));
    this.hasCustomLocalRoutes = routes.some(
      ({ type, table, protocol }) => type === "local" && (table !== "local" || protocol !== "kernel"),
    );
  }

  /** Do policy rules only name tables, and no packet is asked for more than its destination and TOS? */
  get asksOnlyTables(): boolean {
    return this.chain !== null;
  }

  /** `l3mdev_update_flow`: which VRF a look-up is about. A VRF itself as the way out only names its table. */
  private updateFlow(flow: Flow, vrfs: ReadonlyMap<number, NetDevice>): NetDevice | null {
    let vrf = vrfs.get(flow.inVrf) ?? null;
    flow.vrfByOif = false;
    flow.inVrf = 0;
    if (flow.oif !== 0) {
      const byOut = vrfs.get(flow.oif) ?? null;
      if (vrf === null) {
        vrf = byOut;
        flow.vrfByOif = byOut !== null;
      }
      if (byOut?.ifindex === flow.oif) {
        flow.oif = 0;
        flow.via = 0;
      }
    } else if (vrf === null) vrf = vrfs.get(flow.iif) ?? null;
    flow.vrf = vrf?.ifindex ?? 0;
    return vrf;
  }

  /** `l3mdev_fib_table`. */
  private tableOf(vrf: NetDevice | null): FibTable | null {
    return vrf?.vrfTable == null ? null : (this.tables.get(vrf.vrfTable) ?? null);
  }

  private lookupInTurn(tables: readonly FibTable[], flow: Flow, result: FibResult): void {
    const six = this.family === 6;
    for (let i = 0; i < tables.length; i++) {
      const table = tables[i] as FibTable;
      const columns = table.columns ?? table.compile();
      const found = six ? select6(columns, flow, result) : scan(columns, flow, result);
      if (found && settle(table, result)) return;
    }
    result.error = ENETUNREACH;
    result.table = null;
  }

  /**
   * `fib_lookup`, `fib6_rule_lookup`: policy rules in order, each asking its table. Fills `result`; its `error` is 0 or the errno that a
   * sender would see (ENETUNREACH when nothing matched).
   */
  lookup(flow: Flow, result: FibResult, nameOf: (ifindex: number) => string): void {
    result.route = null;
    result.realms = 0;
    if (this.chain !== null) {
      this.lookupInTurn(this.chain, flow, result);
      return;
    }
    const vrf = this.vrfs === null ? null : this.updateFlow(flow, this.vrfs);
    const six = this.family === 6;
    const rules = this.rules;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as FibRule;
      if (!rule.always && !ruleMatches(rule, flow, nameOf)) continue;
      const action = rule.action;
      switch (action.kind) {
        case "l3mdev":
        case "lookup": {
          const table = action.kind === "lookup" ? rule.table : this.tableOf(vrf);
          if (table === null) continue;
          const columns = table.columns ?? table.compile();
          const found = six ? select6(columns, flow, result) : scan(columns, flow, result);
          if (!found || !settle(table, result)) continue;
          result.realms = rule.realms;
          const route = result.route as FibRoute | null;
          // An error route is none to be suppressed (`fib_rules_lookup`).
          if (
            route !== null &&
            result.error === 0 &&
            action.kind === "lookup" &&
            action.suppressPrefixLength !== null &&
            route.length <= action.suppressPrefixLength
          ) {
            result.route = null;
            continue;
          }
          return;
        }
        case "goto": {
          // To a number that no rule has it leads nowhere (`[unresolved]`): the next rule is asked.
          const to = rules.findIndex((other) => other.priority === action.priority);
          if (to > i) i = to - 1;
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

/** The tables of rules that only look, each for all packets; null where one is not so. */
function lookedUpInTurn(rules: readonly FibRule[]): FibTable[] | null {
  const tables: FibTable[] = [];
  for (const { always, action, table } of rules) {
    if (!always || action.kind !== "lookup") return null;
    if (table !== null) tables.push(table);
  }
  return tables;
}

/** Up to this many routes the scan alone is as fast. */
const SCAN_AT_MOST = 24;

function longestOf(list: readonly FibRoute[], six: boolean): FibColumns["longest"] {
  if (six) return new PrefixMap6(list);
  const map = new TriePrefixMap4();
  for (let i = list.length - 1; i >= 0; i--) {
    const route = list[i] as FibRoute;
    map.insert({ address: route.address, length: route.length }, i);
  }
  return map;
}

/** `fib_table_lookup`: puts the route found into `result`; false when there is none. */
function scan({ routes, keys, longest }: FibColumns, flow: Flow, result: FibResult): boolean {
  const daddr = flow.daddr;
  let start = 0;
  if (longest !== null) {
    start = longest.lookup(daddr);
    if (start < 0) return false;
  }
  for (let i = start * 2; i < keys.length; i += 2) {
    if ((daddr & (keys[i + 1] as number)) !== keys[i]) continue;
    const route = routes[i >> 1] as FibRoute;
    if (route.tos !== 0 && route.tos !== flow.tos) continue;
    if (route.type < RTN_BLACKHOLE && !usable(route, flow.oif)) continue;
    result.route = route;
    return true;
  }
  return false;
}

/** What the type of the route found says. False for `throw`: the next rule is asked. */
function settle(table: FibTable, result: FibResult): boolean {
  result.table = table;
  result.error = 0;
  switch (result.route?.type) {
    case RTN_THROW:
      result.route = null;
      return false;
    case RTN_BLACKHOLE:
      result.error = EINVAL;
      break;
    case RTN_UNREACHABLE:
      result.error = EHOSTUNREACH;
      break;
    case RTN_PROHIBIT:
      result.error = EACCES;
      break;
  }
  return true;
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
