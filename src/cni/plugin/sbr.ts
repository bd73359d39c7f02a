import type { Route } from "../../kernel/route/route.ts";
import { fail } from "../cni-error.ts";
import { isReachable } from "../configure-interface.ts";
import { containsIp, formatIp, fromIpv4, toIpv4 } from "../ip.ts";
import type { Netns } from "../netns.ts";
import type { CniIp, CniResult } from "../result.ts";
import { openNetns, type Plugin, type PluginCall } from "./plugin.ts";

/**
 * The `sbr` plugin: what a container sends from an interface's address leaves by that interface, by a table of its own
 * for each address. IPv4 only.
 */
export const SBR: Plugin = { add, del, check: () => {} };

const FIRST_TABLE = 100;

function add(call: PluginCall): CniResult {
  const { prevResult, ifName } = call;
  if (prevResult === null) fail("This plugin must be called as chained plugin");
  const pod = openNetns(call);
  if (pod.device(ifName) === undefined) fail(`Cannot find network interface ${ifName}: Link not found`);
  if (prevResult.ips.length === 0) fail(`No IP addresses supplied on interface: ${ifName}`);
  const own = pod.host.routes.filter(
    (route) => route.table === "main" && route.nextHops.some((hop) => hop.dev === ifName),
  );
  let table = freeTable(pod);
  for (const ip of prevResult.ips) {
    if (ip.address.ip.family === 6) continue;
    copyRoutes(pod, ifName, own, ip, String(table));
    table++;
  }
  // Only now: until all are copied, gateways must be found.
  for (const route of own) pod.do({ kind: "route-delete", route });
  return prevResult;
}

function freeTable(pod: Netns): number {
  const used = new Set(
    pod.host.rules.flatMap(({ action }) => (action.kind === "lookup" ? [Number(action.table)] : [])),
  );
  let table = FIRST_TABLE;
  while (used.has(table)) table++;
  return table;
}

/** A default route of the gateway, and the interface's routes that are of the address's network, or of none. */
function copyRoutes(
  pod: Netns,
  dev: string,
  routes: readonly Route[],
  { address, gateway }: CniIp,
  table: string,
): void {
  const { ip } = address;
  if (gateway !== null) {
    if (!isReachable(pod, dev, gateway)) {
      fail(`Failed to add default route to ${formatIp(gateway)}: network is unreachable`);
    }
    pod.addRoute({ dst: { ip: { family: 4, value: 0n }, length: 0 }, gw: gateway, dev, table });
  }
  const isOwn = (other: number | null) => other !== null && containsIp(address, fromIpv4(other));
  for (const route of routes) {
    const way = route.nextHops[0]?.gateway ?? null;
    const isGeneric = route.prefsrc === null && way === null;
    if (!isOwn(route.prefsrc) && !isOwn(way) && !isGeneric) continue;
    pod.do({ kind: "route-replace", route: { ...route, table } });
  }
  pod.do({
    kind: "rule-add",
    rule: {
      priority: priorityFor(pod),
      src: { address: toIpv4(ip), length: 32 },
      ...{ dst: null, iif: null, oif: null, fwmark: null, tos: 0, ipproto: null },
      ...{ sport: null, dport: null, uidRange: null, not: false },
      action: { kind: "lookup", table, suppressPrefixLength: null },
      origin: pod.origin,
    },
  });
}

/** The kernel puts a rule without a priority before the second of the table (`fib_default_rule_pref`). */
function priorityFor(pod: Netns): number {
  const [, second] = pod.host.rules;
  return second === undefined || second.priority === 0 ? 0 : second.priority - 1;
}

/** The rules for the interface's addresses go; the tables with their routes go with the interface. */
function del(call: PluginCall): void {
  const pod = call.machine.netns(call.netns);
  if (pod === undefined) return;
  if (pod.device(call.ifName) === undefined) fail(`Failed to get link ${call.ifName}: Link not found`);
  const own = pod.addressesOf(call.ifName).map(({ address }) => address);
  for (const rule of pod.host.rules) {
    if (rule.src !== null && own.includes(rule.src.address)) pod.do({ kind: "rule-delete", rule });
  }
}
