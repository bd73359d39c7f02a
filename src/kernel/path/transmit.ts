import * as PACKET from "../../packet/packet.ts";
import { networkLength, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import * as ERRNO from "../errno.ts";
import * as HOOK from "../netfilter/hook.ts";
import { nftFrame } from "../nft/frame-hooks.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import * as TAPE from "../tape.ts";
import { bondTransmit } from "./bond.ts";
import { bridgeTransmit } from "./bridge.ts";
import { geneveTransmit } from "./geneve.ts";
import { ipipTransmit } from "./ipip.ts";
import { ipvlanTransmit } from "./ipvlan.ts";
import { macvlanTransmit } from "./macvlan.ts";
import { ovsReceive } from "./ovs.ts";
import { ifbTransmit, tcFilters } from "./traffic-control.ts";
import { vlanTransmit } from "./vlan.ts";
import { vrfTransmit } from "./vrf.ts";
import { vxlanTransmit } from "./vxlan.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ETH_P_ARP, PACKET_HOST } = PACKET;
const { NF_ACCEPT, NF_DROP, NF_NETDEV_EGRESS } = HOOK;
const { ENOBUFS } = ERRNO;
const { DIR_OUT, OP_ARP, OP_FRAME, OP_TBF } = TAPE;

const RULE_DROP = reason("rule-drop");
const DEVICE_DOWN = reason("device-down");
const DUMMY = reason("dummy-device");
const BURST_TOO_SMALL = reason("burst-too-small");
/** Bytes of an Ethernet header, which count in a queue. */
const ETHERNET = 14;
const NOT_REDIRECTED = reason("not-redirected");
const UNMODELLED = reason("unmodelled-device");

/**
 * `dev_queue_xmit`: a framed packet leaves by a device, whatever kind that is. Takes the packet over. Runs per packet.
 *
 * What became of it in front of the device stands in `stack.xmitErrno` afterwards: 0, or ENOBUFS (`net_xmit_errno`).
 */
export function devQueueXmit(stack: Stack, dev: NetDevice, packet: Packet): void {
  stack.xmitErrno = queueXmit(stack, dev, packet);
}

function queueXmit(stack: Stack, dev: NetDevice, packet: Packet): number {
  if (dev.egress.length > 0) {
    const verdict = nftFrame(stack, NF_NETDEV_EGRESS, dev.egress, packet, null, dev);
    if (verdict === NF_DROP) {
      stack.kill(packet, RULE_DROP);
      return ENOBUFS;
    }
    if (verdict !== NF_ACCEPT) return 0;
  }
  if (dev.tcEgress.length > 0) {
    const verdict = tcFilters(stack, dev, dev.tcEgress, packet, false);
    if (verdict !== "pass") return verdict === "drop" ? ENOBUFS : 0;
  }
  return transmitClassified(stack, dev, packet);
}

/**
 * What follows the filters: the device's queue, and the device. Takes the packet over.
 *
 * @returns 0, or ENOBUFS where the queue dropped it
 */
export function transmitClassified(stack: Stack, dev: NetDevice, packet: Packet): number {
  if (!dev.up) {
    stack.kill(packet, DEVICE_DOWN);
    return 0;
  }
  if (dev.tbfLongest > 0) {
    // `tbf_enqueue`: what can never have tokens enough is dropped at once; of what a card would cut the pieces count (`tbf_segment`).
    if (networkLength(packet) + (dev.hasHeader ? ETHERNET : 0) > dev.tbfLongest) {
      stack.kill(packet, BURST_TOO_SMALL);
      return ENOBUFS;
    }
    stack.tape?.words4(OP_TBF, stack.host, packet.number, dev.ifindex, 0);
  }
  handToDevice(stack, dev, packet);
  return 0;
}

/** `ndo_start_xmit`: whatever becomes of the frame there, it has been taken. */
function handToDevice(stack: Stack, dev: NetDevice, packet: Packet): void {
  packet.dev = dev.ifindex;
  stack.engine.tape?.frame(
    packet.ethType === ETH_P_ARP ? OP_ARP : OP_FRAME,
    stack.host,
    dev.ifindex,
    DIR_OUT,
    packet,
  );
  if (dev.ovsOwn && dev.ovsPort !== null) {
    ovsReceive(stack, dev.ovsPort, packet);
    return;
  }
  switch (dev.kind) {
    // By far the most frequent.
    case "veth":
      stack.outbox.transmit(stack, dev, packet);
      return;
    case "loopback":
      // loopback_xmit keeps conntrack and route: the packet is not routed again on its way in.
      packet.pktType = PACKET_HOST;
      stack.outbox.receive(stack, dev, packet);
      return;
    case "bridge":
      bridgeTransmit(stack, dev, packet);
      return;
    case "vxlan":
      vxlanTransmit(stack, dev, packet);
      return;
    case "ipip":
      ipipTransmit(stack, dev, packet);
      return;
    case "geneve":
      geneveTransmit(stack, dev, packet);
      return;
    case "bond":
      bondTransmit(stack, dev, packet);
      return;
    case "ifb":
      if (!ifbTransmit(stack, packet)) stack.kill(packet, NOT_REDIRECTED);
      return;
    case "macvlan":
      macvlanTransmit(stack, dev, packet);
      return;
    case "ipvlan":
      ipvlanTransmit(stack, dev, packet);
      return;
    case "vlan":
      vlanTransmit(stack, dev, packet);
      return;
    case "vrf":
      vrfTransmit(stack, dev, packet);
      return;
    case "dummy":
      stack.kill(packet, DUMMY);
      return;
    case "unmodelled":
    case "openvswitch":
    case "external":
      stack.kill(packet, UNMODELLED);
      return;
    default:
      stack.outbox.transmit(stack, dev, packet);
  }
}
