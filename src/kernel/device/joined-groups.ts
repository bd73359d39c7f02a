import { IP6_ANY, type Ip6, intern, isMulticast6, solicitedNode6, word6 } from "../../address/ip6-handle.ts";
import type { Ipv4 } from "../../address/ipv4.ts";
import { deviceKey } from "../../packet/packet.ts";
import type { NeighbourKey } from "../neighbour/neighbour.ts";
import { isMulticast } from "../route/output-route.ts";
import { Journal } from "../session/journal.ts";
import { ABSENT, PairMap } from "../session/pair-map.ts";
import type { NetDevice } from "./net-device.ts";

/** ff02::1, every host on a link. */
export const ALL_NODES: Ip6 = intern(0xff020000 | 0, 0, 0, 1);
/** ff01::1, the device itself. */
const OWN_NODES: Ip6 = intern(0xff010000 | 0, 0, 0, 1);
/** ff02::2, ff01::2, ff05::2. */
const ALL_ROUTERS: readonly Ip6[] = [0xff02, 0xff01, 0xff05].map((head) => intern((head << 16) | 0, 0, 0, 2));

/** The multicast groups that a host's devices have joined. */
export class JoinedGroups {
  private readonly devices: readonly NetDevice[];
  private readonly proxied: readonly NeighbourKey[];
  /** (group, ifindex; 0 any) to 1. */
  private readonly four: PairMap;
  /** The same of IPv6, made when first asked. */
  private six: PairMap | null = null;

  /** @param proxied whom the host answers for */
  constructor(devices: readonly NetDevice[], proxied: readonly NeighbourKey[]) {
    this.devices = devices;
    this.proxied = proxied;
    this.four = new PairMap(new Journal());
    this.joinOfVxlans(4, this.four);
  }

  /** Is a group joined on a device (`ip_check_mc_rcu`)? */
  isJoined(group: Ipv4, ifindex: number): boolean {
    return this.four.get(group, ifindex) !== ABSENT || this.four.get(group, 0) !== ABSENT;
  }

  /** The same for IPv6 (`ipv6_chk_mcast_addr`). */
  isJoined6(group: Ip6, ifindex: number): boolean {
    this.six ??= this.join6();
    return this.six.get(group, ifindex) !== ABSENT;
  }

  private join6(): PairMap {
    const groups = new PairMap(new Journal());
    for (const device of this.devices) {
      const key = deviceKey(6, device.ifindex);
      const proxied = this.proxied.filter((entry) => entry.device === key);
      const addresses = proxied.map(({ address }) => address);
      for (const group of joinedGroups6(device, addresses)) groups.set(group, device.ifindex, 1);
    }
    this.joinOfVxlans(6, groups);
    return groups;
  }

  /** A VXLAN device with a group joins it on the device below (`vxlan_igmp_join`), or where routing decides (0). */
  private joinOfVxlans(family: 4 | 6, groups: PairMap): void {
    const isGroup = family === 6 ? isMulticast6 : isMulticast;
    for (const { isVxlan, up, underlayFamily, underlayRemote, plain } of this.devices) {
      if (!isVxlan || !up || underlayFamily !== family || !isGroup(underlayRemote)) continue;
      const link = plain.detail.kind === "vxlan" ? plain.detail.link : null;
      groups.set(underlayRemote, this.devices.find(({ name }) => name === link)?.ifindex ?? 0, 1);
    }
  }
}

/**
 * IPv6 groups that a device listens to of itself (`ipv6_add_dev`, `dev_forward_change`, `addrconf_join_solict`).
 *
 * @param proxied addresses answered for on it (`pndisc_constructor`)
 */
function joinedGroups6(dev: NetDevice, proxied: readonly Ip6[]): Ip6[] {
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
