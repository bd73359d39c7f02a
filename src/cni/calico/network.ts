import type { Ipv4 } from "../../address/ipv4.ts";
import { contains, type Prefix4 } from "../../address/prefix.ts";

/** When packets to another node's pods are wrapped (`ipipMode`, `vxlanMode` of an IPPool). */
export const ENCAPSULATIONS = ["Never", "Always", "CrossSubnet"] as const;
export type Encapsulation = (typeof ENCAPSULATIONS)[number];

/** A range that pods get addresses from, as an `IPPool` says. */
export interface CalicoPool {
  readonly name: string;
  readonly cidr: Prefix4;
  /** Length of the blocks that nodes take of it, 20–32. */
  readonly blockSize: number;
  readonly ipip: Encapsulation;
  readonly vxlan: Encapsulation;
  /** Packets from it to addresses of no pool leave the cluster under their node's address. */
  readonly natOutgoing: boolean;
  /** No new addresses are given from it; those given still work. */
  readonly disabled: boolean;
}

/** How Calico joins the nodes. */
export interface CalicoNetwork {
  readonly pools: readonly CalicoPool[];
  /**
   * Who makes the routes to other nodes' pods (`calico_backend`): BIRD over BGP, Felix alone (VXLAN), or nobody (canal,
   * where flannel does).
   */
  readonly backend: "bird" | "vxlan" | "none";
  /** MTU of the pods' devices; null: what the tunnels leave of the node's card (`veth_mtu: "0"`). */
  readonly mtu: number | null;
}

/** Names and numbers that Felix uses unless it is told others (FelixConfiguration). */
export const IPIP_DEVICE = "tunl0";
export const VXLAN_DEVICE = "vxlan.calico";
export const VXLAN_VNI = 4096;
export const VXLAN_PORT = 4789;

/** What a tunnel takes of the card's MTU: an outer IP header; that with UDP, VXLAN and the inner Ethernet header. */
const IPIP_OVERHEAD = 20;
const VXLAN_OVERHEAD = 50;

export function usesIpip({ backend, pools }: CalicoNetwork): boolean {
  return backend === "bird" && pools.some(({ ipip }) => ipip !== "Never");
}

export function usesVxlan({ backend, pools }: CalicoNetwork): boolean {
  return backend !== "none" && pools.some(({ vxlan }) => vxlan !== "Never");
}

export function ipipMtu(card: number): number {
  return card - IPIP_OVERHEAD;
}

export function vxlanMtu(card: number): number {
  return card - VXLAN_OVERHEAD;
}

/** MTU of a pod's device. */
export function calicoMtu(network: CalicoNetwork, card: number): number {
  if (network.mtu !== null) return network.mtu;
  if (usesVxlan(network)) return vxlanMtu(card);
  return usesIpip(network) ? ipipMtu(card) : card;
}

/** The pool that an address is of. */
export function poolOf({ pools }: CalicoNetwork, address: Ipv4): CalicoPool | undefined {
  return pools.find(({ cidr }) => contains(cidr, address));
}
