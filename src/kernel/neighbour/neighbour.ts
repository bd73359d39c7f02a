import type { Packet } from "../../packet/packet.ts";

/** One proxied address of either family. */
export interface NeighbourKey {
  /** `deviceKey` of the family and the device. */
  readonly device: number;
  /** As the path holds it. */
  readonly address: number;
}

/** Values of a host session's neighbour map that are no MAC. */
export const NEIGH_INCOMPLETE = -1;
export const NEIGH_FAILED = -2;

/** What a host thinks of a neighbour (`NUD_*`, include/uapi/linux/neighbour.h), as far as choosing among several asks; none: no entry. */
export const NUD_NONE = 0;
export const NUD_INCOMPLETE = 0x01;
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_FAILED = 0x20;
/** There is an address to send to. */
export const NUD_VALID = NUD_REACHABLE | NUD_STALE;

/** Questions asked before a neighbour has failed (`mcast_solicit`), and the time between them (`retrans_time_ms`). */
export const MAX_PROBES = 3;
export const RETRANS_MS = 1000;
/** How long a neighbour that proved to be there is taken to be (`base_reachable_time_ms`). */
export const REACHABLE_MS = 30_000;
/** From the use of an entry no longer fresh to the first question to it alone, seconds (`delay_first_probe_time`). */
export const DELAY_S = 5;
/** Questions to it alone, a second apart, before it has failed (`ucast_solicit`, NUD_PROBE). */
export const UNICAST_PROBES = 3;
/** Packets kept waiting for one neighbour: far fewer than `unres_qlen_bytes` (212,992) would hold. */
export const QUEUE_AT_MOST = 101;

/** A neighbour being asked for, with the packets that wait for it. */
export interface Resolving {
  readonly family: number;
  readonly ifindex: number;
  /** As the path holds it. */
  readonly address: number;
  asked: number;
  readonly queue: Packet[];
  cancel: () => void;
}
