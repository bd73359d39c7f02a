import { socketAddressText, splitSocketAddress } from "../address/socket-address.ts";
import { VXLAN_PORTS } from "../packet/wire/vxlan.ts";
import type { Network } from "../walk/network.ts";
import type { Frame, HookVisit, Outcome } from "../walk/trace.ts";
import { COPIES, clientDifference } from "./client-difference.ts";
import { compareBrief } from "./compare-brief.ts";
import { conntrackDifference } from "./conntrack-difference.ts";
import { discoveryDifference } from "./discovery-difference.ts";
import { isBulk, isDiscovery } from "./excused.ts";
import { branches, compareFrames, frameText, frameTree } from "./frame-tree.ts";
import { ipvsDifference } from "./ipvs-difference.ts";
import { isNftTable, nftDifference } from "./nft-difference.ts";
import { ourPackets, type PacketFrames, type Packets, recordedPackets, type WholeFrame } from "./packets.ts";
import type { RecordedProbe, RecordedServer, RecordedVisit } from "./recorded.ts";
import { inOneForm } from "./recorded-ip6.ts";
import type { Renaming } from "./renaming.ts";
import { ruleCountDifference } from "./rule-count-difference.ts";
import { familyOf, familyOfVisit, samePacket, stepText, visitDifference } from "./visit-difference.ts";

/** How far one outcome agrees with a recorded probe. */
export interface Matched {
  /** The first difference, null when there is none. */
  readonly difference: string | null;
  /** How far the comparison came: the nearest outcome's difference is the one to tell. */
  readonly score: number;
  readonly renaming: Renaming;
  /** Our ports that were free choice. */
  readonly free: readonly number[];
}

/** Compare everything recorded of a probe with one outcome. */
export function compareOutcome(
  network: Network,
  probe: RecordedProbe,
  outcome: Outcome,
  before: Renaming,
  earlierFree: ReadonlySet<number>,
): Matched {
  const recorded = inOneForm(probe);
  if (recorded.frames === undefined && recorded.framesOmitted !== true) {
    const difference = compareBrief(recorded, outcome);
    return { difference, score: difference === null ? 100 : 0, renaming: before, free: [] };
  }
  if (recorded.endless === true) {
    const { disposition } = outcome.verdict;
    const difference =
      disposition === "LOOPED" ? null : `answers without end recorded, ${disposition} modelled`;
    return { difference, score: difference === null ? 100 : 0, renaming: before, free: [] };
  }
  const free = [...freePorts(outcome)];
  const hashes = new Set([...outcome.frames.flatMap(hashedPorts), ...trackedTunnels(outcome)]);
  const renaming = before.with(new Set([...free, ...earlierFree]), hashes);
  const stages: ((comparison: Comparison) => string | null)[] = [
    (c) => c.client(),
    (c) => c.frames(),
    (c) => c.servers(),
    (c) => c.discovery(),
    (c) => c.visits(),
    (c) => c.nft(),
    (c) => c.ruleCounts(),
    (c) => c.conntrack(),
    (c) => c.ipvs(),
  ];
  const comparison = new Comparison(network, recorded, outcome, renaming);
  for (let stage = 0; stage < stages.length; stage++) {
    const difference = (stages[stage] as (c: Comparison) => string | null)(comparison);
    if (difference !== null) {
      return { difference, score: stage + comparison.progress, renaming: comparison.renaming, free };
    }
  }
  return { difference: null, score: 100, renaming: comparison.renaming, free };
}

function freePorts(outcome: Outcome): Set<number> {
  const free = new Set<number>();
  for (const rewrite of outcome.rewrites) {
    const { port } = splitSocketAddress(rewrite.to);
    if (rewrite.free === true && port !== null) free.add(port);
  }
  for (const entry of outcome.conntrack) {
    const chosen = entry.reply.dport ?? entry.reply.id;
    if (entry.free === true && chosen !== undefined) free.add(chosen);
  }
  return free;
}

/** Source ports of tunnels' packets as connection tracking first saw them. */
function trackedTunnels({ conntrack }: Outcome): number[] {
  return conntrack.flatMap(({ proto, orig }) =>
    proto === "udp" && orig.sport !== undefined && VXLAN_PORTS.includes(orig.dport ?? 0) ? [orig.sport] : [],
  );
}

/** Source ports of VXLAN in a frame: its own, and that of a tunnel's packet which an error quotes. */
function hashedPorts({ vxlan, udp, icmp }: Frame): number[] {
  const quoted = icmp?.orig?.udp;
  return [
    ...(vxlan !== undefined && udp !== undefined ? [udp.sport] : []),
    ...(quoted !== undefined && VXLAN_PORTS.includes(quoted.dport) ? [quoted.sport] : []),
  ];
}

class Comparison {
  renaming: Renaming;
  /** Part of the present stage that agreed, 0 … 1. */
  progress = 0;
  private readonly network: Network;
  private readonly recorded: RecordedProbe;
  private readonly outcome: Outcome;
  /** Recorded packet number to ours. */
  private readonly pairs = new Map<number, number>();
  /** Our ways through hooks of packets that the recording traced nowhere. */
  private readonly untraced: HookVisit[] = [];
  private readonly theirs: Packets<WholeFrame>;
  private readonly ours: Packets<Frame>;

  constructor(network: Network, recorded: RecordedProbe, outcome: Outcome, renaming: Renaming) {
    this.network = network;
    this.recorded = recorded;
    this.outcome = outcome;
    this.renaming = renaming;
    this.theirs = recordedPackets(network, recorded);
    this.ours = ourPackets(network, outcome.frames);
  }

  client(): string | null {
    return clientDifference(this.recorded, this.outcome, this.theirs.excused);
  }

  servers(): string | null {
    const ours = this.outcome.servers.filter((server) => server.proto !== "icmp");
    const left = [...ours];
    for (const server of this.recorded.outcome.serverSaw ?? []) {
      const peer = splitSocketAddress(server.peer);
      const at = left.findIndex((candidate) => {
        const trial = this.renaming.fork();
        const agrees =
          candidate.host === server.host &&
          candidate.proto === server.proto &&
          socketAddressText(candidate.address, candidate.port ?? 0) === server.local &&
          candidate.peer.address === peer.address &&
          trial.accepts(candidate.peer.port ?? 0, peer.port ?? 0);
        if (agrees) this.renaming = trial;
        return agrees;
      });
      if (at < 0)
        return `server: ${serverText(server)} recorded, ${ours.map(ourServerText).join(", ") || "nobody"} modelled`;
      left.splice(at, 1);
    }
    const extra = left[0];
    return extra === undefined ? null : `server: ${ourServerText(extra)} modelled, not recorded`;
  }

  frames(): string | null {
    if (this.recorded.framesOmitted === true) return null;
    const { network } = this;
    const recorded = this.theirs.packets;
    const left: PacketFrames<Frame>[] = [...this.ours.packets];
    const copies = this.outcome.rules.some(({ text }) => COPIES.test(text));
    for (const [done, packet] of recorded.entries()) {
      let best: { difference: string; depth: number } | null = null;
      let found = -1;
      for (const [i, candidate] of left.entries()) {
        const trial = this.renaming.fork();
        const { difference, depth } = compareFrames(network, packet, candidate, trial, copies);
        if (difference === null) {
          this.renaming = trial;
          found = i;
          break;
        }
        if (best === null || depth > best.depth) best = { difference, depth };
      }
      if (found < 0) {
        this.progress = done / (recorded.length + 1);
        const first = frameText(packet.frames[0]);
        return best?.difference ?? `packet ${packet.number}: recorded, not modelled (${first})`;
      }
      this.pairs.set(packet.number, (left[found] as PacketFrames<Frame>).number);
      left.splice(found, 1);
    }
    const extra = left[0];
    if (extra === undefined) return null;
    return `packet ${extra.number}: modelled, not recorded (${frameText(extra.frames[0])})`;
  }

  /**
   * The recorded visits. The kernel's own trace calls a last rule that says ACCEPT or DROP to everything a policy, or a
   * return (`get_chainname_rulenum`): it is a rule here.
   */
  private trace(): RecordedVisit[] {
    return (this.recorded.trace ?? []).map((visit) => {
      const host = this.network.host(this.network.hostNumber(visit.ns))?.host;
      const tables = (visit.family === 6 ? host?.ip6tables : host?.iptables)?.tables;
      const steps = visit.steps.map((step) => {
        const [table = "", chain = "", kind = "", rest = ""] = step.split(":");
        const rules = tables?.get(table)?.chains.get(chain)?.rules.length ?? 0;
        if (kind === "rule" || Number.parseInt(rest, 10) > rules) return step;
        return `${table}:${chain}:rule:${rest}`;
      });
      return { ...visit, steps };
    });
  }

  /** Where no neighbour ages it is predictable who is asked for. */
  discovery(): string | null {
    return this.recorded.ageless === true
      ? discoveryDifference(this.recorded.ndp ?? [], this.outcome.ndp)
      : null;
  }

  /** Rules in order, and hooks in order, per packet and host. */
  visits(): string | null {
    if (this.recorded.framesOmitted === true) return null;
    // A live probe has the rules' counters instead.
    if (this.recorded.trace === undefined && this.recorded.rulesHit !== undefined) return null;
    const trace = this.trace();
    const recorded = trace.filter(
      (visit) => !isDiscovery(visit.pkt) && !this.theirs.excused.has(visit.pkt) && !isRedirect(visit),
    );
    const ours = this.outcome.hooks
      .map(withoutNft)
      .filter(
        (visit) =>
          visit.steps.length > 0 &&
          !isDiscovery(visit.packet) &&
          !this.ours.excused.has(visit.packet) &&
          visit.before.icmp?.type !== 5,
      );
    const left = new Set(ours.keys());
    /** Where each packet was met last on each host. */
    const last = new Map<string, number>();
    for (const visit of recorded) {
      const head = `rules: ${visit.ns} packet ${visit.pkt} ${visit.hook}`;
      const key = `${visit.ns} ${visit.pkt}`;
      const from = last.get(key) ?? -1;
      const candidates = [...left].filter((i) => this.mayBe(visit, ours[i] as HookVisit));
      const differences = candidates.map((i) =>
        visitDifference(visit, ours[i] as HookVisit, this.renaming.fork()),
      );
      const agreeing = candidates.filter((_, i) => differences[i] === null);
      const at = agreeing.find((i) => i > from) ?? agreeing[0];
      if (at === undefined && from >= 0 && this.theirs.repeated.has(visit.pkt)) continue;
      if (at === undefined) return `${head}: ${differences[0] ?? "recorded, not modelled"}`;
      const ordered = at > from || this.isCopied(visit.pkt);
      if (!ordered) return `${head}: recorded after ${(ours[from] as HookVisit).hook}, modelled before it`;
      visitDifference(visit, ours[at] as HookVisit, this.renaming);
      left.delete(at);
      last.set(key, at);
    }
    for (const at of left)
      if (this.isUntraced(ours[at] as HookVisit)) this.untraced.push(ours[at] as HookVisit);
    // Where iptables-nft wrote the rules, their steps are among nftables'.
    const extra = [...left].find((at) => !this.untraced.includes(ours[at] as HookVisit));
    if (extra === undefined || (this.recorded.nftTrace ?? []).length > 0) return this.discoveries(trace);
    const { host, packet, hook, steps } = ours[extra] as HookVisit;
    return `rules: ${host} packet ${packet} ${hook}: modelled, not recorded (${steps.map(stepText).join(" ")})`;
  }

  /** Which neighbours are asked for is not predictable; but what both sides asked went the same way through the rules. */
  private discoveries(trace: readonly RecordedVisit[]): string | null {
    const ours = this.outcome.hooks.map(withoutNft).filter((visit) => isDiscovery(visit.packet));
    for (const visit of trace) {
      if (!isDiscovery(visit.pkt)) continue;
      const alike = ours.filter(
        (own) => visit.ns === own.host && visit.hook === own.hook && samePacket(visit, own, this.renaming),
      );
      // A question asked again is the same packet to a recorder.
      const differences = alike.map((own) =>
        visitDifference({ ...visit, steps: onceOf(visit.steps, own) }, own, this.renaming.fork()),
      );
      const [first] = differences;
      if (first !== undefined && !differences.includes(null))
        return `rules: ${visit.ns} packet ${visit.pkt} ${visit.hook}: ${first}`;
    }
    return null;
  }

  /** The way through nftables' rules, where it was recorded. */
  nft(): string | null {
    const recorded = this.recorded.nftTrace ?? [];
    if (recorded.length === 0) return null;
    const isExcused = (packet: number): boolean => this.theirs.excused.has(packet);
    const visits = this.outcome.hooks.filter(({ packet }) => !isDiscovery(packet));
    const isOursExcused = (packet: number): boolean => this.ours.excused.has(packet);
    const options = { family: this.family(), isOursExcused };
    return nftDifference(this.network, recorded, visits, this.pairs, isExcused, options);
  }

  /** Where IPVS is at work a packet that no wire showed left its mark in the counters alone. */
  private isUntraced({ packet, host }: HookVisit): boolean {
    if ((this.network.host(this.network.hostNumber(host))?.ipvs ?? null) === null) return false;
    return !this.outcome.frames.some((frame) => frame.packet === packet);
  }

  /** Can a recorded way through a hook be that of ours? A packet dropped before any wire showed it is known by its looks. */
  private mayBe(visit: RecordedVisit, ours: HookVisit): boolean {
    if (visit.ns !== ours.host || visit.hook !== ours.hook) return false;
    if (familyOf(visit) !== familyOfVisit(ours)) return false;
    const packet = this.pairs.get(visit.pkt);
    if (packet !== undefined) return ours.packet === packet;
    // A datagram of IPv6 that was put together is a packet of its own, which no wire showed.
    if (visit.family === 6 && this.wasFragmented(ours.packet)) return true;
    return ![...this.pairs.values()].includes(ours.packet);
  }

  private wasFragmented(packet: number): boolean {
    return this.outcome.frames.some(
      ({ packet: number, ip }) => number === packet && (ip.mf !== undefined || ip.off !== undefined),
    );
  }

  private isCopied(recorded: number): boolean {
    const packet = this.theirs.packets.find(({ number }) => number === recorded);
    return packet !== undefined && branches(frameTree(this.network, packet.frames));
  }

  ruleCounts(): string | null {
    if (this.theirs.repeated.size > 0) return null;
    const { network, recorded, outcome, untraced } = this;
    const trace = recorded.trace === undefined ? undefined : this.trace();
    return ruleCountDifference(network, recorded, outcome, this.family(), { trace, untraced });
  }

  private family(): 4 | 6 {
    return this.recorded.query.dst.includes(":") ? 6 : 4;
  }

  ipvs(): string | null {
    if (isBulk(this.recorded) || (this.recorded.query.count ?? 1) > 1) return null;
    return ipvsDifference(this.recorded.ipvsConnections ?? [], this.outcome.ipvs, this.renaming);
  }

  conntrack(): string | null {
    if ((this.recorded.query.count ?? 1) > 1) return null;
    return conntrackDifference(this.recorded.conntrack ?? [], this.outcome.conntrack, this.renaming);
  }
}

/** What iptables did at a hook: nftables' way is recorded apart. */
function withoutNft(visit: HookVisit): HookVisit {
  if (!visit.steps.some(({ table }) => isNftTable(table))) return visit;
  return { ...visit, steps: visit.steps.filter(({ table }) => !isNftTable(table)) };
}

function isRedirect(visit: RecordedVisit): boolean {
  return visit.packet?.startsWith("icmp 5/") ?? false;
}

/** The steps once, where they are those of one of ours several times over. */
function onceOf(steps: readonly string[], { steps: own }: HookVisit): readonly string[] {
  const once = steps.slice(0, own.length);
  const repeats = own.length > 0 && steps.every((step, i) => step === once[i % own.length]);
  return repeats && steps.length % own.length === 0 ? once : steps;
}

function serverText(server: RecordedServer): string {
  return `${server.host} ${server.local} from ${server.peer}`;
}

function ourServerText(server: Outcome["servers"][number]): string {
  const { host, address, port = 0, peer } = server;
  return `${host} ${socketAddressText(address, port)} from ${socketAddressText(peer.address, peer.port ?? 0)}`;
}
