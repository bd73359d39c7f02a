import type { Family } from "../../address/ip.ts";
import { containsIp, type Ip, type IpNet } from "../ip.ts";

/** When packets to another node's pods are wrapped (`ipipMode`, `vxlanMode` of an IPPool). */
export const ENCAPSULATIONS = ["Never", "Always", "CrossSubnet"] as const;
export type Encapsulation = (typeof ENCAPSULATIONS)[number];

/** A range that pods get addresses from, as an `IPPool` says. */
export interface CalicoPool {
  readonly name: string;
  readonly cidr: IpNet;
  /** Length of the blocks that nodes take of it: 20–32, of IPv6 116–128. */
  readonly blockSize: number;
  /** IPv4 alone. */
  readonly ipip: Encapsulation;
  readonly vxlan: Encapsulation;
  /** Packets from it to addresses of no pool leave the cluster under their node's address. */
  readonly natOutgoing: boolean;
  /** No new addresses are given from it; those given still work. */
  readonly disabled: boolean;
  /** Which nodes take blocks of it, a selector of Calico's; "": all. */
  readonly nodeSelector: string;
  /** What addresses are given for of themselves (`allowedUses`). */
  readonly uses: readonly PoolUse[];
  /** BIRD keeps its blocks to the node that has them (`disableBGPExport`). */
  readonly hidden: boolean;
}

export const POOL_USES = ["Workload", "Tunnel", "LoadBalancer"] as const;
export type PoolUse = (typeof POOL_USES)[number];

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
  /** MTU of the tunnels' devices; absent: what they leave of the node's card (`ipipMTU`, `vxlanMTU`, `vxlanMTUV6`). */
  readonly tunnelMtus?: TunnelMtus;
}

export interface TunnelMtus {
  readonly ipip: number | null;
  readonly vxlan: Readonly<Record<Family, number | null>>;
}

/** Names and numbers that Felix uses unless it is told others (FelixConfiguration). */
export const IPIP_DEVICE = "tunl0";
const VXLAN_DEVICES: Readonly<Record<Family, string>> = { 4: "vxlan.calico", 6: "vxlan-v6.calico" };
export const VXLAN_VNI = 4096;
export const VXLAN_PORT = 4789;

/** The end of the VXLAN of a family; both have the same number and port. */
export function vxlanDevice(family: Family): string {
  return VXLAN_DEVICES[family];
}

/** What a tunnel takes of the card's MTU: an outer IP header; that with UDP, VXLAN and the inner Ethernet header. */
const IPIP_OVERHEAD = 20;
const VXLAN_OVERHEAD: Readonly<Record<Family, number>> = { 4: 50, 6: 70 };

export function usesIpip({ backend, pools }: CalicoNetwork): boolean {
  return backend === "bird" && pools.some(({ ipip }) => ipip !== "Never");
}

export function usesVxlan({ backend, pools }: CalicoNetwork, family: Family): boolean {
  return (
    backend !== "none" && pools.some(({ cidr, vxlan }) => cidr.ip.family === family && vxlan !== "Never")
  );
}

/** Families of which it gives addresses. */
export function familiesOf({ pools }: CalicoNetwork): Family[] {
  return ([4, 6] as const).filter((family) => pools.some(({ cidr }) => cidr.ip.family === family));
}

export function ipipMtu({ tunnelMtus }: CalicoNetwork, card: number): number {
  return tunnelMtus?.ipip ?? card - IPIP_OVERHEAD;
}

export function vxlanMtu({ tunnelMtus }: CalicoNetwork, card: number, family: Family): number {
  return tunnelMtus?.vxlan[family] ?? card - VXLAN_OVERHEAD[family];
}

/** MTU of a pod's device: what every tunnel carries (`determinePodMTU`). */
export function calicoMtu(network: CalicoNetwork, card: number): number {
  if (network.mtu !== null) return network.mtu;
  return Math.min(
    card,
    ...(usesIpip(network) ? [ipipMtu(network, card)] : []),
    ...([4, 6] as const).flatMap((family) =>
      usesVxlan(network, family) ? [vxlanMtu(network, card, family)] : [],
    ),
  );
}

/** The pool that an address is of. */
export function poolOf({ pools }: CalicoNetwork, address: Ip): CalicoPool | undefined {
  return pools.find(({ cidr }) => containsIp(cidr, address));
}
