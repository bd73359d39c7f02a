/** Bytes a line server says; the kernel's path depends on a packet's size only near the MTU. */
export const LINE_BYTES = 90;
/** Bytes that `again` sends on a held connection. */
export const AGAIN_BYTES = 8;
/** TCP headers with the options a Linux SYN, and a later segment, carries. */
export const SYN_BYTES = 40;
export const SEGMENT_BYTES = 32;
/** Those of a hand-made segment and of a reset. */
export const BARE_SEGMENT_BYTES = 20;
/** The headers of UDP and of an echo. */
export const MESSAGE_BYTES = 8;
export const DEFAULT_PAYLOAD = 16;
/** A hand-made echo request carries eight bytes, a hand-made datagram none. */
export const RAW_ECHO_PAYLOAD = 8;
