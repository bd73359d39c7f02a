import { formatIp } from "../address/ip.ts";
import type { Host } from "../kernel/host.ts";
import { ORIGIN_NONE } from "../kernel/origin.ts";
import type { Socket } from "../kernel/socket/socket.ts";
import type { Recording } from "../world/probe.ts";
import type { World } from "../world/world.ts";
import type { RecordedProbe } from "./recorded.ts";
import { shapeFault } from "./recorded-shape.ts";

/** A server that answered in a recording. */
export interface ProvenListener {
  readonly host: string;
  readonly proto: "tcp" | "udp";
  readonly port: number;
}

/**
 * Servers that a recording shows at work though its dump of the host's sockets lacks them: one that a probe names as the
 * server reached, or that left a connection half open, its SYN-ACK having been dropped on the way out.
 */
export function provenListeners(world: World, recording: Recording): ProvenListener[] {
  const found = new Map<string, ProvenListener>();
  const see = (name: string, proto: string, port: number): void => {
    const host = world.hosts.get(name);
    if (host === undefined || (proto !== "tcp" && proto !== "udp") || !Number.isInteger(port)) return;
    if (!listens(host, proto, port)) found.set(`${name} ${proto} ${port}`, { host: name, proto, port });
  };
  for (const probe of recording.probes) {
    const recorded = probe.recorded as unknown as RecordedProbe;
    if (shapeFault(recorded) !== null) continue;
    for (const { host, proto, local } of recorded.outcome.serverSaw ?? []) {
      see(host, proto, Number(local.slice(local.lastIndexOf(":") + 1)));
    }
    for (const { ns, proto, state, reply } of recorded.conntrack ?? []) {
      if (state === "SYN_RECV" && isOwn(world.hosts.get(ns), reply.src))
        see(ns, proto, reply.sport ?? Number.NaN);
    }
  }
  return [...found.values()];
}

/** The world with these servers listening. */
export function withListeners(world: World, listeners: readonly ProvenListener[]): World {
  if (listeners.length === 0) return world;
  const hosts = new Map(world.hosts);
  for (const { host: name, proto, port } of listeners) {
    const host = hosts.get(name) as Host;
    if (host.sockets.kind !== "listed") continue;
    const socket: Socket = {
      proto,
      families: [4, 6],
      address: null,
      dev: null,
      port,
      app: { kind: "line" },
      origin: ORIGIN_NONE,
    };
    hosts.set(name, { ...host, sockets: { kind: "listed", sockets: [...host.sockets.sockets, socket] } });
  }
  return { ...world, hosts };
}

function listens({ sockets }: Host, proto: string, port: number): boolean {
  if (sockets.kind === "assumed") return true;
  return sockets.sockets.some((socket) => socket.proto === proto && socket.port === port);
}

function isOwn(host: Host | undefined, address: string): boolean {
  if (host === undefined) return false;
  return [...host.addresses, ...host.addresses6].some((entry) => formatIp(entry.address) === address);
}
