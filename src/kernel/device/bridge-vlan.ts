import type { Json, JsonFields } from "../json-fields.ts";
import type { Origin } from "../origin.ts";

/**
 * VLANs of a port of a bridge, or of the bridge itself, as `bridge -j vlan` prints them. Only a bridge that filters
 * (`vlan_filtering`) heeds them. A device of which nothing is said has what a new one has: VLAN 1, untagged.
 */
export interface BridgeVlan {
  readonly dev: string;
  /** First and last identifier, 1–4094. Both 0: the device is in no VLAN at all. */
  readonly from: number;
  readonly to: number;
  /** Untagged frames that come in belong to this VLAN. */
  readonly pvid: boolean;
  /** Frames of the VLAN leave without their tag. */
  readonly untagged: boolean;
  /** The device is the bridge itself, not a port. */
  readonly self: boolean;
  readonly origin: Origin;
}

export const FIRST_VLAN = 1;
export const LAST_VLAN = 4094;

const PVID = "PVID";
const UNTAGGED = "Egress Untagged";

/** The VLANs of one device; `bridges`: names of the host's bridges. */
export function parseBridgeVlans(
  json: JsonFields,
  bridges: ReadonlySet<string>,
  origin: Origin,
): BridgeVlan[] {
  const dev = json.text("ifname");
  const self = bridges.has(dev);
  return json.objects("vlans").map((item) => {
    const from = item.integer("vlan", FIRST_VLAN, LAST_VLAN);
    const flags = item.texts("flags");
    return {
      dev,
      from,
      to: item.integer("vlanEnd", from, LAST_VLAN, from),
      pvid: flags.includes(PVID),
      untagged: flags.includes(UNTAGGED),
      self,
      origin,
    };
  });
}

/** One item a device, in the order the devices come. */
export function formatBridgeVlans(vlans: readonly BridgeVlan[]): Json[] {
  const byDevice = new Map<string, Json[]>();
  for (const vlan of vlans) {
    const known = byDevice.get(vlan.dev) ?? [];
    byDevice.set(vlan.dev, known);
    if (vlan.from !== 0) known.push(formatBridgeVlan(vlan));
  }
  return [...byDevice].map(([ifname, list]) => ({ ifname, vlans: list }));
}

function formatBridgeVlan({ from, to, pvid, untagged }: BridgeVlan): Json {
  const flags = [...(pvid ? [PVID] : []), ...(untagged ? [UNTAGGED] : [])];
  return {
    vlan: from,
    ...(to === from ? {} : { vlanEnd: to }),
    ...(flags.length === 0 ? {} : { flags }),
  };
}

/** What a new port, and a new bridge, is in (`br_vlan_init`, `nbp_vlan_init`). */
export function defaultVlan(dev: string, self: boolean, origin: Origin): BridgeVlan {
  return { dev, from: 1, to: 1, pvid: true, untagged: true, self, origin };
}

/** A device's VLANs without those from `from` to `to`; nothing left is said by one entry of zeros. */
export function withoutVlans(vlans: readonly BridgeVlan[], from: number, to: number): BridgeVlan[] {
  const left = vlans.flatMap((vlan) => {
    if (vlan.from === 0 || vlan.to < from || vlan.from > to) return vlan.from === 0 ? [] : [vlan];
    return [
      ...(vlan.from < from ? [{ ...vlan, to: from - 1 }] : []),
      ...(vlan.to > to ? [{ ...vlan, from: to + 1 }] : []),
    ];
  });
  const [first] = vlans;
  if (left.length > 0 || first === undefined) return left;
  return [{ ...first, from: 0, to: 0, pvid: false, untagged: false }];
}

/** A device's VLANs with one more; of all of them one is for untagged frames (`__vlan_add_pvid`). */
export function withVlan(vlans: readonly BridgeVlan[], vlan: BridgeVlan): BridgeVlan[] {
  const others = withoutVlans(vlans, vlan.from, vlan.to).filter(({ from }) => from !== 0);
  return [...(vlan.pvid ? others.map((other) => ({ ...other, pvid: false })) : others), vlan];
}
