import { IP6_ANY, type Ip6, intern, solicitedNode6, word6 } from "../../address/ip6-handle.ts";
import type { NetDevice } from "./net-device.ts";

/** ff02::1, every host on a link. */
export const ALL_NODES: Ip6 = intern(0xff020000 | 0, 0, 0, 1);
/** ff01::1, the device itself. */
const OWN_NODES: Ip6 = intern(0xff010000 | 0, 0, 0, 1);
/** ff02::2, ff01::2, ff05::2. */
const ALL_ROUTERS: readonly Ip6[] = [0xff02, 0xff01, 0xff05].map((head) => intern((head << 16) | 0, 0, 0, 2));

/**
 * IPv6 groups that a device listens to of itself (`ipv6_add_dev`, `dev_forward_change`, `addrconf_join_solict`).
 *
 * @param proxied addresses answered for on it (`pndisc_constructor`)
 */
export function joinedGroups6(dev: NetDevice, proxied: readonly Ip6[]): Ip6[] {
  if (dev.conf6.disabled) return [];
  const told = [...dev.addresses6.map(({ address }) => address), ...anycastAddresses(dev), ...proxied];
  return [ALL_NODES, OWN_NODES, ...(dev.conf6.forwarding ? ALL_ROUTERS : []), ...told.map(solicitedNode6)];
}

/** A router's address in each of its networks, the all-zero one (`addrconf_join_anycast`, RFC 4291 2.6.1). */
export function anycastAddresses(dev: NetDevice): Ip6[] {
  if (!dev.conf6.forwarding) return [];
  return dev.addresses6
    .filter(({ length, usable }) => length < 127 && usable)
    .map(({ address, length }) => networkOf(address, length))
    .filter((network) => network !== IP6_ANY);
}

/** `ipv6_addr_prefix`. */
function networkOf(address: Ip6, length: number): Ip6 {
  const word = (i: number): number => {
    const bits = Math.min(Math.max(length - 32 * i, 0), 32);
    return bits === 0 ? 0 : word6(address, i) & (bits === 32 ? -1 : -1 << (32 - bits));
  };
  return intern(word(0), word(1), word(2), word(3));
}
