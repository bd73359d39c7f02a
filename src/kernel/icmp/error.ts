import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PKT_FILTERED,
  ICMP_PORT_UNREACH,
  ICMP_PROT_UNREACH,
  ICMP_TIME_EXCEEDED,
  ICMPV6_ADDR_UNREACH,
  ICMPV6_ADM_PROHIBITED,
  ICMPV6_DEST_UNREACH,
  ICMPV6_NOROUTE,
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
  ICMPV6_PORT_UNREACH,
  ICMPV6_TIME_EXCEED,
  type Packet,
} from "../../packet/packet.ts";
import type { Stack } from "../stack.ts";
import { sendIcmpError } from "./send.ts";

/** One error as ICMP (RFC 792) and as ICMPv6 (RFC 4443) say it. */
export interface IcmpError {
  readonly type: number;
  readonly code: number;
  readonly type6: number;
  readonly code6: number;
}

function error(type: number, code: number, type6: number, code6: number): IcmpError {
  return { type, code, type6, code6 };
}

export const NO_ROUTE = error(ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE);
export const HOST_UNREACHABLE = error(
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMPV6_DEST_UNREACH,
  ICMPV6_ADDR_UNREACH,
);
/** An `unreachable` route: of IPv6 no other than none at all. */
export const ROUTE_UNREACHABLE = error(
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMPV6_DEST_UNREACH,
  ICMPV6_NOROUTE,
);
export const PROHIBITED = error(
  ICMP_DEST_UNREACH,
  ICMP_PKT_FILTERED,
  ICMPV6_DEST_UNREACH,
  ICMPV6_ADM_PROHIBITED,
);
export const PORT_UNREACHABLE = error(
  ICMP_DEST_UNREACH,
  ICMP_PORT_UNREACH,
  ICMPV6_DEST_UNREACH,
  ICMPV6_PORT_UNREACH,
);
/** `info` of ICMPv6: where in the packet the protocol stands. */
export const PROTOCOL_UNKNOWN = error(ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, ICMPV6_PARAMPROB, 1);
/** `info`: the MTU. */
export const TOO_BIG = error(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMPV6_PKT_TOOBIG, 0);
export const HOPS_EXCEEDED = error(ICMP_TIME_EXCEEDED, 0, ICMPV6_TIME_EXCEED, 0);

/** Is a message one that says an MTU: fragmentation needed, packet too big? */
export function isTooBig(family: number, type: number, code: number): boolean {
  return family === 6 ? type === TOO_BIG.type6 : type === TOO_BIG.type && code === TOO_BIG.code;
}

/** `sendIcmpError` in the packet's family. */
export function tellSender(stack: Stack, cause: Packet, what: IcmpError, info: number): void {
  if (cause.family === 6) sendIcmpError(stack, cause, what.type6, what.code6, info);
  else sendIcmpError(stack, cause, what.type, what.code, info);
}
