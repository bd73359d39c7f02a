import { CHECKSUM_LEFT, CHECKSUM_NONE, headerRewritten } from "../../packet/checksum.ts";
import {
  ICMPV6_ADDR_UNREACH,
  ICMPV6_ADM_PROHIBITED,
  ICMPV6_DEST_UNREACH,
  ICMPV6_NOROUTE,
  ICMPV6_POLICY_FAIL,
  ICMPV6_PORT_UNREACH,
  ICMPV6_REJECT_ROUTE,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IPIP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
  TCP_RST,
} from "../../packet/packet.ts";
import { checksum, pseudoHeader } from "../../packet/wire/checksum.ts";
import { helperOf } from "../conntrack/helper.ts";
import { CT_NONE, CT_UNTRACKED } from "../conntrack/status.ts";
import { hasTemplate, NO_TEMPLATE, templateOfMark, zoneOf } from "../conntrack/zone.ts";
import { sendReset } from "../icmp/reset.ts";
import { sendIcmpError } from "../icmp/send.ts";
import { reason } from "../reason.ts";
import type { Stack } from "../stack.ts";
import { NF_DROP, type NfVerdict } from "./hook.ts";
import type { ConnmarkTarget, MarkShift } from "./target/connmark.ts";
import type { CtTarget } from "./target/ct.ts";
import type { DscpTarget } from "./target/dscp.ts";
import type { HopCountChange } from "./target/hop-count.ts";
import type { RejectTarget, RejectWith } from "./target/reject.ts";
import type { TosTarget } from "./target/tos.ts";
import type { TargetAction } from "./target-action.ts";

/** Effects of targets that are no translation. Run per packet. */

const RULE_REJECT = reason("rule-reject");
const XT_CONTINUE = -1;

/** `--reject-with` to ICMP or ICMPv6 type and code (ipt_REJECT.c, ip6t_REJECT.c); a reset has none. */
const REJECT_WITH: Readonly<Record<RejectWith, readonly [number, number]>> = {
  "icmp-net-unreachable": [3, 0],
  "icmp-host-unreachable": [3, 1],
  "icmp-proto-unreachable": [3, 2],
  "icmp-port-unreachable": [3, 3],
  "icmp-net-prohibited": [3, 9],
  "icmp-host-prohibited": [3, 10],
  "icmp-admin-prohibited": [3, 13],
  "tcp-reset": [0, 0],
  "icmp6-no-route": [ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE],
  "icmp6-adm-prohibited": [ICMPV6_DEST_UNREACH, ICMPV6_ADM_PROHIBITED],
  "icmp6-addr-unreachable": [ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH],
  "icmp6-port-unreachable": [ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH],
  "icmp6-policy-fail": [ICMPV6_DEST_UNREACH, ICMPV6_POLICY_FAIL],
  "icmp6-reject-route": [ICMPV6_DEST_UNREACH, ICMPV6_REJECT_ROUTE],
};

export function rejectAction(target: RejectTarget): TargetAction {
  const reset = target.rejectWith === "tcp-reset";
  const [type, code] = REJECT_WITH[target.rejectWith];
  return {
    apply: (stack: Stack, packet: Packet): NfVerdict => rejectPacket(stack, packet, reset, type, code),
  };
}

/** Drop a packet and tell its sender, by a reset or an ICMP error. */
export function rejectPacket(
  stack: Stack,
  packet: Packet,
  reset: boolean,
  type: number,
  code: number,
): NfVerdict {
  stack.drop(packet, RULE_REJECT);
  // A fragment's checksum cannot be right, and what has a wrong one is not answered; some protocols have none to look at.
  if (packet.isFragment && (reset || packet.fragOffset !== 0 || hasWholeChecksum(packet.protocol)))
    return NF_DROP;
  if (reset) {
    if ((packet.tcpFlags & TCP_RST) === 0) sendReset(stack, packet);
  } else if (hasRightChecksum(packet)) sendIcmpError(stack, packet, type, code, 0);
  return NF_DROP;
}

/** `nf_reject_verify_csum`: has a protocol a checksum of 16 bits over all of its payload? */
function hasWholeChecksum(protocol: number): boolean {
  return !UNSUMMED.has(protocol);
}

/** GRE, ESP, AH, SCTP and UDP-Lite; DCCP left with the rest of it (Linux 6.16). */
const UNSUMMED: ReadonlySet<number> = new Set([47, 50, 51, 132, 136]);

/** Those whose headers are written here, with the checksums that they have. */
const WRITTEN: ReadonlySet<number> = new Set([
  ...[IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IPIP],
]);

/**
 * `nf_ip_checksum`, `nf_ip6_checksum`: of a protocol that it knows nothing of the kernel sums up all that the packet carries, which
 * comes out right by chance alone.
 */
function hasRightChecksum(packet: Packet): boolean {
  const { protocol, content, family } = packet;
  if (!hasWholeChecksum(protocol) || (content === null && WRITTEN.has(protocol))) return true;
  if (content === null) return false;
  const before = family === 6 ? pseudoHeader(packet, protocol, content.length) : RIGHT_HEADER;
  return checksum(content, 0, content.length, before) === 0;
}

/** What an IPv4 header with its checksum adds up to. */
const RIGHT_HEADER = 0xffff;

export function notrackAction(): TargetAction {
  return {
    apply: (_stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      if (packet.ct === CT_NONE && packet.ctTemplate === NO_TEMPLATE) packet.ct = CT_UNTRACKED;
      return XT_CONTINUE;
    },
  };
}

/** `connmark_tg`: between the packet's mark and its connection's. */
export function connmarkAction(target: ConnmarkTarget): TargetAction {
  return {
    apply: (stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      const ct = packet.ct;
      if (ct < 0) {
        if (target.mode === "restore" && hasTemplate(packet)) packet.mark &= ~target.nfMask;
        return XT_CONTINUE;
      }
      const table = stack.conntrack;
      switch (target.mode) {
        case "set":
          table.setMark(ct, shifted((table.mark(ct) & ~target.ctMask) ^ target.ctMark, target.shift));
          break;
        case "save":
          table.setMark(
            ct,
            (table.mark(ct) & ~target.ctMask) ^ shifted(packet.mark & target.nfMask, target.shift),
          );
          break;
        case "restore":
          packet.mark =
            (packet.mark & ~target.nfMask) ^ shifted(table.mark(ct) & target.ctMask, target.shift);
          break;
      }
      return XT_CONTINUE;
    },
  };
}

function shifted(mark: number, shift: MarkShift | null): number {
  if (shift === null) return mark;
  return shift.direction === "left" ? mark << shift.bits : mark >>> shift.bits;
}

/** TTL, and HL of IPv6. */
export function hopCountAction(target: HopCountChange): TargetAction {
  return {
    apply: (_stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      const { mode, value } = target;
      if (mode === "set") packet.ttl = value;
      else packet.ttl = Math.max(0, Math.min(255, packet.ttl + (mode === "inc" ? value : -value)));
      headerRewritten(packet);
      return XT_CONTINUE;
    },
  };
}

/**
 * `xt_ct_target`: what has a connection, a template or NOTRACK already keeps it. A helper looks into payload, which nothing here
 * has: it is named; a policy of timeouts is only about how long an entry stays, and is not followed.
 */
export function ctAction(target: CtTarget): TargetAction {
  if (target.notrack) return notrackAction();
  const { id, direction } = target.zone ?? { id: 0, direction: "both" as const };
  const note = target.helper === null ? null : helperOf(target.helper);
  return {
    apply: (stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      if (packet.ct === CT_NONE && packet.ctTemplate === NO_TEMPLATE) {
        packet.ctTemplate = id === "mark" ? templateOfMark(direction) : zoneOf(id, direction);
        if (note !== null) stack.engine.unmodelled.add(note);
      }
      return XT_CONTINUE;
    },
  };
}

/** `checksum_tg`: what was left to a card is computed. */
export function checksumAction(): TargetAction {
  return {
    apply: (_stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      if (packet.summed === CHECKSUM_LEFT) packet.summed = CHECKSUM_NONE;
      return XT_CONTINUE;
    },
  };
}

/** `DSCP --set-dscp`: the upper six bits of the TOS field. */
export function dscpAction(target: DscpTarget): TargetAction {
  return {
    apply: (_stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      packet.tos = (packet.tos & 0x03) | (target.dscp << 2);
      headerRewritten(packet);
      return XT_CONTINUE;
    },
  };
}

/** `TOS --set-xtos`: clear the bits of the mask, then flip those of the value. */
export function tosAction(target: TosTarget): TargetAction {
  return {
    apply: (_stack: Stack, packet: Packet): typeof XT_CONTINUE => {
      packet.tos = ((packet.tos & ~target.mask) ^ target.value) & 0xff;
      headerRewritten(packet);
      return XT_CONTINUE;
    },
  };
}
