import type { Family } from "../../src/address/ip.ts";

/** How a family numbers a world, and the words that its rules have for the same things. */
export interface AddressPlan {
  readonly family: Family;
  /** Prefix length of a single address, of a network of hosts, of a cable. */
  readonly single: number;
  readonly lan: number;
  readonly cable: number;
  /** The hosts in the switch, those outside, a node's pods, both ends of a cable, and one more address of a node. */
  readonly fabricHost: (number: number) => string;
  readonly outsideHost: (number: number) => string;
  readonly podHost: (octet: number, number: number) => string;
  readonly cableEnd: (number: number) => string;
  readonly loneHost: (number: number) => string;
  /** All hosts in the switch, all outside, all pods, a node's pods, half of them. */
  readonly fabric: string;
  readonly outside: string;
  readonly pods: string;
  readonly nodePods: (octet: number) => string;
  readonly halfPods: (octet: number) => string;
  readonly loopback: string;
  /** Addresses that only rules know. */
  readonly virtual: readonly string[];
  /** Addresses that lead nowhere, or where a route says so. */
  readonly nowhere: readonly string[];
  /** An address's text up to its last part, and that part; the inverse. */
  readonly parts: (address: string) => readonly [network: string, last: number];
  readonly joined: (network: string, last: number) => string;
  /** An address that nobody has, of the network of a prefix. */
  readonly nobody: (prefix: string) => string;
  /** Groups, and what else no packet comes from. */
  readonly groups: readonly string[];
  /** What a socket of this family alone listens on. */
  readonly listening: string;
  readonly words: FamilyWords;
}

/** What `iptables`, `ip` and `ipset` call the same things. */
export interface FamilyWords {
  readonly icmp: string;
  readonly icmpMatch: string;
  readonly icmpTypes: readonly string[];
  readonly icmpNumber: number;
  readonly rejects: readonly string[];
  readonly addressTypes: readonly string[];
  readonly ipset: "inet" | "inet6";
  /** Of `-m recent`. */
  readonly wholeMask: string;
  readonly hopCount: { readonly match: string; readonly target: string; readonly option: string };
}

export const PLAN4: AddressPlan = {
  family: 4,
  single: 32,
  lan: 24,
  cable: 30,
  fabricHost: (number) => `172.18.0.${number}`,
  outsideHost: (number) => `203.0.113.${number}`,
  podHost: (octet, number) => `10.244.${octet}.${number}`,
  cableEnd: (number) => `10.9.0.${number}`,
  loneHost: (number) => `10.200.0.${number}`,
  fabric: "172.18.0.0/24",
  outside: "203.0.113.0/24",
  pods: "10.244.0.0/16",
  nodePods: (octet) => `10.244.${octet}.0/24`,
  halfPods: (octet) => `10.244.${octet}.0/25`,
  loopback: "127.0.0.1",
  virtual: ["10.96.0.10", "10.96.0.11", "198.18.0.77"],
  nowhere: ["192.0.2.80", "198.51.100.9", "10.99.0.7", "10.98.1.2"],
  parts: (address) => partsOf(address, ".", 10),
  joined: (network, last) => `${network}${last}`,
  nobody: (prefix) => `${prefix.split(".").slice(0, 3).join(".")}.199`,
  groups: ["224.0.0.5", "255.255.255.255"],
  listening: "0.0.0.0",
  words: {
    icmp: "icmp",
    icmpMatch: "-m icmp --icmp-type",
    icmpTypes: ["8", "0", "3", "3/3", "3/4", "11", "11/0", "any"],
    icmpNumber: 1,
    rejects: [
      "icmp-port-unreachable",
      "icmp-net-unreachable",
      "icmp-host-unreachable",
      "icmp-proto-unreachable",
      "icmp-net-prohibited",
      "icmp-host-prohibited",
      "icmp-admin-prohibited",
    ],
    addressTypes: [
      "LOCAL",
      "UNICAST",
      "BROADCAST",
      "MULTICAST",
      "BLACKHOLE",
      "UNREACHABLE",
      "PROHIBIT",
      "THROW",
    ],
    ipset: "inet",
    wholeMask: "255.255.255.255",
    hopCount: { match: "ttl", target: "TTL", option: "ttl" },
  },
};

export const PLAN6: AddressPlan = {
  family: 6,
  single: 128,
  lan: 64,
  cable: 126,
  fabricHost: (number) => `fd18::${number}`,
  outsideHost: (number) => `2001:db8:113::${number}`,
  // No host of a network is its number nought: that one is every router's.
  podHost: (octet, number) => `fd10:244:0:${octet}::${number === 0 ? "f1" : number}`,
  cableEnd: (number) => `fd09::${number}`,
  loneHost: (number) => `fd20::${number}`,
  fabric: "fd18::/64",
  outside: "2001:db8:113::/64",
  pods: "fd10:244::/48",
  nodePods: (octet) => `fd10:244:0:${octet}::/64`,
  halfPods: (octet) => `fd10:244:0:${octet}::/121`,
  loopback: "::1",
  virtual: ["fd96::10", "fd96::11", "2001:db8:2::77"],
  nowhere: ["2001:db8:192::80", "2001:db8:51::9", "fd99::7", "fd98::1:2"],
  parts: (address) => partsOf(address, ":", 16),
  joined: (network, last) => `${network}${last.toString(16)}`,
  nobody: (prefix) => `${prefix.split("/")[0]?.replace(/::\S*$/, "::")}199`,
  groups: ["ff02::1", "ff02::5"],
  listening: "[::]",
  words: {
    icmp: "ipv6-icmp",
    icmpMatch: "-m icmp6 --icmpv6-type",
    icmpTypes: ["128", "129", "1", "1/4", "2", "3", "3/0", "135", "136", "137"],
    icmpNumber: 58,
    rejects: [
      "icmp6-port-unreachable",
      "icmp6-no-route",
      "icmp6-addr-unreachable",
      "icmp6-adm-prohibited",
      "icmp6-policy-fail",
      "icmp6-reject-route",
    ],
    // xt_addrtype takes no others of IPv6.
    addressTypes: ["LOCAL", "UNICAST", "MULTICAST", "ANYCAST", "UNREACHABLE"],
    ipset: "inet6",
    wholeMask: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    hopCount: { match: "hl", target: "HL", option: "hl" },
  },
};

function partsOf(address: string, separator: string, base: number): readonly [string, number] {
  const at = address.lastIndexOf(separator) + 1;
  return [address.slice(0, at), Number.parseInt(address.slice(at) || "0", base)];
}

export const PLANS: Readonly<Record<Family, AddressPlan>> = { 4: PLAN4, 6: PLAN6 };
