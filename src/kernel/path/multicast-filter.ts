import { isMulticast6 } from "../../address/ip6-handle.ts";
import type { Packet } from "../../packet/packet.ts";
import type { DevicePlace } from "../device/lower-port.ts";
import { isMember } from "../route/input-route.ts";
import { isMulticast } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";

/**
 * Does a device upon another take this group frame (`vlan->mc_filter`, `ipvlan->mac_filters`)? What is for everybody, and groups
 * by what the device joined. (The kernel compares hashes of MACs with a seed of its own: now and then one more passes.)
 */
export function listens(stack: Stack, { host, device }: DevicePlace, packet: Packet): boolean {
  const { family, dst } = packet;
  const own = stack.engine.stackOf(host);
  if (family === 6) return !isMulticast6(dst) || own.net.groups.isJoined6(dst, device.ifindex);
  return !isMulticast(dst) || isMember(own, dst, device);
}
