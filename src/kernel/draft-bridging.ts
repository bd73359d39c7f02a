import { sameIp } from "../address/ip.ts";
import { formatMac } from "../address/mac.ts";
import { type BridgeVlan, defaultVlan, withoutVlans, withVlan } from "./device/bridge-vlan.ts";
import type { FdbEntry } from "./device/device.ts";
import type { DraftDevices } from "./draft-devices.ts";
import { DraftList } from "./draft-list.ts";
import type { EntryBatch } from "./entry-batch.ts";
import type { Host } from "./host.ts";
import { ORIGIN_NONE } from "./origin.ts";

/**
 * What a host's bridges and tunnels know, under change: forwarding entries, and the VLANs of ports. Every method that changes
 * something returns null, or why the kernel would refuse.
 */
export class DraftBridging {
  readonly #before: Pick<Host, "fdb" | "bridgeVlans">;
  readonly #devices: DraftDevices;
  // Made when first touched.
  #fdbList: DraftList<FdbEntry> | null = null;
  #vlanList: DraftList<BridgeVlan> | null = null;

  constructor(before: Pick<Host, "fdb" | "bridgeVlans">, devices: DraftDevices) {
    this.#before = before;
    this.#devices = devices;
  }

  get #fdb(): DraftList<FdbEntry> {
    this.#fdbList ??= new DraftList(this.#before.fdb, fdbKey, sameFdbKey);
    return this.#fdbList;
  }
  get #vlans(): DraftList<BridgeVlan> {
    this.#vlanList ??= new DraftList(this.#before.bridgeVlans, (vlan) => vlan.dev);
    return this.#vlanList;
  }

  get fdb(): readonly FdbEntry[] {
    return this.#fdbList?.finish() ?? this.#before.fdb;
  }
  get bridgeVlans(): readonly BridgeVlan[] {
    return this.#vlanList?.finish() ?? this.#before.bridgeVlans;
  }

  append(entry: FdbEntry): string | null {
    const { dev, master, mac } = entry;
    if (!this.#devices.has(dev)) return this.#devices.none(dev);
    if (master !== null && !this.#devices.has(master)) return this.#devices.none(master);
    if (this.#fdb.like(entry).length > 0) return known(dev, mac);
    this.#fdb.append(entry);
    return null;
  }

  /** @param without group of the batch that is left out, null none */
  faultOfBatch({ fdb }: EntryBatch, without: number | null): string | null {
    for (const entry of this.#fdb) {
      if (fdb.has(fdbKey(entry), without, fdbKey)) return known(entry.dev, entry.mac);
    }
    const twice = fdb.twice(without, fdbKey);
    return twice === undefined ? null : `the batch holds ${twice} twice`;
  }

  addBatch({ fdb }: EntryBatch, without: number | null): void {
    this.#fdb.appendAll(fdb.without(without));
  }

  addVlan(vlan: BridgeVlan): string | null {
    if (!this.#devices.has(vlan.dev)) return this.#devices.none(vlan.dev);
    this.#setVlans(vlan.dev, withVlan(this.#vlansOf(vlan.dev, vlan.self), vlan));
    return null;
  }

  /** @param self of the bridge itself, not of a port */
  deleteVlans(dev: string, self: boolean, from: number, to: number): string | null {
    if (!this.#devices.has(dev)) return this.#devices.none(dev);
    this.#setVlans(dev, withoutVlans(this.#vlansOf(dev, self), from, to));
    return null;
  }

  #vlansOf(dev: string, self: boolean): readonly BridgeVlan[] {
    const known = this.#vlans.withKey(dev);
    return known.length > 0 ? known : [defaultVlan(dev, self, ORIGIN_NONE)];
  }

  #setVlans(dev: string, vlans: readonly BridgeVlan[]): void {
    this.#vlans.removeWhere((vlan) => vlan.dev === dev);
    for (const vlan of vlans) this.#vlans.append(vlan);
  }

  /** What goes with a device that is deleted. */
  deleteLink(name: string): void {
    this.#fdb.removeWhere((entry) => entry.dev === name || entry.master === name);
    this.#vlans.removeWhere((vlan) => vlan.dev === name);
  }
}

function known(dev: string, mac: FdbEntry["mac"]): string {
  return `${dev} has this entry for ${formatMac(mac)} already`;
}

function fdbKey(entry: FdbEntry): string {
  return `${entry.dev} ${entry.mac} ${entry.master} ${entry.vlan} ${entry.dst}`;
}

/** The same key without its text. */
function sameFdbKey(a: FdbEntry, b: FdbEntry): boolean {
  return a.mac === b.mac && a.dev === b.dev && sameEnd(a, b) && a.master === b.master && a.vlan === b.vlan;
}

function sameEnd({ dst: one }: FdbEntry, { dst: other }: FdbEntry): boolean {
  return one === other || (one !== null && other !== null && sameIp(one, other));
}
