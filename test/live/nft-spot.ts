import type { Family } from "../../src/address/ip.ts";
import type { Dice } from "./dice.ts";
import type { Ground } from "./topology.ts";

/** What a family of addresses calls things in nft's words. */
export interface NftWords {
  readonly ip: "ip" | "ip6";
  readonly type: "ipv4_addr" | "ipv6_addr";
  readonly nfproto: "ipv4" | "ipv6";
  readonly ttl: string;
  readonly protocol: string;
  readonly icmp: "icmp" | "icmpv6";
  readonly bits: number;
  /** A mask with a hole in it. */
  readonly mask: string;
  /** What `reject` can say of its own. */
  readonly rejects: readonly string[];
  readonly fibTypes: readonly string[];
}

const IPV4_WORDS: NftWords = {
  ...{ ip: "ip", type: "ipv4_addr", nfproto: "ipv4", ttl: "ttl", protocol: "protocol", icmp: "icmp" },
  bits: 32,
  mask: "255.255.0.255",
  rejects: [
    ...["host-unreachable", "net-unreachable", "prot-unreachable", "port-unreachable"],
    ...["net-prohibited", "host-prohibited", "admin-prohibited"],
  ],
  fibTypes: [
    ...["local", "unicast", "{ local, broadcast }", "multicast", "blackhole"],
    "{ unreachable, prohibit }",
  ],
};

const IPV6_WORDS: NftWords = {
  ...{ ip: "ip6", type: "ipv6_addr", nfproto: "ipv6", ttl: "hoplimit", protocol: "nexthdr", icmp: "icmpv6" },
  bits: 128,
  mask: "ffff:ffff::ffff",
  rejects: [
    ...["no-route", "admin-prohibited", "addr-unreachable", "port-unreachable"],
    ...["policy-fail", "reject-route"],
  ],
  fibTypes: [
    ...["local", "unicast", "{ local, anycast }", "multicast", "anycast", "blackhole"],
    "{ unreachable, prohibit }",
  ],
};

export const NFT_WORDS: Readonly<Record<Family, NftWords>> = { 4: IPV4_WORDS, 6: IPV6_WORDS };

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

/** What a rule is aimed at: a family of the world's, and what its table declares of it. */
export interface NftSide {
  readonly ground: Ground;
  readonly words: NftWords;
  /** Addresses of neighbours that a copy goes no further from. */
  readonly idle: readonly string[];
  readonly sets: readonly DraftNftSet[];
  /** Names of stateful objects by their kind. */
  readonly objects: ReadonlyMap<string, readonly string[]>;
}

/** Where a rule will stand, and what it can be aimed at. */
export interface NftSpot extends NftSide {
  readonly dice: Dice;
  /** Of the table. */
  readonly family: "ip" | "ip6" | "inet" | "netdev" | "bridge" | "arp";
  readonly type: "filter" | "nat" | "route";
  readonly hook: NftHookName;
  readonly priority: number;
  /** Names of the host's devices. */
  readonly devices: readonly string[];
}

export type NftProto = "tcp" | "udp" | "icmp" | "all";

/** An address that packets of this world come from or go to. */
export function someAddress({ dice, ground }: Pick<NftSpot, "dice" | "ground">): string {
  return dice.pick([...ground.addresses, ...ground.virtual]);
}

export function someNetwork({ dice, ground }: Pick<NftSpot, "dice" | "ground">): string {
  return dice.pick(ground.networks);
}

/** A network as nft writes it, and none that all pods have. */
export function narrowNetwork(spot: Pick<NftSpot, "dice" | "ground">): string {
  const { plan } = spot.ground;
  const network = someNetwork(spot);
  return network === plan.pods ? network.replace(/\/\d+$/, `/${plan.lan}`) : network;
}

/** Did packets meet connection tracking before they come here? */
export function isTracked({ family, priority, hook }: NftSpot): boolean {
  if (family === "netdev" || family === "bridge" || family === "arp" || hook === "ingress") return false;
  return priority > -200 || (hook !== "prerouting" && hook !== "output");
}

export function isFrame({ family, hook }: NftSpot): boolean {
  return family === "netdev" || family === "bridge" || hook === "ingress";
}
