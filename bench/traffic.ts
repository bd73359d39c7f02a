import type { Ipv4 } from "../src/address/ipv4.ts";
import { parseIpv4 } from "../src/address/ipv4.ts";
import type { Random } from "./random.ts";
import { NODE_ADDRESS, NOWHERE } from "./scene.ts";
import { ALLOWED_SOURCES, type Service, type ServiceKind, SOURCES } from "./services.ts";

/** What is sent to a service, and what must become of it. */
export const TRAFFIC_KINDS = ["cluster", "nodeport", "none", "allowed", "refused", "affinity"] as const;
export type TrafficKind = (typeof TRAFFIC_KINDS)[number];

export const TRAFFIC_TEXT: Readonly<Record<TrafficKind, string>> = {
  cluster: "cluster IP",
  nodeport: "node port",
  none: "no endpoints",
  allowed: "source in range",
  refused: "source out of range",
  affinity: "ClientIP affinity",
};

const SERVICES_OF: Readonly<Record<TrafficKind, ServiceKind>> = {
  cluster: "cluster",
  nodeport: "nodeport",
  none: "none",
  allowed: "ranges",
  refused: "ranges",
  affinity: "affinity",
};

/** Which services of the kind are asked, in the order of the rules. */
export const PLACES = ["first", "last", "uniform"] as const;
export type Place = (typeof PLACES)[number];

export type Fate = "delivered" | "rejected" | "dropped";

export function fateOf(kind: TrafficKind): Fate {
  if (kind === "none") return "rejected";
  return kind === "refused" ? "dropped" : "delivered";
}

/** Packets as columns: what the model and the kernel are both given. Every one begins a flow. */
export class Packets {
  readonly count: number;
  readonly src: Int32Array;
  readonly dst: Int32Array;
  readonly sport: Int32Array;
  readonly dport: Int32Array;
  /** Index of the service asked, -1 when an endpoint itself is. */
  readonly service: Int32Array;

  constructor(count: number) {
    this.count = count;
    this.src = new Int32Array(count);
    this.dst = new Int32Array(count);
    this.sport = new Int32Array(count);
    this.dport = new Int32Array(count);
    this.service = new Int32Array(count).fill(-1);
  }

  /** The first of them. */
  head(count: number): Packets {
    const head = new Packets(Math.min(count, this.count));
    for (const column of ["src", "dst", "sport", "dport", "service"] as const) {
      head[column].set(this[column].subarray(0, head.count));
    }
    return head;
  }

  /** Twelve bytes each, in network byte order. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(12 * this.count);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < this.count; i++) {
      view.setInt32(12 * i, this.src[i] as number);
      view.setInt32(12 * i + 4, this.dst[i] as number);
      view.setUint16(12 * i + 8, this.sport[i] as number);
      view.setUint16(12 * i + 10, this.dport[i] as number);
    }
    return bytes;
  }
}

const FIRST_PORT = 1024;
const PORTS = 65_536 - FIRST_PORT;
/** Has no divisor in common with `PORTS`, so that a port comes again only after all others. */
const PORT_STRIDE = 25_013;
const SOURCES_USED = 62;
/** Addresses behind the client that no service with source ranges lets in. */
const REFUSED_SOURCE = SOURCES.address + 128;
const NOWHERE_ADDRESS = parseIpv4(NOWHERE.replace(/0\/\d+$/, "1")) as Ipv4;
const NODE = parseIpv4(NODE_ADDRESS) as Ipv4;

/** Most packets of distinct (source, port). */
export const PACKETS_AT_MOST = PORTS * SOURCES_USED;

/** The n-th of the flows' sources: a new source port each, and the sources in turn. */
function fillSource(packets: Packets, i: number, base: number): void {
  packets.sport[i] = FIRST_PORT + ((i * PORT_STRIDE) % PORTS);
  packets.src[i] = base + ((i + Math.floor(i / PORTS)) % SOURCES_USED);
}

/** The services a kind of traffic asks; as indices, in the order of the rules. */
export function targetsOf(services: readonly Service[], kind: TrafficKind, place: Place): number[] {
  const all = services.flatMap((service, i) => (service.kind === SERVICES_OF[kind] ? [i] : []));
  if (all.length < 2 || place === "uniform") return all;
  return place === "first" ? all.slice(0, 1) : all.slice(-1);
}

/** Packets to services picked uniformly among the targets. */
export function packetsTo(
  services: readonly Service[],
  kind: TrafficKind,
  targets: readonly number[],
  count: number,
  random: Random,
): Packets {
  const packets = new Packets(count);
  const base = kind === "refused" ? REFUSED_SOURCE : ALLOWED_SOURCES.address + 2;
  for (let i = 0; i < count; i++) {
    const target = targets[random.below(targets.length)] as number;
    const service = services[target] as Service;
    fillSource(packets, i, base);
    packets.service[i] = target;
    packets.dst[i] =
      kind === "nodeport"
        ? NODE
        : ((kind === "allowed" || kind === "refused" ? service.vip : service.clusterIp) as Ipv4);
    packets.dport[i] = kind === "nodeport" ? (service.nodePort as number) : service.port;
  }
  return packets;
}

/** Packets straight to endpoints: plain forwarding, whatever rules there are. */
export function packetsToEndpoints(services: readonly Service[], count: number, random: Random): Packets {
  const endpoints = services.flatMap((service) => service.endpoints);
  const packets = new Packets(count);
  for (let i = 0; i < count; i++) {
    const endpoint = endpoints[random.below(endpoints.length)];
    if (endpoint === undefined) throw new Error("no service has endpoints");
    fillSource(packets, i, ALLOWED_SOURCES.address + 2);
    packets.dst[i] = endpoint.address;
    packets.dport[i] = endpoint.port;
  }
  return packets;
}

/** Packets to an address that the node's routes drop. */
export function packetsToNowhere(count: number): Packets {
  const packets = new Packets(count);
  packets.dst.fill(NOWHERE_ADDRESS);
  packets.dport.fill(9);
  for (let i = 0; i < count; i++) fillSource(packets, i, ALLOWED_SOURCES.address + 2);
  return packets;
}
