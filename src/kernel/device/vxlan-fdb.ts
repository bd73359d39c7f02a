import { familyOfAddress } from "../../address/ip.ts";
import { addressOnPath } from "../../address/ip6-handle.ts";
import { MAC_ZERO } from "../../address/mac.ts";
import type { Host } from "../host.ts";
import { Journal } from "../session/journal.ts";
import { PairMap } from "../session/pair-map.ts";
import type { FdbEntry } from "./device.ts";
import type { NetDevice } from "./net-device.ts";

/** What VXLAN devices know of the other ends of their tunnels; compiled when it is first asked for. */
export class VxlanFdb {
  private readonly host: Host;
  private readonly devices: readonly NetDevice[];
  private compiled: { readonly ends: PairMap; readonly fixed: PairMap } | null = null;
  private floodLists: readonly (readonly number[])[] | null = null;

  /** @param devices all of the host's, by slot */
  constructor(host: Host, devices: readonly NetDevice[]) {
    this.host = host;
    this.devices = devices;
  }

  /** (ifindex, MAC) to the remote tunnel end. */
  get ends(): PairMap {
    this.compiled ??= this.compile();
    return this.compiled.ends;
  }

  /** Those of them that no packet moves: (ifindex, MAC) to 1. */
  get fixed(): PairMap {
    this.compiled ??= this.compile();
    return this.compiled.fixed;
  }

  /** Tunnel ends for unknown and group addresses, by slot: a frame goes to each. */
  get floods(): readonly (readonly number[])[] {
    this.floodLists ??= this.devices.map((device) => floodOf(device, this.host.fdb));
    return this.floodLists;
  }

  private compile() {
    const ends = new PairMap(new Journal());
    const fixed = new PairMap(new Journal());
    const named = new Map(this.devices.map((device) => [device.name, device]));
    for (const { dev, master, mac, dst, state } of this.host.fdb) {
      const device = master === null && dst !== null ? named.get(dev) : undefined;
      // An end of the other family has no socket to be sent from.
      if (!device?.isVxlan || dst === null || familyOfAddress(dst) !== device.underlayFamily) continue;
      ends.set(device.ifindex, mac, addressOnPath(dst));
      if (state === "permanent" || state === "static") fixed.set(device.ifindex, mac, 1);
    }
    return { ends, fixed };
  }
}

/** A VXLAN device's all-zero entries (`bridge fdb append`), or the remote it was made with. */
function floodOf(device: NetDevice, fdb: readonly FdbEntry[]): readonly number[] {
  const { name, isVxlan, underlayFamily, underlayRemote } = device;
  if (!isVxlan) return [];
  const said = fdb.flatMap(({ dev, mac, dst }) =>
    dev === name && mac === MAC_ZERO && dst !== null && familyOfAddress(dst) === underlayFamily
      ? [addressOnPath(dst)]
      : [],
  );
  return said.length > 0 || underlayRemote === 0 ? said : [underlayRemote];
}
