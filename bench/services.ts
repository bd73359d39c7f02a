import type { Ipv4 } from "../src/address/ipv4.ts";
import { formatIpv4, parseIpv4 } from "../src/address/ipv4.ts";
import { Random } from "./random.ts";

/** What a Service has beside a cluster IP and three endpoints. */
export const SERVICE_KINDS = ["cluster", "nodeport", "none", "ranges", "affinity"] as const;
export type ServiceKind = (typeof SERVICE_KINDS)[number];

export interface Endpoint {
  readonly address: Ipv4;
  readonly port: number;
}

/** An IPv4 prefix as the rules write it. */
export interface Range {
  readonly address: Ipv4;
  readonly length: number;
}

/** A Service over UDP, as far as kube-proxy looks at it. */
export interface Service {
  /** `namespace/name` */
  readonly name: string;
  readonly kind: ServiceKind;
  readonly clusterIp: Ipv4;
  readonly port: number;
  readonly nodePort: number | null;
  /** Of a load balancer, with the sources it lets in. */
  readonly vip: Ipv4 | null;
  readonly ranges: readonly Range[];
  /** In the order kube-proxy writes them: by their text. */
  readonly endpoints: readonly Endpoint[];
}

export const ENDPOINTS_A_SERVICE = 3;
export const AFFINITY_SECONDS = 10_800;

/** Sources inside this are let in by every service with source ranges; the rest of `SOURCES` by none. */
export const ALLOWED_SOURCES: Range = { address: parse("10.128.0.0"), length: 26 };
export const SOURCES: Range = { address: parse("10.128.0.0"), length: 24 };
export const POD_CIDR: Range = { address: parse("10.128.0.0"), length: 9 };

const ENDPOINTS_BASE = parse("10.129.0.0");
const ENDPOINTS_ROOM = 0x7f_0000;
const CLUSTER_BASE = parse("10.96.0.0");
const CLUSTER_ROOM = 1 << 20;
const VIP_BASE = parse("198.18.0.0");
const VIP_ROOM = 1 << 17;
const PRIVATE_BASE = parse("172.16.0.0");
const NODE_PORT_LOW = 30_000;
const NODE_PORT_ROOM = 2768;

/** Of a hundred services of a mixed set. */
const MIX: readonly (readonly [ServiceKind, number])[] = [
  ["cluster", 50],
  ["nodeport", 15],
  ["none", 10],
  ["ranges", 10],
  ["affinity", 15],
];

/**
 * Services from a seed, sorted by name as they are written: all of one kind, or mixed, where a set of five or more has
 * every kind.
 */
export function makeServices(count: number, seed: number, kind: ServiceKind | "mixed"): Service[] {
  const random = new Random(seed);
  const names = new Set<number>();
  const clusterIps = new Set<number>();
  const vips = new Set<number>();
  const nodePorts = new Set<number>();
  const addresses = new Set<number>();
  const endpoint = (port: number): Endpoint => ({
    address: (ENDPOINTS_BASE + random.fresh(ENDPOINTS_ROOM, addresses)) | 0,
    port,
  });
  const range = (): Range => {
    const length = 20 + random.below(9);
    const address = PRIVATE_BASE + random.below(1 << 20);
    return { address: address & (-1 << (32 - length)), length };
  };
  const services = Array.from({ length: count }, (_, i): Service => {
    let own = kind === "mixed" ? mixedKind(i, random) : kind;
    if (own === "nodeport" && nodePorts.size >= NODE_PORT_ROOM) own = "cluster";
    const targetPort = 1024 + random.below(60_000);
    const endpoints =
      own === "none" ? [] : Array.from({ length: ENDPOINTS_A_SERVICE }, () => endpoint(targetPort));
    const ranges = own === "ranges" ? Array.from({ length: random.below(3) }, range) : [];
    if (own === "ranges") ranges.splice(random.below(ranges.length + 1), 0, ALLOWED_SOURCES);
    const number = random
      .fresh(36 ** 5, names)
      .toString(36)
      .padStart(5, "0");
    return {
      name: `team-${random.below(40)}/app-${number}`,
      kind: own,
      clusterIp: (CLUSTER_BASE + 1 + random.fresh(CLUSTER_ROOM - 2, clusterIps)) | 0,
      port: random.below(2) === 0 ? 80 : 1 + random.below(10_000),
      nodePort: own === "nodeport" ? NODE_PORT_LOW + random.fresh(NODE_PORT_ROOM, nodePorts) : null,
      vip: own === "ranges" ? (VIP_BASE + 1 + random.fresh(VIP_ROOM - 2, vips)) | 0 : null,
      ranges,
      endpoints: endpoints.sort((a, b) => (endpointText(a) < endpointText(b) ? -1 : 1)),
    };
  });
  return services.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function endpointText({ address, port }: Endpoint): string {
  return `${formatIpv4(address)}:${port}`;
}

export function rangeText({ address, length }: Range): string {
  return `${formatIpv4(address)}/${length}`;
}

function mixedKind(i: number, random: Random): ServiceKind {
  const sure = SERVICE_KINDS[i];
  if (sure !== undefined) return sure;
  let at = random.below(100);
  for (const [kind, share] of MIX) {
    if (at < share) return kind;
    at -= share;
  }
  return "cluster";
}

function parse(text: string): Ipv4 {
  return parseIpv4(text) as Ipv4;
}
