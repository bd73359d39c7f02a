import type { Packet } from "../../../packet/packet.ts";
import type { NetDevice } from "../../device/net-device.ts";
import { reason } from "../../reason.ts";
import type { NftRun } from "./nft-run.ts";

const FORWARD_LOOP = reason("forward-loop");

/** `NF_RECURSION_LIMIT`: so deep within one another frames may still be sent. */
const RECURSION_LIMIT = 2;

/** `nf_do_netdev_egress`: a chain of a device sends a frame out by another at once, as it is. Takes the packet over. */
export function netdevEgress(run: NftRun, out: NetDevice, sent: Packet): void {
  const { stack, packet, table, hook } = run;
  if (stack.egressNest > RECURSION_LIMIT) {
    stack.kill(sent, FORWARD_LOOP);
    return;
  }
  stack.egressNest++;
  stack.path.transmit(stack, out, sent);
  stack.egressNest--;
  // Its way may have gone through chains of its own.
  run.packet = packet;
  run.table = table;
  run.hook = hook;
}
