import { PACKET_BROADCAST, PACKET_MULTICAST, type Packet } from "../../packet/packet.ts";
import type { BondMode } from "../device/device.ts";
import type { NetDevice } from "../device/net-device.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";

/**
 * Bonds (drivers/net/bonding), as far as a dump shows them: in active-backup the active one carries all and the others are
 * deaf, in the two modes that balance by load as well but to what balance-alb's are told alone; a broadcast bond says
 * everything by all. In every other mode all of them listen, and the first that is up speaks for all, since they lead to the
 * same place.
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
  if (modeOf(bond) === "broadcast") {
    // `bond_xmit_broadcast`: in the order that they joined in
    const speaking = bond.slaves.filter(canSend);
    for (const other of speaking.slice(0, -1)) stack.path.transmit(stack, other, stack.pool.clone(packet));
    stack.path.transmit(stack, speaking.at(-1) as NetDevice, packet);
    return;
  }
  stack.path.transmit(stack, slave, packet);
}

function modeOf({ plain: { detail } }: NetDevice): BondMode | null {
  return detail.kind === "bond" ? detail.mode : null;
}

/** `bond_slave_can_tx`. */
function canSend({ up, plain }: NetDevice): boolean {
  return up && plain.carrier;
}

/** `bond_should_deliver_exact_match`: one that is not active hears nothing; of balance-alb, nothing that is for many. */
function isDeaf(bond: NetDevice, slave: NetDevice, { pktType }: Packet): boolean {
  const mode = modeOf(bond);
  const group = pktType === PACKET_BROADCAST || pktType === PACKET_MULTICAST;
  if (mode !== "active-backup" && mode !== "balance-tlb" && !(mode === "balance-alb" && group)) return false;
  return activeSlave(bond) !== slave;
}

/** `bond_handle_frame`: a frame came in by one of a bond's devices. Takes the packet over. */
export function bondReceive(stack: Stack, bond: NetDevice, slave: NetDevice, packet: Packet): void {
  if (isDeaf(bond, slave, packet)) {
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
    if (!canSend(slave)) continue;
    if (slave.name === active) return slave;
    first ??= slave;
  }
  return first;
}
