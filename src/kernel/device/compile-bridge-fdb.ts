import type { Host } from "../host.ts";
import { Journal } from "../session/journal.ts";
import { PairMap } from "../session/pair-map.ts";
import type { NetDevice } from "./net-device.ts";
import { fdbKey } from "./vlan-filter.ts";

/** Bridges' own entries: (bridge ifindex, or `fdbKey` of it, MAC) to the port's ifindex, or the bridge's own for what goes up. */
export function compileBridgeFdb(
  host: Host,
  devices: readonly NetDevice[],
  named: (name: string) => NetDevice | null,
): PairMap {
  const map = new PairMap(new Journal());
  for (const device of devices) {
    // A bridge knows its own and its ports' addresses whether or not the dump lists them.
    if (device.isBridge) map.set(device.ifindex, device.mac, device.ifindex);
    if (device.master !== null) map.set(device.master.ifindex, device.mac, device.master.ifindex);
  }
  for (const entry of host.fdb) {
    if (entry.master === null) continue;
    const device = named(entry.dev);
    const bridge = named(entry.master);
    if (device === null || bridge === null) continue;
    // `permanent` under a master means local: the frame goes up.
    const to = entry.state === "permanent" ? bridge.ifindex : device.ifindex;
    map.set(fdbKey(bridge.ifindex, entry.vlan ?? 0), entry.mac, to);
  }
  return map;
}
