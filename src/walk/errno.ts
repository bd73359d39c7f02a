import {
  EACCES,
  ECONNREFUSED,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  EPERM,
} from "../kernel/route/fib.ts";

/** What a client's system calls report, beside the errors of routing. */
export const EADDRNOTAVAIL = 99;
/** What a protocol unreachable becomes. */
export const ENOPROTOOPT = 92;
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

/** `icmp_err_convert` (net/ipv4/icmp.c). */
export function unreachableErrno(code: number): number {
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
