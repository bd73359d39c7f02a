import type { Family } from "../../address/ip.ts";
import { type Prefix4, parsePrefix4 } from "../../address/prefix.ts";
import { type Prefix6, parsePrefix6 } from "../../address/prefix6.ts";
import { isJsonObject, type Json } from "../../kernel/json-fields.ts";

/** The backends that are modelled. */
export const BUILT_BACKENDS = ["vxlan", "host-gw", "ipip", "udp"] as const;
export type BuiltBackend = (typeof BUILT_BACKENDS)[number];

/** `net-conf.json`: how flannel is told to join the nodes. */
export interface FlannelNetwork {
  /** The pods' addresses; null: flannel leaves IPv4 alone (`EnableIPv4`). */
  readonly network: Prefix4 | null;
  /** The same of IPv6 (`EnableIPv6`, `IPv6Network`). */
  readonly network6: Prefix6 | null;
  readonly backend: BuiltBackend;
  /** VXLAN only. */
  readonly vni: number;
  /** UDP port of VXLAN, or of the daemons. */
  readonly port: number;
  /** Peers on the node's own wire are reached without the tunnel. */
  readonly directRouting: boolean;
  /** VXLAN only. */
  readonly learning: boolean;
  /** Of the frames on the wire; null: that of the node's card. */
  readonly mtu: number | null;
}

/** `defaultPort` of the backend `udp`. */
const UDP_PORT = 8285;

/** What flannel's own manifest says. */
const FLANNEL_DEFAULTS: Omit<FlannelNetwork, "network" | "network6"> = {
  backend: "vxlan",
  vni: 1,
  /** Linux's old VXLAN port, which flannel keeps. */
  port: 8472,
  directRouting: false,
  learning: false,
  mtu: null,
};

/**
 * Reads the document; `network` and `network6` stand for those that it does not name. A document that names a network says
 * which families there are; without one it is those of the cluster. Types of backend that are not walked are the
 * caller's to refuse: here they are taken for vxlan.
 */
export function readFlannelNetwork(
  json: Json,
  network: Prefix4 | null,
  network6: Prefix6 | null = null,
): FlannelNetwork {
  const { Backend: given, Network: text, IPv6Network: text6, EnableIPv4: four, EnableIPv6: six } = json;
  const isWritten = text !== undefined || text6 !== undefined;
  const own6 = typeof text6 === "string" ? parsePrefix6(text6) : undefined;
  const backend = isJsonObject(given) ? given : {};
  const { Type: type, VNI: vni, Port: port, DirectRouting: direct, Learning: learning, MTU: mtu } = backend;
  const known = BUILT_BACKENDS.find((name) => name === type) ?? "vxlan";
  const positive = (value: unknown): number | null =>
    typeof value === "number" && Number.isInteger(value) && value > 0 ? value : null;
  return {
    network: four === false ? null : ((typeof text === "string" ? parsePrefix4(text) : undefined) ?? network),
    network6: isWritten && six !== true ? null : (own6 ?? network6),
    backend: known,
    vni: positive(vni) ?? FLANNEL_DEFAULTS.vni,
    port: positive(port) ?? (known === "udp" ? UDP_PORT : FLANNEL_DEFAULTS.port),
    directRouting: direct === true,
    learning: learning === true,
    mtu: positive(mtu),
  };
}

/** A tunnel's device carries this much less than the card below it. */
const OVERHEAD: Readonly<Record<BuiltBackend, number>> = { vxlan: 50, "host-gw": 0, ipip: 20, udp: 28 };
/** VXLAN over IPv6 (`VXLAN6_HEADROOM`): the kernel gives the device no more than that leaves. */
const OVERHEAD6 = 70;

/** What `FLANNEL_MTU` of `subnet.env` says on a node whose card has this MTU. */
export function flannelMtu({ backend, mtu }: FlannelNetwork, card: number): number {
  return (backend === "vxlan" ? (mtu ?? card) : card) - OVERHEAD[backend];
}

/** MTU of the tunnel's device of a family. */
export function tunnelMtu(network: FlannelNetwork, card: number, family: Family): number {
  return family === 6 ? Math.min(network.mtu ?? card, card) - OVERHEAD6 : flannelMtu(network, card);
}

/** Name of the tunnel's device. */
export function flannelDevice({ backend, vni }: FlannelNetwork, family: Family = 4): string {
  if (family === 6) return `flannel-v6.${vni}`;
  if (backend === "udp") return "flannel0";
  return backend === "ipip" ? "flannel.ipip" : `flannel.${vni}`;
}

/** The card that the nodes reach each other by. */
export const EXTERNAL = "eth0";
