/** Errors of system calls (include/uapi/asm-generic/errno.h): what a look-up, a hook or a socket gives up with. */

export const EPERM = 1;
export const EACCES = 13;
export const EINVAL = 22;
export const EMSGSIZE = 90;
export const EADDRNOTAVAIL = 99;
export const ENETUNREACH = 101;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;
