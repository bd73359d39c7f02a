import * as PACKET from "../../packet/packet.ts";
import { isIcmp, type Packet } from "../../packet/packet.ts";
import * as STATUS from "../conntrack/status.ts";
import { ctInfoDirection } from "../conntrack/status.ts";
import * as ERRNO from "../errno.ts";
import type { NfVerdict } from "../netfilter/hook.ts";
import * as HOOK from "../netfilter/hook.ts";
import { reason } from "../reason.ts";
import { routeMeHarder } from "../route/output-route.ts";
import type { Stack } from "../stack.ts";
import * as MANIP from "./manip.ts";
import { hookManip, type Manip } from "./manip.ts";
import { boundAddress, boundPort, natPacket, rewrite } from "./manip-packet.ts";
import { natInitialized, natNullBinding } from "./nat.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { ICMP_REDIRECT, NDISC_REDIRECT } = PACKET;
const {
  IP_CT_ESTABLISHED,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
  IPS_DST_NAT,
  IPS_NAT_DONE_MASK,
  IPS_NAT_MASK,
  IPS_SRC_NAT,
} = STATUS;
const { NF_ACCEPT, NF_DROP, NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING } = HOOK;
const { EINVAL } = ERRNO;
const { NF_NAT_MANIP_DST, NF_NAT_MANIP_SRC } = MANIP;

/** A table's rules for new connections at one hook. */
export interface NatLookup {
  run(stack: Stack, packet: Packet): NfVerdict;
}

const NAT_ICMP = reason("nat-icmp");
const BAD_SOURCE = reason("bad-source");
const NO_ROUTE = reason("no-route");
const MASQUERADE_MOVED = reason("masquerade-moved");

/**
 * nat's function at a hook: of IPv4 (IPv6 likewise) `nf_nat_ipv4_pre_routing`, `_local_in`, `_local_fn` or `_out` around `nf_nat_inet_fn`. The
 * rules are consulted for the first packet of a connection only: every table's in turn, until one has translated it.
 */
export function natHook(
  stack: Stack,
  lookups: readonly NatLookup[],
  hook: number,
  packet: Packet,
): NfVerdict {
  const before = packet.dst;
  const verdict = natPackets(stack, lookups, hook, packet);
  if (verdict !== NF_ACCEPT) return verdict;
  if (hook === NF_INET_PRE_ROUTING) {
    if (packet.dst !== before) packet.dropRoute();
  } else if (hook === NF_INET_LOCAL_OUT && packet.ct >= 0) {
    const conntrack = stack.conntrack;
    const ct = packet.ct;
    const reply = ctInfoDirection(packet.ctInfo) === 1;
    const changed = reply
      ? conntrack.replyDst(ct) !== conntrack.origSrc(ct)
      : conntrack.origDst(ct) !== conntrack.replySrc(ct);
    if (changed) {
      const errno = routeMeHarder(stack, packet);
      if (errno !== 0) {
        stack.dropErrno = errno;
        stack.drop(packet, errno === EINVAL ? BAD_SOURCE : NO_ROUTE);
        return NF_DROP;
      }
    }
  }
  return NF_ACCEPT;
}

function natPackets(stack: Stack, lookups: readonly NatLookup[], hook: number, packet: Packet): NfVerdict {
  const ct = packet.ct;
  if (ct < 0) return NF_ACCEPT;
  const manip = hookManip(hook);
  const info = packet.ctInfo;
  const related = info === IP_CT_RELATED || info === IP_CT_RELATED_REPLY;
  if (related && isIcmp(packet)) {
    if (translateIcmpError(stack, packet, manip)) return NF_ACCEPT;
    stack.drop(packet, NAT_ICMP);
    return NF_DROP;
  }
  const { conntrack } = stack;
  const isBound = natInitialized(conntrack, ct, manip) || info === IP_CT_ESTABLISHED;
  if (isBound && hook === NF_INET_POST_ROUTING && leavesElsewhere(stack, ct, info)) {
    conntrack.remove(ct);
    stack.drop(packet, MASQUERADE_MOVED);
    return NF_DROP;
  }
  if (info !== IP_CT_ESTABLISHED && info !== IP_CT_ESTABLISHED_REPLY) {
    if (!natInitialized(conntrack, ct, manip)) {
      for (let i = 0; i < lookups.length; i++) {
        const verdict = (lookups[i] as NatLookup).run(stack, packet);
        if (verdict !== NF_ACCEPT) return verdict;
        if (natInitialized(conntrack, ct, manip)) break;
      }
      if (!natInitialized(conntrack, ct, manip)) natNullBinding(stack, ct, manip);
    }
  }
  return natPacket(stack, packet, manip);
}

/** `nf_nat_oif_changed`: a masqueraded connection has no part in another device's addresses. */
function leavesElsewhere({ conntrack, outIf }: Stack, ct: number, info: number): boolean {
  const device = conntrack.masqueradedBy(ct);
  return device !== 0 && ctInfoDirection(info) === 0 && device !== outIf;
}

/**
 * `nf_nat_icmp_reply_translation`, `nf_nat_icmpv6_reply_translation`: translate an ICMP error, and the packet quoted in it, back.
 *
 * @returns false when it must be dropped: a redirect for a connection that is translated, or not yet fully bound
 */
export function translateIcmpError(stack: Stack, packet: Packet, manip: Manip): boolean {
  const conntrack = stack.conntrack;
  const ct = packet.ct;
  const status = conntrack.status(ct);
  if (packet.icmpType === (packet.family === 6 ? NDISC_REDIRECT : ICMP_REDIRECT)) {
    if ((status & IPS_NAT_DONE_MASK) !== IPS_NAT_DONE_MASK) return false;
    if ((status & IPS_NAT_MASK) !== 0) return false;
  }
  const reply = ctInfoDirection(packet.ctInfo) === 1;
  let bit = manip === NF_NAT_MANIP_SRC ? IPS_SRC_NAT : IPS_DST_NAT;
  if (reply) bit ^= IPS_NAT_MASK;
  if ((status & bit) === 0) return true;
  const address = boundAddress(conntrack, ct, manip, reply);
  const inner = packet.inner;
  if (inner !== null) {
    // The quoted packet went the other way: its other end is set, to what stands in the tuple, which is what the error's own end becomes.
    const innerManip = manip === NF_NAT_MANIP_SRC ? NF_NAT_MANIP_DST : NF_NAT_MANIP_SRC;
    const port = boundPort(conntrack, ct, isIcmp(inner) ? NF_NAT_MANIP_DST : manip, reply);
    rewrite(stack, packet, inner, innerManip, address, port, false);
  }
  rewrite(stack, packet, packet, manip, address, 0, false);
  return true;
}
