import { PACKET_HOST, PACKET_OTHERHOST, type Packet } from "../../packet/packet.ts";
import type { LowerPort } from "../device/lower-port.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";

/** VLAN devices (net/8021q): what they send bears their tag, and what bears it is theirs. Runs per packet. */

const DEVICE_DOWN = reason("device-down");
const LEFT_MODEL = reason("left-model");
const UNMODELLED = reason("unmodelled-device");

/** `vlan_dev_hard_start_xmit`. Takes the packet over. */
export function vlanTransmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  const lower = stack.lowerOf(dev);
  if (lower === null) {
    stack.kill(packet, LEFT_MODEL);
    return;
  }
  if (packet.vlan !== 0) {
    // A tag within a tag.
    stack.kill(packet, UNMODELLED);
    return;
  }
  packet.vlan = dev.vlanId;
  stack.outbox.lower(stack.engine.stackOf(lower.host), lower.device, packet);
}

/**
 * `vlan_do_receive`: a tagged frame came in by a device.
 *
 * @returns true when it was a VLAN device's; the packet is taken over then
 */
export function vlanReceive(stack: Stack, port: LowerPort, packet: Packet): boolean {
  const to = port.vlanOf(packet.vlan);
  if (to === null) return false;
  if (!to.device.up) {
    stack.kill(packet, DEVICE_DOWN);
    return true;
  }
  packet.vlan = 0;
  // The device below may have another MAC.
  if (packet.pktType === PACKET_OTHERHOST && packet.ethDst === to.device.mac) packet.pktType = PACKET_HOST;
  stack.outbox.raise(stack.engine.stackOf(to.host), to.device, packet);
  return true;
}
