import { type AddressFamily, IPV4, IPV6, type PrefixOf } from "../address/family.ts";
import { formatIpv4 } from "../address/ipv4.ts";
import { formatMac } from "../address/mac.ts";
import type { InterfaceAddress, InterfaceAddress6, Neighbour, Neighbour6 } from "./device/device.ts";
import { isNeighbour4, isOf4, isRoute4 } from "./operation-family.ts";
import { formatTos } from "./route/dsfield.ts";
import { formatDestination, usualMetric6 } from "./route/ip-route.ts";
import { formatProtocol } from "./route/ip-rule.ts";
import { metricsText } from "./route/metrics.ts";
import { formatRealms } from "./route/realms.ts";
import type {
  NextHopOf,
  PolicyRule,
  PolicyRule6,
  PolicyRuleOf,
  Route,
  Route6,
  RouteOf,
} from "./route/route.ts";
import { quote, words } from "./shell-words.ts";

/** The `ip addr`, `route`, `rule` and `neigh` commands of both families. */

/** What follows `ip addr add`. */
export function addressText(address: InterfaceAddress | InterfaceAddress6): string {
  if (!isOf4(address)) return addressText6(address);
  const own = formatIpv4(address.address);
  const { peer, broadcast, scope, label, length, dev } = address;
  return words(
    peer === null ? `${own}/${length}` : `${own} peer ${formatIpv4(peer)}/${length}`,
    broadcast !== null && `broadcast ${formatIpv4(broadcast)}`,
    `dev ${quote(dev)}`,
    scope !== "global" && `scope ${scope}`,
    label !== null && label !== dev && `label ${quote(label)}`,
  );
}

/** What is not said is as usual; that duplicates are looked for is nothing that a packet waits for here. */
function addressText6({ address, peer, length, dev, scope, flags }: InterfaceAddress6): string {
  const own = IPV6.format(address);
  return words(
    peer === null ? `${own}/${length}` : `${own} peer ${IPV6.format(peer)}/${length}`,
    `dev ${quote(dev)}`,
    scope === "host" && "scope host",
    ...GIVEN_FLAGS.filter((flag) => flags.includes(flag)),
    flags.includes("deprecated") && "preferred_lft 0",
  );
}

/** Flags that are set with an address, not found out about it. */
const GIVEN_FLAGS = ["nodad", "home", "mngtmpaddr", "noprefixroute", "autojoin"] as const;

/** A route's command: `ip route add …`, `ip -6 route add …`. */
export function routeCommand(command: "add" | "append" | "replace" | "del", route: Route | Route6): string {
  return isRoute4(route)
    ? `ip route ${command} ${routeText(IPV4, route, `scope ${route.scope}`, 0)}`
    : `ip -6 route ${command} ${routeText(IPV6, route, false, usualMetric6(route))}`;
}

function routeText<Address>(
  of: AddressFamily<Address>,
  route: RouteOf<Address>,
  scope: string | false,
  usualMetric: number,
): string {
  const [first, second] = route.nextHops;
  const single = second === undefined && first !== undefined && first.weight === 1;
  return words(
    route.type !== "unicast" && route.type,
    formatDestination(of, of.networkOf(route.dst)),
    route.from !== undefined && `from ${formatDestination(of, route.from)}`,
    route.tos !== 0 && `tos ${formatTos(route.tos)}`,
    single && hopText(of, first),
    single && first.onlink && "onlink",
    route.table !== "main" && `table ${quote(route.table)}`,
    route.protocol !== null && `proto ${quote(route.protocol)}`,
    scope,
    route.prefsrc !== null && `src ${of.format(route.prefsrc)}`,
    route.metric !== usualMetric && `metric ${route.metric}`,
    metricsText(route.mtu, route.metrics),
    route.expires !== undefined && `expires ${route.expires}`,
    route.preference !== undefined && `pref ${route.preference}`,
    !single && route.nextHops.map((hop) => nextHopText(of, hop)).join(" "),
  );
}

function nextHopText<Address>(of: AddressFamily<Address>, hop: NextHopOf<Address>): string {
  return words("nexthop", hopText(of, hop), `weight ${hop.weight}`, hop.onlink && "onlink");
}

function hopText<Address>(of: AddressFamily<Address>, hop: NextHopOf<Address>): string {
  return words(
    hop.gateway !== null && `via ${of.format(hop.gateway)}`,
    hop.dev !== null && `dev ${quote(hop.dev)}`,
    hop.realms !== undefined && `realms ${formatRealms(hop.realms)}`,
  );
}

/** What follows `ip rule add`. */
export function ruleText(rule: PolicyRule): string {
  return ruleWords(IPV4, rule);
}

/** What follows `ip -6 rule add`. */
export function ruleText6(rule: PolicyRule6): string {
  return ruleWords(IPV6, rule);
}

function ruleWords<Address>(of: AddressFamily<Address>, rule: PolicyRuleOf<Address>): string {
  return words(
    rule.not && "not",
    rule.src === null ? "from all" : `from ${selectorText(of, rule.src)}`,
    rule.dst !== null && `to ${selectorText(of, rule.dst)}`,
    rule.tos !== 0 && `tos ${formatTos(rule.tos)}`,
    rule.fwmark !== null && `fwmark ${markText(rule.fwmark)}`,
    rule.iif !== null && `iif ${quote(rule.iif)}`,
    rule.oif !== null && `oif ${quote(rule.oif)}`,
    rule.uidRange !== null && `uidrange ${rule.uidRange.from}-${rule.uidRange.to}`,
    rule.ipproto !== null && `ipproto ${formatProtocol(rule.ipproto).replace("ipproto-", "")}`,
    rule.sport !== null && `sport ${rangeText(rule.sport)}`,
    rule.dport !== null && `dport ${rangeText(rule.dport)}`,
    rule.realms !== undefined && `realms ${formatRealms(rule.realms)}`,
    `priority ${rule.priority}`,
    actionText(rule.action),
  );
}

function selectorText<Address>(of: AddressFamily<Address>, { address, length }: PrefixOf<Address>): string {
  return length === of.bits ? of.format(address) : `${of.format(address)}/${length}`;
}

function markText({ value, mask }: { readonly value: number; readonly mask: number }): string {
  const own = `0x${value.toString(16)}`;
  return mask === 0xffff_ffff ? own : `${own}/0x${mask.toString(16)}`;
}

function rangeText({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? String(from) : `${from}-${to}`;
}

function actionText(action: PolicyRule["action"]): string {
  if (action.kind === "l3mdev") return "l3mdev";
  if (action.kind === "goto") return `goto ${action.priority}`;
  if (action.kind !== "lookup") return action.kind;
  const suppress = action.suppressPrefixLength;
  return words(`lookup ${quote(action.table)}`, suppress !== null && `suppress_prefixlength ${suppress}`);
}

/** A neighbour's command: `ip neigh replace …`. */
export function neighbourCommand(neighbour: Neighbour | Neighbour6): string {
  const isFour = isNeighbour4(neighbour);
  const { dev, lladdr, state, proxy } = neighbour;
  const command = isFour ? "ip neigh replace" : "ip -6 neigh replace";
  const dst = isFour ? IPV4.format(neighbour.dst) : IPV6.format(neighbour.dst);
  if (proxy) return `${command} proxy ${dst} dev ${quote(dev)}`;
  return words(
    command,
    dst,
    lladdr !== null && `lladdr ${formatMac(lladdr)}`,
    `dev ${quote(dev)}`,
    !isFour && neighbour.router && "router",
    `nud ${state}`,
  );
}
