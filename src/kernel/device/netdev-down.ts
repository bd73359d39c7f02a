import { deviceKey } from "../../packet/packet.ts";
import type { HostSession } from "../host-session.ts";
import type { Netns } from "../netns.ts";
import type { PairMap } from "../session/pair-map.ts";
import type { NetDevice } from "./net-device.ts";
import { bridgeOfKey } from "./vlan-filter.ts";

/** What a host forgets when a device goes down or away, and when one loses an address (`NETDEV_DOWN`, `inetaddr_chain`). */

/** From one version of a host to the next, `null`: the host is gone. */
export function forgetWhatWentDown(state: HostSession, before: Netns, after: Netns | null): void {
  if (before === after) return;
  for (const dev of before.devices) {
    const now = after?.device(dev.ifindex) ?? null;
    if (now === null || (dev.up && !now.up)) netdevDown(state, dev);
    else forgetLostAddresses(state, dev, now);
  }
}

/**
 * `masq_device_event`: what was masqueraded for it; `arp_ifdown`, `addrconf_ifdown`: its neighbours; `br_stp_disable_port`,
 * `vxlan_stop`: who was learned to be behind it.
 */
function netdevDown(state: HostSession, { ifindex, isVxlan, isBridge, master }: NetDevice): void {
  forgetMasqueraded(state, ifindex, () => true);
  const keys = [deviceKey(4, ifindex), deviceKey(6, ifindex)];
  const { neighbours, neighbourUpdated, neighbourConfirmed, neighbourDelayed } = state;
  for (const map of [neighbours, neighbourUpdated, neighbourConfirmed, neighbourDelayed])
    deleteWhere(map, (key) => keys.includes(key));
  if (isVxlan || isBridge) state.learned.deleteWhere((key) => bridgeOfKey(key) === ifindex);
  if (master?.isBridge)
    state.learned.deleteWhere((key, port) => bridgeOfKey(key) === master.ifindex && port === ifindex);
}

/** `masq_inet_event`, `masq_inet6_event`: what has an address that is not the device's any more; of IPv4's with a peer, the peer's. */
function forgetLostAddresses(state: HostSession, before: NetDevice, now: NetDevice): void {
  const lost = before.addresses.filter(
    (own) => !now.addresses.some(({ address }) => address === own.address),
  );
  const lost6 = before.addresses6.filter(
    (own) => !now.addresses6.some(({ address }) => address === own.address),
  );
  if (lost.length === 0 && lost6.length === 0) return;
  forgetMasqueraded(state, before.ifindex, (given, family) =>
    family === 6
      ? lost6.some(({ address }) => address === given)
      : lost.some(({ prefixAddress }) => prefixAddress === given),
  );
}

function forgetMasqueraded(
  { conntrack }: HostSession,
  ifindex: number,
  goes: (address: number, family: number) => boolean,
): void {
  conntrack.forEach((ct) => {
    if (conntrack.masqueradedBy(ct) !== ifindex) return;
    if (goes(conntrack.replyDst(ct), conntrack.family(ct))) conntrack.remove(ct);
  });
}

function deleteWhere(map: PairMap, goes: (key: number) => boolean): void {
  const gone: [number, number][] = [];
  map.forEach((key, other) => {
    if (goes(key)) gone.push([key, other]);
  });
  for (const [key, other] of gone) map.delete(key, other);
}
