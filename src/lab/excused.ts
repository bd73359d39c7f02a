import type { Netns } from "../kernel/netns.ts";
import type { RecordedProbe } from "./recorded.ts";

/**
 * What a recording and the model may differ in, and nothing else:
 * - a consistent renaming of free ports and of VXLAN's source port (`renaming.ts`);
 * - which neighbours of IPv6 are asked for, what that adds to the counters of iptables-nft, and redirects; not in live worlds
 *   whose neighbours do not age (`ageless`), where every frame and counter of them is compared (`discovery-difference.ts`);
 * - which address of a SNAT range was taken;
 * - repeated SYNs and the errors they bring, data sent again after a timeout, redirects, ARP, in a tunnel too;
 * - the bridge's extra `out` while a neighbour is unresolved;
 * - the order among the branches of a flood, and among a packet and the copies that rules made of it;
 * - errors about packets of an earlier probe, which a neighbour's queue let go late;
 * - a server at work that the dump of sockets lacks (`proven-listeners.ts`);
 * - what a TCP client sends in bulk behind the exchange of its first five packets, where a recording has that;
 * - a UDP client that shows an error of ICMP beside its timeout: its socket does not ask for errors that are not final;
 * - data that a server sends again, and the resets that answer it;
 * - a client that gave up while a neighbour was asked for: its recorder had seen an answer that never arrived.
 */

/** Packets of neighbour discovery are numbered from here in recordings, and in traces from far behind. */
export const FIRST_DISCOVERY = 1001;

export function isDiscovery(packet: number): boolean {
  return packet >= FIRST_DISCOVERY;
}

/** How many frames of neighbour discovery a recording shows on a host: each passes a hook once at most. */
export function discoveriesAt({ ndp = [] }: RecordedProbe, host: string): number {
  return ndp.filter(({ ns }) => ns === host).length;
}

/** Packets of a connection before the client sends in bulk: SYN, SYN-ACK, ACK, the server's line, ACK. */
export const BEFORE_BULK = 5;

/**
 * Does a probe go on with a bulk transfer when its connection is up? Recorded without offloads it is cut otherwise than the model's,
 * whose replay of it ends there.
 */
export function isBulk({ query, outcome }: RecordedProbe): boolean {
  return query.proto === "tcp" && query.size !== undefined && !NEVER_UP.has(outcome.result);
}

/** Of a connection that was refused nothing was said on it. */
const NEVER_UP: ReadonlySet<string> = new Set(["refused", "unreachable", "blocked"]);

/** `icmp_err_convert`: of a datagram's errors only those of protocol and port end it where no socket asks for more (IP_RECVERR). */
export function isNotFinal({ query, outcome }: RecordedProbe): boolean {
  const { icmp, result } = outcome;
  if (query.proto !== "udp" || result !== "timeout" || icmp === undefined) return false;
  return icmp.type === 11 || (icmp.type === 3 && icmp.code < 2);
}

/** Did the client give up though nobody had told it a neighbour's address? Every question has an answer, on some wire. */
export function gaveUpEarly({ outcome, arp = [], ndp = [], frames = [] }: RecordedProbe): boolean {
  if (outcome.result !== "timeout" || [...arp, ...ndp, ...frames].some(({ t }) => t > LATE_US)) return false;
  const answered = new Set(arp.filter((each) => each.arp.op === 2).map((each) => each.arp.spa));
  const asked = arp.filter((each) => each.arp.op === 1);
  const answered6 = new Set(ndp.filter((each) => each.ndp?.type === 136).map((each) => each.ndp?.target));
  const asked6 = ndp.filter((each) => each.ndp?.type === 135);
  return (
    asked.every((each) => answered.has(each.arp.tpa)) &&
    asked6.every((each) => answered6.has(each.ndp?.target))
  );
}

/** Nothing that is recorded is as late, microseconds: long before three questions have gone unanswered. */
const LATE_US = 1_500_000;

/** The part of a packet that says whether it is excused. */
export interface Excusable {
  readonly tcp?: {
    readonly sport: number;
    readonly dport: number;
    readonly flags?: string;
    /** Recorded only: the walk does not count bytes. */
    readonly seq?: number;
    readonly len?: number;
  };
  readonly ip?: { readonly src: string; readonly dst: string; readonly id?: number };
  readonly udp?: { readonly sport: number; readonly dport: number };
  /** What a tunnel carries, in a recording and in a trace. */
  readonly vxlan?: {
    readonly vni: number;
    readonly eth?: { readonly type?: string };
    readonly ndp?: unknown;
  };
  readonly inner?: { readonly eth?: { readonly type?: string }; readonly nd?: unknown };
  readonly icmp?: {
    readonly type: number;
    readonly code: number;
    readonly id?: number;
    readonly orig?: Excusable;
  };
}

/** Finds, among one side's packets in order of appearance, those that are excused. */
export class Excuser {
  private readonly syns = new Set<string>();
  private readonly segments = new Set<string>();
  private readonly errors = new Set<string>();
  /** IP identifications, and flows, seen on a wire in this probe. */
  private readonly ids = new Set<number>();
  private readonly flows = new Set<string>();
  /** Whom those went to. */
  private readonly targets = new Set<string>();
  private readonly client: number | null;

  /** @param client the recorded client's port or ICMP id; null for the model's packets, which are never late */
  constructor(client: number | null) {
    this.client = client;
  }

  /** Note a packet seen on a wire. */
  saw(packet: Excusable): void {
    if (packet.ip?.id !== undefined) this.ids.add(packet.ip.id);
    this.flows.add(flowOf(packet));
    this.targets.add(targetOf(packet));
  }

  /** Does an error quote a packet that this probe neither sent nor showed? */
  private isLate(orig: Excusable): boolean {
    const id = orig.ip?.id;
    if (this.client === null) return false;
    // IPv6 has none, and is known by whom it went to.
    if (id === undefined && this.targets.has(targetOf(orig))) return false;
    if (id === undefined || id === 0 ? this.flows.has(flowOf(orig)) : this.ids.has(id)) return false;
    const ports = orig.tcp ?? orig.udp;
    if (ports !== undefined) return ports.sport !== this.client && ports.dport !== this.client;
    return orig.icmp?.id !== this.client;
  }

  isExcused(packet: Excusable): boolean {
    if (packet.icmp?.type === 5 || carriesArp(packet) || carriesDiscovery(packet)) return true;
    if (packet.tcp?.flags === "S") {
      const flow = `${packet.ip?.src} ${packet.ip?.dst} ${packet.tcp.sport} ${packet.tcp.dport}`;
      if (this.syns.has(flow)) return true;
      this.syns.add(flow);
    }
    const { seq, len = 0 } = packet.tcp ?? {};
    if (seq !== undefined && len > 0) {
      const segment = `${flowOf(packet)} ${seq} ${len}`;
      if (this.segments.has(segment)) return true;
      this.segments.add(segment);
    }
    const orig = packet.icmp?.orig;
    if (packet.icmp !== undefined && orig !== undefined) {
      if (this.isLate(orig)) return true;
      if (orig.tcp !== undefined) {
        const error = `${packet.ip?.src} ${packet.icmp.type} ${packet.icmp.code} ${orig.ip?.src} ${orig.tcp.sport} ${orig.tcp.dport}`;
        if (this.errors.has(error)) return true;
        this.errors.add(error);
      }
    }
    return false;
  }
}

/** An ARP frame in a tunnel: a packet of IP only by its outside. */
function carriesArp({ vxlan, inner }: Excusable): boolean {
  return vxlan?.eth?.type === ETH_ARP || inner?.eth?.type === ETH_ARP;
}

/** The same of neighbour discovery. */
function carriesDiscovery({ vxlan, inner }: Excusable): boolean {
  return vxlan?.ndp !== undefined || inner?.nd !== undefined;
}

const ETH_ARP = "0x0806";

function targetOf({ ip, tcp, udp }: Excusable): string {
  return `${ip?.dst} ${(tcp ?? udp)?.dport}`;
}

function flowOf(packet: Excusable): string {
  const ports = packet.tcp ?? packet.udp;
  return `${packet.ip?.src} ${packet.ip?.dst} ${ports?.sport ?? packet.icmp?.id} ${ports?.dport ?? ""}`;
}

/** A frame's place, on either side. */
export interface Place {
  readonly host: string;
  readonly device: string;
  readonly direction: string;
}

/**
 * Leave out a bridge device's `out` that directly follows the packet's `in` by one of that bridge's ports: br_netfilter
 * hands a translated frame to the bridge device while the neighbour is unresolved, and not once it is known.
 */
export function withoutBridgeExtra<T extends Place>(
  frames: readonly T[],
  hostNamed: (name: string) => Netns | undefined,
): T[] {
  const last = new Map<string, Place>();
  return frames.filter((frame) => {
    const before = last.get(frame.host);
    last.set(frame.host, frame);
    if (frame.direction !== "out" || before === undefined || !before.direction.startsWith("in")) return true;
    const net = hostNamed(frame.host);
    const device = net?.deviceNamed(frame.device);
    if (!device?.isBridge) return true;
    return net?.deviceNamed(before.device)?.master !== device;
  });
}
