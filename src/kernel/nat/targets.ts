import * as IP6_HANDLE from "../../address/ip6-handle.ts";
import { addressOnPath, type Ip6, intern, isLinkLocal6, word6 } from "../../address/ip6-handle.ts";
import { isMasked4 } from "../../address/masked.ts";
import type { Packet } from "../../packet/packet.ts";
import type { CompiledAddress6 } from "../device/net-device.ts";
import type { NfVerdict } from "../netfilter/hook.ts";
import * as HOOK from "../netfilter/hook.ts";
import type { DnatTarget } from "../netfilter/target/dnat.ts";
import type { MasqueradeTarget } from "../netfilter/target/masquerade.ts";
import type { NetmapTarget } from "../netfilter/target/netmap.ts";
import type { RedirectTarget } from "../netfilter/target/redirect.ts";
import type { SnatTarget } from "../netfilter/target/snat.ts";
import type { OneDestination, TargetAction } from "../netfilter/target-action.ts";
import { nextHopOf } from "../route/attach.ts";
import { selectAddress } from "../route/output-route.ts";
import { selectSource6 } from "../route/select-source6.ts";
import type { Stack } from "../stack.ts";
import * as MANIP from "./manip.ts";
import { hookManip, type Manip } from "./manip.ts";
import { natSetup, natSetupOne } from "./nat.ts";
import { type NatRange, natRange, OneAddress } from "./range.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IP6_LOOPBACK } = IP6_HANDLE;
const { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_OUT } = HOOK;
const { NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } = MANIP;

/** What the nat table's targets do (xt_nat.c, nf_nat_masquerade.c, nf_nat_redirect.c, xt_NETMAP.c). */

const LOOPBACK = (127 << 24) | 1;

export function dnatAction({ range }: DnatTarget): TargetAction {
  return new NatAction(natRange(range), NF_NAT_MANIP_DST);
}

export function snatAction({ range }: SnatTarget): TargetAction {
  return new NatAction(natRange(range), NF_NAT_MANIP_SRC);
}

/** `xt_dnat_target_v2`, `xt_snat_target_v2`. Runs per packet. */
class NatAction implements TargetAction {
  private readonly range: NatRange;
  private readonly manip: Manip;
  readonly dnat: OneDestination | null;

  constructor(range: NatRange, manip: Manip) {
    this.range = range;
    this.manip = manip;
    this.dnat =
      manip === NF_NAT_MANIP_DST && isOne(range) ? { address: range.minAddress, port: range.minPort } : null;
  }

  apply(stack: Stack, packet: Packet): NfVerdict {
    return packet.ct < 0 ? NF_ACCEPT : natSetup(stack, packet.ct, this.range, this.manip);
  }
}

/** Does it leave no choice? */
function isOne({
  mapAddresses,
  minAddress,
  maxAddress,
  ports,
  minPort,
  maxPort,
  random,
  portBase,
}: NatRange): boolean {
  return (
    mapAddresses && minAddress === maxAddress && ports && minPort === maxPort && !random && portBase === null
  );
}

const oneDestination = new OneAddress();
oneDestination.ports = true;

/** `NatAction.apply` of DNAT to one address and port (`TargetAction.dnat`), which are at hand. Runs per packet. */
export function dnatToOne(stack: Stack, packet: Packet, address: number, port: number): NfVerdict {
  if (packet.ct < 0) return NF_ACCEPT;
  oneDestination.minPort = port;
  oneDestination.maxPort = port;
  return natSetupOne(stack, packet.ct, oneDestination.set(address));
}

/** `nf_nat_masquerade_ipv4`, `nf_nat_masquerade_ipv6`: the source becomes an address of the device it leaves by. */
export function masqueradeAction(target: MasqueradeTarget): TargetAction {
  const range = new OneAddress();
  range.random = target.range.random || target.range.randomFully;
  range.ports = target.range.portMin !== null;
  range.minPort = target.range.portMin ?? 0;
  range.maxPort = target.range.portMax ?? target.range.portMin ?? 0;
  return { apply: (stack: Stack, packet: Packet): NfVerdict => masquerade(stack, packet, range) };
}

export function masquerade(stack: Stack, packet: Packet, range: OneAddress): NfVerdict {
  const six = packet.family === 6;
  if (packet.ct < 0 || (packet.src === 0 && !six)) return NF_ACCEPT;
  const out = stack.device(stack.outIf);
  if (out === null) return NF_DROP;
  const nextHop = nextHopOf(packet);
  const address = six ? selectSource6(stack, out, packet.dst) : selectAddress(stack, out, nextHop, 0);
  if (address === 0) return NF_DROP;
  range.mapAddresses = true;
  stack.conntrack.setMasqueradedBy(packet.ct, out.ifindex);
  return natSetup(stack, packet.ct, range.set(address), NF_NAT_MANIP_SRC);
}

/** `nf_nat_redirect_ipv4`, `nf_nat_redirect_ipv6`: to this host itself. */
export function redirectAction(target: RedirectTarget): TargetAction {
  const range = new OneAddress();
  range.random = target.range.random;
  range.ports = target.range.portMin !== null;
  range.minPort = target.range.portMin ?? 0;
  range.maxPort = target.range.portMax ?? target.range.portMin ?? 0;
  return {
    apply: (stack: Stack, packet: Packet, hook: number): NfVerdict => redirect(stack, packet, hook, range),
  };
}

/**
 * `nf_nat_redirect_ipv6_usable`: of those of a device, for what was sent to a global address the first, for what was sent to a
 * link-local one the first of these.
 */
function isUsable6(this: Packet, { address, usable }: CompiledAddress6): boolean {
  return usable && (!isLinkLocal6(this.dst) || isLinkLocal6(address));
}

export function redirect(stack: Stack, packet: Packet, hook: number, range: OneAddress): NfVerdict {
  if (packet.ct < 0) return NF_ACCEPT;
  const six = packet.family === 6;
  let address = six ? IP6_LOOPBACK : LOOPBACK;
  if (hook !== NF_INET_LOCAL_OUT) {
    const dev = stack.device(stack.inIf);
    const first = six ? dev?.addresses6.find(isUsable6, packet) : dev?.addresses[0];
    if (first === undefined) return NF_DROP;
    address = first.address;
  }
  range.mapAddresses = true;
  return natSetup(stack, packet.ct, range.set(address), NF_NAT_MANIP_DST);
}

/** A network's address with the host part of another. */
function mapped6(own: Ip6, network: Ip6, mask: Ip6): Ip6 {
  return intern(
    mappedWord(own, network, mask, 0),
    mappedWord(own, network, mask, 1),
    mappedWord(own, network, mask, 2),
    mappedWord(own, network, mask, 3),
  );
}

function mappedWord(own: Ip6, network: Ip6, mask: Ip6, i: number): number {
  return (word6(own, i) & ~word6(mask, i)) | (word6(network, i) & word6(mask, i));
}

/** `NETMAP`: the network part is exchanged, the host part kept. */
export function netmapAction(target: NetmapTarget): TargetAction {
  const range = new OneAddress();
  const { to } = target;
  const mask = addressOnPath(to.mask);
  const network = addressOnPath(to.address);
  const isIpv6 = !isMasked4(to);
  return {
    apply: (stack: Stack, packet: Packet, hook: number): NfVerdict => {
      if (packet.ct < 0) return NF_ACCEPT;
      const manip = hookManip(hook);
      const own = manip === NF_NAT_MANIP_SRC ? packet.src : packet.dst;
      return natSetup(
        stack,
        packet.ct,
        range.set(isIpv6 ? mapped6(own, network, mask) : (own & ~mask) | (network & mask)),
        manip,
      );
    },
  };
}
