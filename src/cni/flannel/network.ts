import { type Prefix4, parsePrefix4 } from "../../address/prefix.ts";
import { isJsonObject, type Json } from "../../kernel/json-fields.ts";

/** `net-conf.json`: how flannel is told to join the nodes. */
export interface FlannelNetwork {
  readonly network: Prefix4;
  readonly backend: "vxlan" | "host-gw";
  /** VXLAN only, as all below. */
  readonly vni: number;
  readonly port: number;
  /** Peers on the node's own wire are reached without the tunnel. */
  readonly directRouting: boolean;
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
    backend: type === "host-gw" ? "host-gw" : "vxlan",
    vni: positive(vni) ?? FLANNEL_DEFAULTS.vni,
    port: positive(port) ?? FLANNEL_DEFAULTS.port,
    directRouting: direct === true,
    learning: learning === true,
    mtu: positive(mtu),
  };
}

/** The device carries this much less than the card below it. */
const VXLAN_OVERHEAD = 50;

/** What `FLANNEL_MTU` of `subnet.env` says on a node whose card has this MTU. */
export function flannelMtu({ backend, mtu }: FlannelNetwork, card: number): number {
  return backend === "vxlan" ? (mtu ?? card) - VXLAN_OVERHEAD : card;
}

/** Name of the tunnel's device. */
export function flannelDevice({ vni }: FlannelNetwork): string {
  return `flannel.${vni}`;
}

/** The card that the nodes reach each other by. */
export const EXTERNAL = "eth0";
