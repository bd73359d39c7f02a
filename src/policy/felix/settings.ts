import { parseIpv4 } from "../../address/ipv4.ts";
import type { Lister } from "../../object/object-map.ts";
import { felixConfiguration } from "../host-endpoint.ts";

/** How Felix is set up, as far as its rules show it. */
export interface FelixSettings {
  /** Of Calico 3.x: the minor version. */
  readonly minor: number;
  /** FelixConfiguration `iptablesMarkMask`: the bits of packets' marks that are Felix's. */
  readonly markMask: number;
  /** `defaultEndpointToHostAction`: what becomes of packets from a pod to its own node that policies let out. */
  readonly endpointToHost: "ACCEPT" | "DROP" | "RETURN";
  /** `logPrefix`. */
  readonly logPrefix: string;
  /** `chainInsertMode`: the jumps to Felix's chains stand before all other rules, or behind them. */
  readonly insertMode: "insert" | "append";
  /** `natPortRange`: the ports that pods' connections to strangers leave with; null: any. */
  readonly natPorts: { readonly first: number; readonly last: number } | null;
  /** `natOutgoingAddress`: the IPv4 address that they leave with; null: that of the card. */
  readonly natAddress: string | null;
}

/** As Calico's own manifests for Kubernetes have it. */
export const FELIX_DEFAULTS: FelixSettings = {
  minor: 29,
  markMask: 0xffff0000,
  endpointToHost: "ACCEPT",
  logPrefix: "calico-packet",
  insertMode: "insert",
  natPorts: null,
  natAddress: null,
};

/** As the default FelixConfiguration says; `minor` of Calico 3.x is what its image says. */
export function felixSettings(objects: Lister, minor: number | null): FelixSettings {
  const {
    defaultEndpointToHostAction: action,
    logPrefix,
    iptablesMarkMask: mask,
    chainInsertMode: mode,
    natPortRange,
    natOutgoingAddress: address,
  } = felixConfiguration(objects);
  const word = String(action).toUpperCase();
  return {
    minor: minor ?? FELIX_DEFAULTS.minor,
    markMask: hasMarkBits(mask) ? mask : FELIX_DEFAULTS.markMask,
    endpointToHost: word === "DROP" || word === "RETURN" ? word : FELIX_DEFAULTS.endpointToHost,
    logPrefix: typeof logPrefix === "string" && logPrefix !== "" ? logPrefix : FELIX_DEFAULTS.logPrefix,
    insertMode: String(mode).toLowerCase() === "append" ? "append" : "insert",
    natPorts: natPortsOf(natPortRange),
    natAddress: typeof address === "string" && parseIpv4(address) !== undefined ? address : null,
  };
}

/** `32768:65535`, or one port; null for what is none. */
export function natPortsOf(value: unknown): FelixSettings["natPorts"] {
  const [, from = "", to = from] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(String(value)) ?? [];
  const [first, last] = [Number(from), Number(to)];
  return from !== "" && first > 0 && first <= last && last <= 65_535 ? { first, last } : null;
}

/** Felix does not start with fewer. */
function hasMarkBits(mask: unknown): mask is number {
  if (!Number.isInteger(mask) || Number(mask) < 0 || Number(mask) > 0xffffffff) return false;
  return [...Number(mask).toString(2)].filter((bit) => bit === "1").length >= MARK_BITS;
}

const MARK_BITS = 5;

/** The bits by which Felix's chains tell each other what was decided. */
export interface FelixMarks {
  readonly accept: number;
  /** The tier has nothing to say, so the next one is asked. */
  readonly pass: number;
  /** For rules that need several of iptables': whether the blocks before, and this one, hold. */
  readonly scratch0: number;
  readonly scratch1: number;
  /** Those above. */
  readonly all: number;
}

/** Since 3.29 there is a bit for packets to be dropped, which only flow logs use. */
const SINCE_DROP_BIT = 29;

/** The lowest bits of the mask, in this order. */
export function marksOf({ minor, markMask }: FelixSettings): FelixMarks {
  const bits: number[] = [];
  for (let bit = 0; bit < 32; bit++) if (((markMask >>> bit) & 1) === 1) bits.push(2 ** bit);
  const [accept = 0, pass = 0, ...rest] = bits;
  const [scratch0 = 0, scratch1 = 0] = minor >= SINCE_DROP_BIT ? rest.slice(1) : rest;
  if (scratch1 === 0) throw new Error("the mark mask has too few bits for Felix");
  return { accept, pass, scratch0, scratch1, all: accept + pass + scratch0 + scratch1 };
}
