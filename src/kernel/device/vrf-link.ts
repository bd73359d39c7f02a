import type { Mac } from "../../address/mac.ts";
import type { Host } from "../host.ts";
import type { Operation } from "../operation.ts";
import type { Origin } from "../origin.ts";
import { L3MDEV_RULE } from "../route/ip-rule.ts";
import { kernelRoutes, kernelRoutes6, vrfTableOf } from "../route/kernel-routes.ts";
import type { Route, Route6 } from "../route/route.ts";
import { Sysctl } from "../sysctl.ts";
import type { Device } from "./device.ts";

/** What the kernel does of itself where a VRF is made and devices enter and leave it (drivers/net/vrf.c). */

/** `IP6_MAX_MTU`. */
const VRF_MTU = 65_575;

/** `ip link add NAME type vrf table TABLE`: with the first one comes the rule that looks into the tables of VRFs. */
export function addVrf(
  host: Host,
  {
    name,
    table,
    mac,
    origin,
  }: { readonly name: string; readonly table: number; readonly mac: Mac; readonly origin: Origin },
): Operation[] {
  const device: Device = {
    ifindex: Math.max(0, ...host.devices.map(({ ifindex }) => ifindex)) + 1,
    name,
    mac,
    mtu: VRF_MTU,
    up: false,
    carrier: true,
    noArp: true,
    master: null,
    detail: { kind: "vrf", table },
    port: null,
    origin,
  };
  const rule = { ...L3MDEV_RULE, origin };
  const lacks = (rules: Host["rules"] | Host["rules6"]): boolean =>
    rules.length > 0 && !rules.some(({ action }) => action.kind === "l3mdev");
  return [
    { kind: "link-add", device },
    ...(lacks(host.rules) ? [{ kind: "rule-add" as const, rule }] : []),
    ...(lacks(host.rules6) ? [{ kind: "rule-add" as const, family: 6 as const, rule }] : []),
  ];
}

/**
 * `ip link set DEV master VRF`, and `nomaster` for null. A device that is up is taken down and up again (`cycle_netdev`): its
 * routes go, those of its addresses come again in the other table, and its IPv6 addresses but the link-local one are lost
 * unless `keep_addr_on_down` says otherwise.
 */
export function enslaveToVrf(host: Host, device: Device, vrf: string | null): Operation[] {
  if (device.master === vrf) return [];
  const changed: Device = { ...device, master: vrf, port: null };
  const operations: Operation[] = [
    { kind: "link-change", name: device.name, change: { master: vrf, port: null } },
  ];
  if (!device.up) return operations;
  const isThrough = (route: Route | Route6): boolean => route.nextHops.some(({ dev }) => dev === device.name);
  const gone = [...host.routes.filter(isThrough), ...host.routes6.filter(isThrough)];
  const sysctl = new Sysctl(host.sysctl);
  const keeps = sysctl.integer(
    `net.ipv6.conf.${device.name}.keep_addr_on_down`,
    sysctl.integer("net.ipv6.conf.all.keep_addr_on_down", 0),
  );
  const own6 = host.addresses6.filter(({ dev }) => dev === device.name);
  const lost = keeps > 0 ? [] : own6.filter(({ scope }) => scope !== "link");
  const kept = own6.filter((address) => !lost.includes(address));
  const table = vrfTableOf(changed, host.devices);
  return [
    ...operations,
    ...gone.map((route): Operation => ({ kind: "route-delete", route })),
    ...lost.map((address): Operation => ({ kind: "address-delete", address })),
    ...kernelRoutes(changed, host.addresses, table).map((route): Operation => ({ kind: "route-add", route })),
    ...kernelRoutes6(changed, kept, sysctl.device6(device.name).forwarding, table).map(
      (route): Operation => ({ kind: "route-add", route }),
    ),
  ];
}
