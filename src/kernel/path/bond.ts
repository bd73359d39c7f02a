import type { Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";

/**
 * Bonds (drivers/net/bonding), as far as a dump shows them: in active-backup the active one carries all and the others are
 * deaf; in every other mode all of them listen, and the first that is up speaks for all, since they lead to the same place.
 */

const INACTIVE = reason("bond-inactive");
const DEVICE_DOWN = reason("device-down");

/** `bond_start_xmit`. Takes the packet over. */
export function bondTransmit(stack: Stack, bond: NetDevice, packet: Packet): void {
  const slave = activeSlave(bond);
  if (slave === null) {
    stack.kill(packet, DEVICE_DOWN);
    return;
  }
  stack.path.transmit(stack, slave, packet);
}

/** `bond_handle_frame`: a frame came in by one of a bond's devices. Takes the packet over. */
export function bondReceive(stack: Stack, bond: NetDevice, slave: NetDevice, packet: Packet): void {
  const { detail } = bond.plain;
  if (detail.kind === "bond" && detail.mode === "active-backup" && activeSlave(bond) !== slave) {
    stack.kill(packet, INACTIVE);
    return;
  }
  stack.path.receive(stack, bond, packet);
}

function activeSlave(bond: NetDevice): NetDevice | null {
  const { detail } = bond.plain;
  const active = detail.kind === "bond" ? detail.active : null;
  let first: NetDevice | null = null;
  for (let i = 0; i < bond.slaves.length; i++) {
    const slave = bond.slaves[i] as NetDevice;
    if (!slave.up || !slave.plain.carrier) continue;
    if (slave.name === active) return slave;
    first ??= slave;
  }
  return first;
}
