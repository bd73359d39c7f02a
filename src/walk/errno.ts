import {
  EACCES,
  ECONNREFUSED,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  EPERM,
} from "../kernel/route/fib.ts";

import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PORT_UNREACH,
  ICMP_PROT_UNREACH,
  ICMP_TIME_EXCEEDED,
} from "../packet/packet.ts";
import type { Query } from "./query.ts";
import type { ClientResult } from "./trace.ts";

/** What a client's system calls report, beside the errors of routing. */
export const EADDRNOTAVAIL = 99;
/** What a protocol unreachable becomes. */
const ENOPROTOOPT = 92;
export const ECONNRESET = 104;
/** A write to a connection that was reset. */
export const EPIPE = 32;

export const ERRNO_NAMES: Readonly<Record<number, string>> = {
  [EPERM]: "EPERM",
  [EACCES]: "EACCES",
  [EINVAL]: "EINVAL",
  [EPIPE]: "EPIPE",
  [EMSGSIZE]: "EMSGSIZE",
  [EADDRNOTAVAIL]: "EADDRNOTAVAIL",
  [ENETUNREACH]: "ENETUNREACH",
  [ENOPROTOOPT]: "ENOPROTOOPT",
  [ECONNRESET]: "ECONNRESET",
  [ECONNREFUSED]: "ECONNREFUSED",
  [EHOSTUNREACH]: "EHOSTUNREACH",
};

/** What a client's socket makes of an ICMP error about its packet; null: nothing. */
export function heardOfError(
  proto: Query["proto"],
  type: number,
  code: number,
): { readonly result: ClientResult; readonly errno: number } | null {
  // icmp_err_convert knows one errno for it; an echo's sender hears of the error alone.
  if (type === ICMP_TIME_EXCEEDED)
    return { result: "ttl-exceeded", errno: proto === "icmp" ? 0 : EHOSTUNREACH };
  if (type !== ICMP_DEST_UNREACH) return null;
  switch (code) {
    case ICMP_FRAG_NEEDED:
      if (proto === "tcp") return null;
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
