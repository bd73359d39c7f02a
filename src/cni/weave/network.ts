import type { Ipv4 } from "../../address/ipv4.ts";
import type { Prefix4 } from "../../address/prefix.ts";
import { HASHED_NAMES, type NameSource } from "../names.ts";

/** Weave Net's devices and numbers (weaveworks/weave, `net/bridge.go`, `router/fastdp.go`). */

export const WEAVE_BRIDGE = "weave";
/** The kernel's part of Open vSwitch that the router drives ("fast datapath"), and the cable from the bridge to it. */
export const WEAVE_DATAPATH = "datapath";
export const WEAVE_BRIDGE_PORT = "vethwe-bridge";
export const WEAVE_DATAPATH_PORT = "vethwe-datapath";
export const WEAVE_TUNNEL = "vxlan-6784";
export const WEAVE_TUNNEL_PORT = 6784;
/** What is safe over any network of 1410 bytes and more, by its own measure (`WEAVE_MTU`). */
export const WEAVE_MTU = 1376;
/** `WEAVE_NO_MASQ_LOCAL`: pods of this node, whose clients stay as they are. */
export const NO_MASQ_LOCAL_SET = "weaver-no-masq-local";

/** The bridge's address: the first of the node's part of the range. */
export function weaveAddressOf({ address }: Prefix4): Ipv4 {
  return (address + 1) | 0;
}

/** A peer's short id in the tunnel's key (`tunnelIDFor`): the sender's in the lower 12 bits, the receiver's above. */
export function weaveKey(sender: number, receiver: number): number {
  return (sender & 0xfff) | ((receiver & 0xfff) << 12);
}

/** Ends of pods' cables on the node: `vethwepl` and what else fits into a name. */
export const WEAVE_NAMES: NameSource = {
  veth: (key, taken) => {
    const named = (name: string): string => `vethwepl${name.slice("veth".length, "veth".length + 7)}`;
    return named(HASHED_NAMES.veth(key, (name) => taken(named(name))));
  },
  mac: (key) => HASHED_NAMES.mac(key),
};
