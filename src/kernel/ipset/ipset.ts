import type { Ipv4 } from "../../address/ipv4.ts";
import type { Ipv6Words } from "../../address/ipv6.ts";
import type { Mac } from "../../address/mac.ts";
import type { Origin } from "../origin.ts";

/**
 * One IP set of a namespace as `ipset save` prints it: plain and immutable. What rules ask of it is `compiled-set.ts`, what
 * packets change in it `host-sets.ts`.
 */
export interface Ipset {
  readonly name: string;
  readonly type: IpsetType;
  readonly storage: IpsetStorage;
  /** Default timeout in seconds, 0 for entries that stay; null: entries have none. */
  readonly timeout: number | null;
  readonly counters: boolean;
  readonly comment: boolean;
  readonly skbinfo: boolean;
  /** A full set throws out an entry of the same hash bucket for a new one; not modelled: it stays full. */
  readonly forceadd: boolean;
  /** In the order they were listed. */
  readonly entries: readonly IpsetEntry[];
  readonly origin: Origin;
}

export type IpsetStorage =
  | {
      readonly kind: "hash";
      /** 4 where the type has no addresses. */
      readonly family: 4 | 6;
      readonly hashsize: number;
      readonly maxelem: number;
      readonly mask: IpsetMask | null;
      readonly markmask: number | null;
      /** As newer tools print it, null where an older one did not. */
      readonly bucketsize: number | null;
      readonly initval: number | null;
    }
  | {
      readonly kind: "bitmap-ip";
      readonly from: Ipv4;
      readonly to: Ipv4;
      readonly netmask: number | null;
    }
  | { readonly kind: "bitmap-port"; readonly from: number; readonly to: number }
  | { readonly kind: "list"; readonly size: number };

/** What addresses are cut by before they are stored or looked for. */
export type IpsetMask =
  | { readonly kind: "netmask"; readonly length: number }
  | { readonly kind: "bitmask"; readonly address: Ipv4 | Ipv6Words };

export interface IpsetEntry {
  /** One a dimension of the type; bitmap:ip,mac alone may have its second left out. */
  readonly parts: readonly IpsetPart[];
  /** An exception: addresses it covers are not in the set. */
  readonly nomatch: boolean;
  /** Seconds left when it was listed, 0 for ever; null where the set has no timeouts. */
  readonly timeout: number | null;
  /** null where the set does not count. */
  readonly counters: { readonly packets: number; readonly bytes: number } | null;
  readonly comment: string | null;
  readonly skbmark: { readonly value: number; readonly mask: number } | null;
  readonly skbprio: { readonly major: number; readonly minor: number } | null;
  readonly skbqueue: number | null;
  readonly origin: Origin;
}

/** One dimension of an entry. */
export type IpsetPart =
  | { readonly kind: "net"; readonly address: Ipv4 | Ipv6Words; readonly length: number }
  /** Protocol and port; of ICMP type × 256 + code. In bitmap:port the protocol is 0, for any. */
  | { readonly kind: "port"; readonly protocol: number; readonly port: number }
  | { readonly kind: "mac"; readonly mac: Mac }
  | { readonly kind: "mark"; readonly mark: number }
  | {
      readonly kind: "iface";
      readonly name: string;
      /** A bridge port rather than the device a rule sees. */
      readonly physdev: boolean;
      /** Any name that begins so. */
      readonly wildcard: boolean;
    }
  | { readonly kind: "set"; readonly name: string };

/** What one dimension of a type holds. `ip` is a whole address, `net` a prefix. */
export type IpsetDimension = "ip" | "net" | "port" | "mac" | "mark" | "iface" | "set";

/** Every type and its dimensions, in the order an entry and a rule's `src,dst` list them. */
export const IPSET_TYPES = {
  "hash:ip": ["ip"],
  "hash:net": ["net"],
  "hash:mac": ["mac"],
  "hash:ip,port": ["ip", "port"],
  "hash:ip,mark": ["ip", "mark"],
  "hash:ip,mac": ["ip", "mac"],
  "hash:ip,port,ip": ["ip", "port", "ip"],
  "hash:ip,port,net": ["ip", "port", "net"],
  "hash:net,port": ["net", "port"],
  "hash:net,iface": ["net", "iface"],
  "hash:net,net": ["net", "net"],
  "hash:net,port,net": ["net", "port", "net"],
  "bitmap:ip": ["ip"],
  "bitmap:ip,mac": ["ip", "mac"],
  "bitmap:port": ["port"],
  "list:set": ["set"],
} as const satisfies Readonly<Record<string, readonly IpsetDimension[]>>;

export type IpsetType = keyof typeof IPSET_TYPES;

export function isIpsetType(text: string): text is IpsetType {
  return Object.hasOwn(IPSET_TYPES, text);
}

export function dimensionsOf(type: IpsetType): readonly IpsetDimension[] {
  return IPSET_TYPES[type];
}

/** The family an entry's addresses are of. */
export function familyOf(set: Ipset): 4 | 6 {
  return set.storage.kind === "hash" ? set.storage.family : 4;
}

/** `IPSET_MAXNAMELEN`, less the final zero. */
export const IPSET_NAME_LENGTH = 31;
