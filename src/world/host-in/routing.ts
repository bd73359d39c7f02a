import type { InterfaceAddress } from "../../kernel/device/device.ts";
import type { JsonFields } from "../../kernel/json-fields.ts";
import type { Operation } from "../../kernel/operation.ts";
import { isIpv6Route, parseRoute, parseRoute6 } from "../../kernel/route/ip-route.ts";
import { DEFAULT_RULES, isIpv6Rule, parseRule, parseRule6 } from "../../kernel/route/ip-rule.ts";
import { kernelRoutes, kernelRoutes6 } from "../../kernel/route/kernel-routes.ts";
import type { Route, Route6 } from "../../kernel/route/route.ts";
import { Sysctl } from "../../kernel/sysctl.ts";
import { type HostReading, SKIPPED } from "./reading.ts";

/** A dump that holds no local table was taken of the main table alone: then the kernel's own routes are added. */
export function readRoutes(reading: HostReading): void {
  let four = 0;
  let six = 0;
  const known6 = new Set<string>();
  let hasLocal = false;
  let hasLocal6 = false;
  const read6 = (item: JsonFields): Operation | typeof SKIPPED | null => {
    // Old kernels list the entry of their tables that stands for "no route", in none of them and often.
    if (item.get("table") === "unspec") return null;
    const route = parseRoute6(item, reading.origin(item));
    six++;
    // `ip route show table all` tells of what `ip -6 route` does too.
    const key = JSON.stringify({ ...route, origin: null });
    if (known6.has(key)) return SKIPPED;
    known6.add(key);
    if (route.table === "local") hasLocal6 = true;
    return { kind: "route-add", route };
  };
  reading.each("routes", (item) => {
    if (isIpv6Route(item)) return read6(item);
    const route = parseRoute(item, reading.origin(item));
    four++;
    if (route.table === "local") hasLocal = true;
    return { kind: "route-add", route };
  });
  reading.each("routes6", read6);
  const all = !reading.json.has("routes") || (four === 0 && six > 0);
  const all6 = six === 0 && !reading.json.has("routes6");
  const own = [
    ...(hasLocal ? [] : ownRoutes(reading).filter(({ table }) => all || table === "local")),
    ...(hasLocal6 ? [] : ownRoutes6(reading).filter(({ table }) => all6 || table === "local")),
  ];
  for (const route of own) reading.add({ kind: "route-add", route });
}

function ownRoutes(reading: HostReading): Route[] {
  const byDevice = new Map<string, InterfaceAddress[]>();
  for (const address of reading.addresses) {
    const known = byDevice.get(address.dev);
    if (known === undefined) byDevice.set(address.dev, [address]);
    else known.push(address);
  }
  return [...reading.devices.values()].flatMap((device) =>
    kernelRoutes(device, byDevice.get(device.name) ?? [], reading.vrfTable(device)),
  );
}

function ownRoutes6(reading: HostReading): Route6[] {
  const sysctl = new Sysctl(reading.settings());
  return [...reading.devices.values()].flatMap((device) =>
    kernelRoutes6(
      device,
      reading.addresses6,
      sysctl.device6(device.name).forwarding,
      reading.vrfTable(device),
    ),
  );
}

/** Rules of IPv6 that nobody dumped are the kernel's own (`Fib`). */
export function readRules(reading: HostReading): void {
  const read6 = (item: JsonFields): Operation => ({
    kind: "rule-add",
    family: 6,
    rule: parseRule6(item, reading.origin(item)),
  });
  reading.each("rules6", read6);
  if (!reading.json.has("rules")) {
    for (const rule of DEFAULT_RULES) reading.add({ kind: "rule-add", rule });
    return;
  }
  reading.each("rules", (item) =>
    isIpv6Rule(item) ? read6(item) : { kind: "rule-add", rule: parseRule(item, reading.origin(item)) },
  );
}
