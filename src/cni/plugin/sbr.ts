import type { Route } from "../../kernel/route/route.ts";
import { fail } from "../cni-error.ts";
import { type Ip, toIpv4 } from "../ip.ts";
import type { Netns } from "../netns.ts";
import type { CniResult } from "../result.ts";
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
  let table = freeTable(pod);
  for (const { address, gateway } of prevResult.ips) {
    if (address.ip.family === 6) continue;
    moveRoutes(pod, ifName, address.ip, gateway, String(table));
    table++;
  }
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

/** The interface's routes of the main table go to the address's own; a missing default route is made of the gateway. */
function moveRoutes(pod: Netns, dev: string, ip: Ip, gateway: Ip | null, table: string): void {
  const own = pod.host.routes.filter(
    (route) => route.table === "main" && route.nextHops.some((hop) => hop.dev === dev),
  );
  if (gateway !== null) {
    pod.addRoute({ dst: { ip: { family: 4, value: 0n }, length: 0 }, gw: gateway, dev, table });
  }
  for (const route of own) {
    if (route.prefsrc !== null && route.prefsrc !== toIpv4(ip)) continue;
    pod.do({ kind: "route-delete", route });
    const moved: Route = { ...route, table };
    if (route.dst.length > 0 || gateway === null) pod.do({ kind: "route-add", route: moved });
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
