import { isMulticast6 } from "../../address/ip6-handle.ts";
import type { Packet } from "../../packet/packet.ts";
import type { DevicePlace } from "../device/lower-port.ts";
import type { Stack } from "../stack.ts";

/**
 * Does a device upon another take this group frame (`vlan->mc_filter`, `ipvlan->mac_filters`)? IPv6 groups by what the device
 * joined; of IPv4's, all.
 */
export function listens(stack: Stack, { host, device }: DevicePlace, packet: Packet): boolean {
  if (packet.family !== 6 || !isMulticast6(packet.dst)) return true;
  return stack.engine.stackOf(host).net.isJoined6(packet.dst, device.ifindex);
}
