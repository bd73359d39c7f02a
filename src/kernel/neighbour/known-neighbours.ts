import { familyOfAddress } from "../../address/ip.ts";
import { addressOnPath } from "../../address/ip6-handle.ts";
import type { Mac } from "../../address/mac.ts";
import { deviceKey } from "../../packet/packet.ts";
import type { Neighbour } from "../device/device.ts";
import type { NetDevice } from "../device/net-device.ts";
import type { Host } from "../host.ts";
import { Journal } from "../session/journal.ts";
import { ABSENT, PairMap } from "../session/pair-map.ts";
import {
  type NeighbourKey,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NONE,
  NUD_REACHABLE,
  NUD_STALE,
  NUD_VALID,
} from "./neighbour.ts";

const NUD: Readonly<Record<Neighbour["state"], number>> = {
  reachable: NUD_REACHABLE,
  permanent: NUD_STALE,
  noarp: NUD_STALE,
  stale: NUD_STALE,
  delay: NUD_STALE,
  probe: NUD_STALE,
  incomplete: NUD_INCOMPLETE,
  failed: NUD_FAILED,
};

/** The dump's neighbours of a host. Devices are asked by `deviceKey`, addresses as the path holds them. */
export class KnownNeighbours {
  /** Whom the host answers for. */
  readonly proxied: readonly NeighbourKey[];
  private readonly host: Host;
  private readonly deviceNamed: (name: string) => NetDevice | null;
  /** (device, address) to MAC; null until one is asked for, as in a mesh each host has all others. */
  private macs: PairMap | null = null;
  /** Those of them that nothing heard changes: (device, address) to 1. */
  private readonly permanent = new PairMap(new Journal());
  /** (device, address) to `NUD_*`, of those without a MAC too. */
  private readonly states = new PairMap(new Journal());

  constructor(host: Host, deviceNamed: (name: string) => NetDevice | null) {
    this.host = host;
    this.deviceNamed = deviceNamed;
    this.proxied = [...host.neighbours, ...host.neighbours6].flatMap(({ dev, dst, proxy }) => {
      const device = proxy ? deviceNamed(dev) : null;
      if (device === null) return [];
      return [{ device: deviceKey(familyOfAddress(dst), device.ifindex), address: addressOnPath(dst) }];
    });
  }

  /** A neighbour's MAC, or `ABSENT`. */
  mac(device: number, address: number): Mac {
    return (this.macs ?? this.compile()).get(device, address);
  }

  /** May nothing that is heard change it (`NUD_PERMANENT`)? */
  isPermanent(device: number, address: number): boolean {
    if (this.macs === null) this.compile();
    return this.permanent.get(device, address) !== ABSENT;
  }

  /** `NUD_*` as the dump has it. */
  nud(device: number, address: number): number {
    if (this.macs === null) this.compile();
    const state = this.states.get(device, address);
    return state === ABSENT ? NUD_NONE : state;
  }

  /** Is an address answered for on a device (`pneigh_lookup`)? */
  isProxied(device: number, address: number): boolean {
    return this.proxied.some((entry) => entry.address === address && entry.device === device);
  }

  private compile(): PairMap {
    const macs = new PairMap(new Journal());
    for (const { dev, dst, lladdr, proxy, state } of [...this.host.neighbours, ...this.host.neighbours6]) {
      const device = this.deviceNamed(dev);
      if (device === null || proxy) continue;
      const key = deviceKey(familyOfAddress(dst), device.ifindex);
      if (lladdr !== null || (NUD[state] & NUD_VALID) === 0)
        this.states.set(key, addressOnPath(dst), NUD[state]);
      if (lladdr === null) continue;
      macs.set(key, addressOnPath(dst), lladdr);
      if (state === "permanent") this.permanent.set(key, addressOnPath(dst), 1);
    }
    this.macs = macs;
    return macs;
  }
}
