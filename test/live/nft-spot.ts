import type { Dice } from "./dice.ts";
import type { Ground } from "./topology.ts";

/** What a family of addresses calls things in nft's words. */
export interface NftWords {
  readonly ip: "ip" | "ip6";
  readonly type: "ipv4_addr" | "ipv6_addr";
  readonly ttl: string;
  readonly protocol: string;
  readonly icmp: "icmp" | "icmpv6";
  readonly bits: number;
}

export const IPV4_WORDS: NftWords = {
  ...{ ip: "ip", type: "ipv4_addr", ttl: "ttl", protocol: "protocol", icmp: "icmp", bits: 32 },
};

export type NftHookName =
  | "prerouting"
  | "input"
  | "forward"
  | "output"
  | "postrouting"
  | "ingress"
  | "egress";

/** A named set or map that rules of its table can ask. */
export interface DraftNftSet {
  readonly name: string;
  /** What it is asked with: `addr`, `addr . port`, … */
  readonly key: string;
  /** What it answers with: null of a set; `verdict`, `mark`, `addr`, `addr . port`, or a kind of object. */
  readonly data: string | null;
  /** Packets may change it. */
  readonly dynamic: boolean;
  /** Its elements may have times of their own. */
  readonly aging: boolean;
}

/** Where a rule will stand, and what it can be aimed at. */
export interface NftSpot {
  readonly dice: Dice;
  readonly ground: Ground;
  readonly words: NftWords;
  /** Of the table. */
  readonly family: "ip" | "ip6" | "inet" | "netdev" | "bridge" | "arp";
  readonly type: "filter" | "nat" | "route";
  readonly hook: NftHookName;
  readonly priority: number;
  /** Names of the host's devices. */
  readonly devices: readonly string[];
  /** Addresses of neighbours that a copy goes no further from. */
  readonly idle: readonly string[];
  readonly sets: readonly DraftNftSet[];
  /** Names of stateful objects by their kind. */
  readonly objects: ReadonlyMap<string, readonly string[]>;
}

export type NftProto = "tcp" | "udp" | "icmp" | "all";

/** An address that packets of this world come from or go to. */
export function someAddress({ dice, ground }: Pick<NftSpot, "dice" | "ground">): string {
  return dice.pick([...ground.addresses, ...ground.virtual]);
}

export function someNetwork({ dice, ground }: Pick<NftSpot, "dice" | "ground">): string {
  return dice.pick(ground.networks);
}

/** Did packets meet connection tracking before they come here? */
export function isTracked({ family, priority, hook }: NftSpot): boolean {
  if (family === "netdev" || family === "bridge" || family === "arp" || hook === "ingress") return false;
  return priority > -200 || (hook !== "prerouting" && hook !== "output");
}

export function isFrame({ family, hook }: NftSpot): boolean {
  return family === "netdev" || family === "bridge" || hook === "ingress";
}
