import { addressOnPath, compare6 } from "../../address/ip6-handle.ts";
import * as PACKET from "../../packet/packet.ts";
import type { NatTargetRange } from "../netfilter/target/nat-range.ts";
import type { NatTuple } from "./tuple.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { KEY_IPV6 } = PACKET;

/** What a translation may choose from (`struct nf_nat_range2`). */
export interface NatRange {
  /** Addresses of the connection's family, inclusive; `mapAddresses` false leaves the address. */
  readonly mapAddresses: boolean;
  readonly minAddress: number;
  readonly maxAddress: number;
  readonly ports: boolean;
  readonly minPort: number;
  readonly maxPort: number;
  /** `--random` or `--random-fully`: the port is any free one. */
  readonly random: boolean;
  /** DNAT's shifted port map: the port that `minPort` stands for, null without one. */
  readonly portBase: number | null;
  /** `--persistent`: a client gets the same address for every destination. */
  readonly persistent: boolean;
}

/** What the text of a translation says, as the path holds it. */
export function natRange(said: NatTargetRange): NatRange {
  return {
    mapAddresses: said.min !== null,
    minAddress: addressOnPath(said.min ?? 0),
    maxAddress: addressOnPath(said.max ?? said.min ?? 0),
    ports: said.portMin !== null,
    minPort: said.portMin ?? 0,
    maxPort: said.portMax ?? said.portMin ?? 0,
    random: said.random || said.randomFully,
    persistent: said.persistent,
    portBase: said.portBase,
  };
}

/** A range filled anew for every translation that has one address only (MASQUERADE, REDIRECT, the null binding). */
export class OneAddress implements NatRange {
  mapAddresses = true;
  minAddress = 0;
  maxAddress = 0;
  ports = false;
  minPort = 0;
  maxPort = 0;
  random = false;
  persistent = false;
  readonly portBase: number | null = null;

  set(address: number): this {
    this.minAddress = address;
    this.maxAddress = address;
    return this;
  }
}

/** `nf_in_range`, of a tuple's source. Runs per packet. */
export function isSourceInRange(tuple: NatTuple, range: NatRange): boolean {
  if (range.mapAddresses && !between(tuple.src, range, tuple.proto)) return false;
  return !range.ports || !(tuple.hasPorts || tuple.isIcmp) || isPortInRange(tuple.sport, range);
}

/** `l4proto_in_range`, of a port or an ICMP id. */
export function isPortInRange(port: number, { minPort, maxPort }: NatRange): boolean {
  return port >= minPort && port <= maxPort;
}

/** `nf_nat_inet_in_range`: unsigned comparison of addresses. */
function between(address: number, { minAddress: min, maxAddress: max }: NatRange, proto: number): boolean {
  if ((proto & KEY_IPV6) !== 0) return compare6(address, min) >= 0 && compare6(address, max) <= 0;
  const a = address >>> 0;
  return a >= min >>> 0 && a <= max >>> 0;
}
