import {
  EACCES,
  EADDRNOTAVAIL,
  ECONNREFUSED,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  EPERM,
} from "../kernel/errno.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PORT_UNREACH,
  ICMP_PROT_UNREACH,
  ICMP_TIME_EXCEEDED,
  ICMPV6_ADDR_UNREACH,
  ICMPV6_ADM_PROHIBITED,
  ICMPV6_DEST_UNREACH,
  ICMPV6_NOROUTE,
  ICMPV6_NOT_NEIGHBOUR,
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
  ICMPV6_POLICY_FAIL,
  ICMPV6_PORT_UNREACH,
  ICMPV6_REJECT_ROUTE,
  ICMPV6_TIME_EXCEED,
} from "../packet/packet.ts";
import type { Query } from "./query.ts";
import type { ClientResult } from "./trace.ts";

/** What a client's system calls report, beside the errors of routing. */
/** What a protocol unreachable becomes. */
const ENOPROTOOPT = 92;
/** A parameter problem of IPv6. */
const EPROTO = 71;
export const ECONNRESET = 104;
/** A write to a connection that was reset. */
export const EPIPE = 32;

export const ERRNO_NAMES: Readonly<Record<number, string>> = {
  [EPERM]: "EPERM",
  [EACCES]: "EACCES",
  [EINVAL]: "EINVAL",
  [EPIPE]: "EPIPE",
  [EPROTO]: "EPROTO",
  [EMSGSIZE]: "EMSGSIZE",
  [ENOBUFS]: "ENOBUFS",
  [EADDRNOTAVAIL]: "EADDRNOTAVAIL",
  [ENETUNREACH]: "ENETUNREACH",
  [ENOPROTOOPT]: "ENOPROTOOPT",
  [ECONNRESET]: "ECONNRESET",
  [ECONNREFUSED]: "ECONNREFUSED",
  [EHOSTUNREACH]: "EHOSTUNREACH",
};

/** `ICMPV6_UNK_NEXTHDR` */
const UNKNOWN_NEXT_HEADER = 1;

interface Heard {
  readonly result: ClientResult;
  readonly errno: number;
}

/** What a client's socket makes of an ICMP error about its packet; null: nothing. */
export function heardOfError(
  { proto, family, df }: Pick<Query, "proto" | "family" | "df">,
  type: number,
  code: number,
): Heard | null {
  if (proto === "sctp") return heardByAssociation(family, type, code);
  return family === 6 ? heardOfError6(proto, type, code) : heardOfError4(proto, df, type, code);
}

/**
 * `sctp_v4_err`, `sctp_v6_err`: an association being made ends when nobody knows the protocol, and `connect` then says
 * ECONNREFUSED (`sctp_wait_for_connect`); of any other error it only takes note.
 */
function heardByAssociation(family: number, type: number, code: number): Heard | null {
  const unknown =
    family === 6
      ? type === ICMPV6_PARAMPROB && code === UNKNOWN_NEXT_HEADER
      : type === ICMP_DEST_UNREACH && code === ICMP_PROT_UNREACH;
  return unknown ? { result: "refused", errno: ECONNREFUSED } : null;
}

/** `icmpv6_err_convert` (net/ipv6/icmp.c); an echo's sender hears of the error alone. */
function heardOfError6(proto: Query["proto"], type: number, code: number): Heard | null {
  const errno = (of: number): number => (proto === "icmp" ? 0 : of);
  switch (type) {
    case ICMPV6_TIME_EXCEED:
      return { result: "ttl-exceeded", errno: errno(EHOSTUNREACH) };
    case ICMPV6_PKT_TOOBIG:
      return proto === "tcp" ? null : { result: "too-big", errno: errno(EMSGSIZE) };
    case ICMPV6_PARAMPROB:
      return { result: "unreachable", errno: errno(EPROTO) };
    case ICMPV6_DEST_UNREACH:
      return code === ICMPV6_PORT_UNREACH && proto !== "icmp"
        ? { result: "refused", errno: ECONNREFUSED }
        : { result: "unreachable", errno: errno(UNREACHABLE6[code] ?? EHOSTUNREACH) };
    default:
      return null;
  }
}

const UNREACHABLE6: Readonly<Record<number, number>> = {
  [ICMPV6_NOROUTE]: ENETUNREACH,
  [ICMPV6_ADM_PROHIBITED]: EACCES,
  [ICMPV6_NOT_NEIGHBOUR]: EHOSTUNREACH,
  [ICMPV6_ADDR_UNREACH]: EHOSTUNREACH,
  [ICMPV6_POLICY_FAIL]: EACCES,
  [ICMPV6_REJECT_ROUTE]: EACCES,
};

function heardOfError4(proto: Query["proto"], df: boolean, type: number, code: number): Heard | null {
  // icmp_err_convert knows one errno for it; an echo's sender hears of the error alone.
  if (type === ICMP_TIME_EXCEEDED)
    return { result: "ttl-exceeded", errno: proto === "icmp" ? 0 : EHOSTUNREACH };
  if (type !== ICMP_DEST_UNREACH) return null;
  switch (code) {
    case ICMP_FRAG_NEEDED:
      // `__udp4_lib_err`: who lets routers cut (IP_PMTUDISC_DONT) is not told what they could have done.
      if (proto === "tcp" || (proto === "udp" && !df)) return null;
      return proto === "udp" ? { result: "too-big", errno: EMSGSIZE } : { result: "unreachable", errno: 0 };
    case ICMP_PORT_UNREACH:
      return proto === "icmp"
        ? { result: "unreachable", errno: 0 }
        : { result: "refused", errno: ECONNREFUSED };
    case ICMP_PROT_UNREACH:
      return { result: "unreachable", errno: proto === "icmp" ? 0 : ENOPROTOOPT };
    default:
      return { result: "unreachable", errno: proto === "icmp" ? 0 : unreachableErrno(code) };
  }
}

/** `icmp_err_convert` (net/ipv4/icmp.c). */
function unreachableErrno(code: number): number {
  switch (code) {
    case 0:
    case 6:
    case 9:
    case 11:
      return ENETUNREACH;
    default:
      return EHOSTUNREACH;
  }
}

/** What a client says of a packet that failed on its own host with an errno; null: TCP and SCTP keep trying, and say nothing. */
export function resultOfErrno(proto: Query["proto"], errno: number): ClientResult | null {
  const triesAgain = proto === "tcp" || proto === "sctp";
  switch (errno) {
    case EPERM:
      return triesAgain ? null : "blocked";
    case ENOBUFS:
      // A socket that asks for errors is told of this one too (IP_RECVERR).
      return triesAgain ? null : "unreachable";
    case EINVAL:
      return "invalid";
    case EMSGSIZE:
      return "too-big";
    default:
      return "unreachable";
  }
}
