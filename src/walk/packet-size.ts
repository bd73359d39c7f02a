/** Bytes a line server says; the kernel's path depends on a packet's size only near the MTU. */
export const LINE_BYTES = 90;
/** IP and TCP headers with the options a Linux SYN, and a later segment, carries. */
export const SYN_BYTES = 60;
export const SEGMENT_BYTES = 52;
export const DEFAULT_PAYLOAD = 16;
/** A hand-made echo request carries eight bytes, a hand-made datagram none. */
export const RAW_ECHO_PAYLOAD = 8;
