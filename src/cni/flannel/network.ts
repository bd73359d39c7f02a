import { type Prefix4, parsePrefix4 } from "../../address/prefix.ts";
import { isJsonObject, type Json } from "../../kernel/json-fields.ts";

/** The backends that are modelled. */
export const BUILT_BACKENDS = ["vxlan", "host-gw", "ipip"] as const;
export type BuiltBackend = (typeof BUILT_BACKENDS)[number];

/** `net-conf.json`: how flannel is told to join the nodes. */
export interface FlannelNetwork {
  readonly network: Prefix4;
  readonly backend: BuiltBackend;
  /** VXLAN only, as the port. */
  readonly vni: number;
  readonly port: number;
  /** Peers on the node's own wire are reached without the tunnel. */
  readonly directRouting: boolean;
  /** VXLAN only. */
  readonly learning: boolean;
  /** Of the frames on the wire; null: that of the node's card. */
  readonly mtu: number | null;
}

/** What flannel's own manifest says. */
export const FLANNEL_DEFAULTS: Omit<FlannelNetwork, "network"> = {
  backend: "vxlan",
  vni: 1,
  /** Linux's old VXLAN port, which flannel keeps. */
  port: 8472,
  directRouting: false,
  learning: false,
  mtu: null,
};

/**
 * Reads the document; `network` stands for one that it does not name. Types of backend that are not walked are the
 * caller's to refuse: here they are taken for vxlan.
 */
export function readFlannelNetwork(json: Json, network: Prefix4): FlannelNetwork {
  const { Backend: given, Network: text } = json;
  const backend = isJsonObject(given) ? given : {};
  const { Type: type, VNI: vni, Port: port, DirectRouting: direct, Learning: learning, MTU: mtu } = backend;
  const positive = (value: unknown): number | null =>
    typeof value === "number" && Number.isInteger(value) && value > 0 ? value : null;
  return {
    network: (typeof text === "string" ? parsePrefix4(text) : undefined) ?? network,
    backend: BUILT_BACKENDS.find((name) => name === type) ?? "vxlan",
    vni: positive(vni) ?? FLANNEL_DEFAULTS.vni,
    port: positive(port) ?? FLANNEL_DEFAULTS.port,
    directRouting: direct === true,
    learning: learning === true,
    mtu: positive(mtu),
  };
}

/** A tunnel's device carries this much less than the card below it. */
const OVERHEAD: Readonly<Record<BuiltBackend, number>> = { vxlan: 50, "host-gw": 0, ipip: 20 };

/** What `FLANNEL_MTU` of `subnet.env` says on a node whose card has this MTU. */
export function flannelMtu({ backend, mtu }: FlannelNetwork, card: number): number {
  return (backend === "vxlan" ? (mtu ?? card) : card) - OVERHEAD[backend];
}

/** Name of the tunnel's device. */
export function flannelDevice({ backend, vni }: FlannelNetwork): string {
  return backend === "ipip" ? "flannel.ipip" : `flannel.${vni}`;
}

/** The card that the nodes reach each other by. */
export const EXTERNAL = "eth0";
