import type { Ipv4 } from "../../address/ipv4.ts";
import { MAC_ZERO, type Mac } from "../../address/mac.ts";
import { ARPOP_REQUEST, ETH_P_ARP, type Packet } from "../../packet/packet.ts";
import type { NetDevice } from "../device/net-device.ts";
import { selectAddress } from "../route/output-route.ts";
import { RT_SCOPE_LINK } from "../route/rt-scope.ts";
import { RTN_LOCAL } from "../route/types.ts";
import type { Stack } from "../stack.ts";
import { arpXmit } from "./arp-xmit.ts";
import { ndiscSolicit } from "./ndisc-send.ts";

/**
 * Who has this address? One question by ARP or neighbour discovery (`neigh_ops->solicit`).
 *
 * @param target as the path holds it
 * @param waiting the packet that asks for it, whose source may name the asker
 * @param to whom: MAC_BROADCAST for everybody
 */
export function solicit(
  stack: Stack,
  dev: NetDevice,
  family: number,
  target: number,
  waiting: Packet | undefined,
  to: Mac,
): void {
  if (family === 6) ndiscSolicit(stack, dev, target, waiting, to);
  else arpSolicit(stack, dev, target, waiting, to);
}

/** `arp_solicit`: the sender named depends on `arp_announce`. */
function arpSolicit(stack: Stack, dev: NetDevice, target: Ipv4, waiting: Packet | undefined, to: Mac): void {
  let sender = 0;
  const announce = dev.conf.arpAnnounce;
  if (announce !== 2 && waiting !== undefined && stack.addressTypeBy(waiting.src, dev) === RTN_LOCAL) {
    if (announce !== 1 || sharesPrefix(dev, target, waiting.src)) sender = waiting.src;
  }
  if (sender === 0) sender = selectAddress(stack, dev, target, RT_SCOPE_LINK);
  const question = stack.pool.take();
  question.number = 0;
  question.ethType = ETH_P_ARP;
  question.framed = true;
  question.ethSrc = dev.mac;
  question.ethDst = to;
  question.arpOp = ARPOP_REQUEST;
  question.arpSha = dev.mac;
  question.arpTha = MAC_ZERO;
  question.src = sender;
  question.dst = target;
  question.length = 28;
  arpXmit(stack, dev, question);
}

function sharesPrefix(dev: NetDevice, a: Ipv4, b: Ipv4): boolean {
  return dev.addresses.some(
    (entry) =>
      ((a ^ entry.prefixAddress) & entry.mask) === 0 && ((b ^ entry.prefixAddress) & entry.mask) === 0,
  );
}
