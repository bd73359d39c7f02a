import type { Ipv6Words } from "../address/ipv6.ts";
import { MAC_ZERO, type Mac, macNumber } from "../address/mac.ts";
import type { Device, InterfaceAddress6 } from "../kernel/device/device.ts";
import type { Origin } from "../kernel/origin.ts";
import type { Route6 } from "../kernel/route/route.ts";
import { fromWords, type IpNet, networkOf, toWords } from "./ip.ts";
import type { NewRoute } from "./new-route.ts";

/** IPv6 as plugins ask for it and as the kernel then holds it. */

/** Metric of a route that names none (`IP6_RT_PRIO_USER`). */
export const USUAL_METRIC6 = 1024;

export function address6(
  dev: string,
  { ip, length }: IpNet,
  scope: InterfaceAddress6["scope"],
  origin: Origin,
): InterfaceAddress6 {
  return { dev, address: toWords(ip), length, scope, peer: null, flags: [], origin };
}

export function netOf6({ address, length }: InterfaceAddress6): IpNet {
  return { ip: fromWords(address), length };
}

/** Devices without a link address, and those without neighbours, are given none of the kernel's own. */
export function hasLinkLocal({ mac, detail, noArp }: Device): boolean {
  return mac !== MAC_ZERO && detail.kind !== "loopback" && !noArp;
}

/** fe80:: and the modified EUI-64 of the link address (RFC 4291 appendix A, `addr_gen_mode` 0). */
export function linkLocalAddress({ name, mac }: Device, origin: Origin): InterfaceAddress6 {
  return { ...address6(name, { ip: fromWords(linkLocalOf(mac)), length: 64 }, "link", origin) };
}

export function linkLocalOf(mac: Mac): Ipv6Words {
  const bits = macNumber(mac);
  const high = Math.floor(bits / 2 ** 24);
  const low = bits % 2 ** 24;
  return [0xfe80_0000, 0, (((high ^ 0x02_0000) * 2 ** 8) >>> 0) + 0xff, (0xfe00_0000 + low) >>> 0];
}

export function loopbackAddress(dev: string, origin: Origin): InterfaceAddress6 {
  return { ...{ dev, address: [0, 0, 0, 1], length: 128, scope: "host", peer: null, flags: [] }, origin };
}

/** An IPv6 route as the kernel would hold it. */
export function route6({ dst, gw, dev, src, table, protocol, onlink }: NewRoute, origin: Origin): Route6 {
  const { ip, length } = networkOf(dst);
  return {
    type: "unicast",
    dst: { address: toWords(ip), length },
    table: table ?? "main",
    protocol: protocol ?? null,
    scope: "global",
    prefsrc: src === undefined ? null : toWords(src),
    metric: USUAL_METRIC6,
    tos: 0,
    mtu: 0,
    nextHops: [
      { dev, gateway: gw === null ? null : toWords(gw), weight: 1, onlink: onlink ?? false, dead: false },
    ],
    origin,
  };
}

/** What makes two routes the same to `ip -6 route add`. */
export function sameRoute6(a: Route6, b: Route6): boolean {
  const keyOf = ({ type, dst, table, metric, nextHops }: Route6): string =>
    JSON.stringify([type, dst, table, metric, nextHops.map(({ dev, gateway }) => [dev, gateway])]);
  return keyOf(a) === keyOf(b);
}
