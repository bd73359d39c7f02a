import type { Mac } from "../../address/mac.ts";
import type { NetDevice } from "./net-device.ts";

/** A device somewhere: a macvlan and the card it sits on may be in different namespaces. */
export interface DevicePlace {
  /** The host's number. */
  readonly host: number;
  readonly device: NetDevice;
}

/**
 * What sits on a device (`struct macvlan_port`, `struct ipvl_port`, `struct vlan_group`), in order of ifindex. The Network
 * fills it in; it does not change during a walk.
 */
export class LowerPort {
  readonly macvlans: DevicePlace[] = [];
  readonly ipvlans: DevicePlace[] = [];
  readonly vlans: DevicePlace[] = [];
  /** Mode of the ipvlans: a port has one for all. */
  ipvlanMode: "l2" | "l3" | "l3s" = "l3";
  ipvlanFlag: "bridge" | "private" | "vepa" = "bridge";

  add(place: DevicePlace): void {
    const { detail } = place.device.plain;
    if (detail.kind === "macvlan") this.macvlans.push(place);
    else if (detail.kind === "vlan") this.vlans.push(place);
    else if (detail.kind === "ipvlan") {
      this.ipvlans.push(place);
      this.ipvlanMode = detail.mode;
      this.ipvlanFlag = detail.flag;
    }
  }

  /** `macvlan_hash_lookup`. */
  macvlanOf(mac: Mac): DevicePlace | null {
    for (let i = 0; i < this.macvlans.length; i++) {
      const place = this.macvlans[i] as DevicePlace;
      if (place.device.mac === mac && place.device.up) return place;
    }
    return null;
  }

  /**
   * `ipvlan_addr_lookup`: whose address is this, among those that are up?
   *
   * @param address as the path holds it
   */
  ipvlanOf(family: number, address: number): DevicePlace | null {
    for (let i = 0; i < this.ipvlans.length; i++) {
      const place = this.ipvlans[i] as DevicePlace;
      if (!place.device.up) continue;
      const addresses = family === 6 ? place.device.addresses6 : place.device.addresses;
      for (let j = 0; j < addresses.length; j++) if (addresses[j]?.address === address) return place;
    }
    return null;
  }

  /** `vlan_find_dev`. */
  vlanOf(id: number): DevicePlace | null {
    for (let i = 0; i < this.vlans.length; i++) {
      const place = this.vlans[i] as DevicePlace;
      if (place.device.vlanId === id) return place;
    }
    return null;
  }
}

/** One host's devices upon devices, by slot. */
export interface Stacking {
  readonly ports: readonly (LowerPort | null)[];
  readonly lowers: readonly (DevicePlace | null)[];
}

/** By slot: do untagged IP frames that come in by a device go straight up, since nothing filters them and nobody else takes them? */
export function leadsToIp(devices: readonly NetDevice[], { ports }: Stacking): Uint8Array {
  return Uint8Array.from(devices, ({ slot, tcIngress, ingress, ovsPort, bond, master }) => {
    const isFiltered = tcIngress.length > 0 || ingress.length > 0;
    const isOthers = (ports[slot] ?? null) !== null || ovsPort !== null || bond !== null || master !== null;
    return isFiltered || isOthers ? 0 : 1;
  });
}
