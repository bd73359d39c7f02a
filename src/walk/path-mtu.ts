import type { World } from "../world/world.ts";
import type { Outcome, PacketView } from "./trace.ts";

/** What the devices that a request left by let pass. */
export interface PathMtu {
  /** Bytes of the largest packet of the sender that all of them take, its own IP header included. */
  readonly mtu: number;
  /** In the order of the way, each once; `mtu` is the device's own. */
  readonly devices: readonly DeviceMtu[];
}

export interface DeviceMtu {
  readonly host: string;
  readonly device: string;
  readonly mtu: number;
  /** Bytes that tunnels put before the sender's packet there. */
  readonly overhead: number;
}

/** Of the request of an outcome; null where it left by no device. */
export function pathMtu({ frames }: Pick<Outcome, "frames">, world: World): PathMtu | null {
  const found = new Map<string, DeviceMtu>();
  for (const frame of frames) {
    const { phase, direction, host, device } = frame;
    const key = `${host} ${device}`;
    if (phase !== "request" || direction !== "out" || found.has(key)) continue;
    const own = world.hosts.get(host)?.devices.find(({ name }) => name === device);
    if (own === undefined || device === "lo") continue;
    found.set(key, { host, device, mtu: own.mtu, overhead: frame.ip.len - innermost(frame).ip.len });
  }
  const devices = [...found.values()];
  if (devices.length === 0) return null;
  return { mtu: Math.min(...devices.map(({ mtu, overhead }) => mtu - overhead)), devices };
}

function innermost(packet: PacketView): PacketView {
  return packet.inner === undefined ? packet : innermost(packet.inner);
}
