import type { BridgeVlan } from "./bridge-vlan.ts";

/** A device's VLANs compiled (`struct net_bridge_vlan_group`). Asked per packet. */
export class VlanFilter {
  /** The VLAN of untagged frames, 0: they are not let in. */
  readonly pvid: number;
  private readonly members = new Uint8Array(4096);

  constructor(vlans: readonly BridgeVlan[]) {
    let pvid = 0;
    for (const vlan of vlans) {
      if (vlan.from === 0) continue;
      this.members.fill(vlan.untagged ? UNTAGGED : TAGGED, vlan.from, vlan.to + 1);
      if (vlan.pvid) pvid = vlan.to;
    }
    this.pvid = pvid;
  }

  has(vlan: number): boolean {
    return this.members[vlan] !== 0;
  }

  leavesUntagged(vlan: number): boolean {
    return this.members[vlan] === UNTAGGED;
  }
}

const TAGGED = 1;
const UNTAGGED = 2;

/** Key of a bridge's forwarding database beside a MAC: a filtering bridge has one for each VLAN. */
export function fdbKey(bridgeIfindex: number, vlan: number): number {
  return vlan === 0 ? bridgeIfindex : ~((bridgeIfindex << 12) | vlan);
}

/** Whose database a key is of, ifindex. */
export function bridgeOfKey(key: number): number {
  return key < 0 ? ~key >> 12 : key;
}
