import type { Netns } from "../kernel/netns.ts";
import type { Network } from "../walk/network.ts";
import type { ConntrackView, Frame, HookVisit, Outcome, PacketView } from "../walk/trace.ts";
import { Excuser, type Place, withoutBridgeExtra } from "./excused.ts";
import type {
  RecordedConntrack,
  RecordedFlow,
  RecordedFrame,
  RecordedPacket,
  RecordedProbe,
  RecordedServer,
  RecordedVisit,
} from "./recorded.ts";
import type { Renaming } from "./renaming.ts";

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
  recorded: RecordedProbe,
  outcome: Outcome,
  before: Renaming,
  earlierFree: ReadonlySet<number>,
): Matched {
  const free = [...freePorts(outcome)];
  const hashes = new Set(
    outcome.frames
      .filter((f) => f.vxlan !== undefined && f.udp !== undefined)
      .map((f) => f.udp?.sport as number),
  );
  const renaming = before.with(new Set([...free, ...earlierFree]), hashes);
  const stages: ((comparison: Comparison) => string | null)[] = [
    (c) => c.client(),
    (c) => c.frames(),
    (c) => c.servers(),
    (c) => c.visits(),
    (c) => c.ruleCounts(),
    (c) => c.conntrack(),
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

/** Compare one of several flows: its result, who saw it, and the first packet's path. */
export function compareFlow(network: Network, flow: RecordedFlow, outcome: Outcome): string | null {
  if (flow.result !== outcome.client.result)
    return `result ${flow.result} recorded, ${outcome.client.result} modelled`;
  const seen = (flow.serverSaw ?? []).map((server) => `${server.host} ${server.local}`).sort();
  const ours = outcome.servers
    .filter((server) => server.proto !== "icmp")
    .map((server) => `${server.host} ${server.address}:${server.port}`)
    .sort();
  if (seen.join() !== ours.join()) return `server ${seen.join(", ")} recorded, ${ours.join(", ")} modelled`;
  const place = (text: string): { host: string; device: string; direction: string } => {
    const [host = "", device = "", direction = ""] = text.split(":");
    return { host, device, direction };
  };
  const path = withoutBridgeExtra((flow.path ?? []).map(place), hostsOf(network))
    .map(placeText)
    .join(" ");
  const modelled = firstPath(network, outcome);
  return path === modelled ? null : `path ${path} recorded, ${modelled} modelled`;
}

/** What one of several flows is known by: its result, who saw it, its first packet's path. */
export function flowSignature(network: Network, outcome: Outcome): string {
  const servers = outcome.servers.map((server) => `${server.host} ${server.address}`).join(",");
  return `${outcome.client.result} ${servers} ${firstPath(network, outcome)}`;
}

function firstPath(network: Network, outcome: Outcome): string {
  const first = outcome.frames.filter((frame) => frame.packet === 1);
  return withoutBridgeExtra(first, hostsOf(network)).map(placeText).join(" ");
}

function hostsOf(network: Network): (name: string) => Netns | undefined {
  return (name) => network.hosts[network.hostNumber(name)];
}

function placeText(place: {
  readonly host: string;
  readonly device: string;
  readonly direction: string;
}): string {
  return `${place.host}:${place.device}:${place.direction}`;
}

function freePorts(outcome: Outcome): Set<number> {
  const free = new Set<number>();
  for (const rewrite of outcome.rewrites) {
    if (rewrite.free === true && rewrite.to.includes(":")) free.add(portOf(rewrite.to));
  }
  for (const entry of outcome.conntrack) {
    const chosen = entry.reply.dport ?? entry.reply.id;
    if (entry.free === true && chosen !== undefined) free.add(chosen);
  }
  return free;
}

/** A packet of either side: its frames in order. */
interface PacketFrames<F> {
  readonly number: number;
  readonly frames: readonly F[];
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
  private readonly excusedRecorded = new Set<number>();
  private readonly excusedOurs = new Set<number>();
  private readonly recordedPackets: readonly PacketFrames<WholeFrame>[];
  private readonly ourPackets: readonly PacketFrames<Frame>[];

  constructor(network: Network, recorded: RecordedProbe, outcome: Outcome, renaming: Renaming) {
    this.network = network;
    this.recorded = recorded;
    this.outcome = outcome;
    this.renaming = renaming;
    this.recordedPackets = groupRecorded(
      recorded.frames ?? [],
      recorded.outcome.client,
      this.excusedRecorded,
    );
    this.ourPackets = groupOurs(outcome.frames, this.excusedOurs);
  }

  /** The recorded client's ICMP error, unless it was one about an earlier probe's packets. */
  private recordedError(): RecordedProbe["outcome"]["icmp"] {
    const { icmp } = this.recorded.outcome;
    if (icmp === undefined) return undefined;
    const shown = (frame: RecordedFrame): boolean =>
      frame.icmp?.type === icmp.type && frame.icmp.code === icmp.code && frame.ip?.src === icmp.from;
    const all = (this.recorded.frames ?? []).filter(shown);
    if (all.length === 0) return icmp;
    return all.some((frame) => !this.excusedRecorded.has(frame.pkt)) ? icmp : undefined;
  }

  client(): string | null {
    const recorded = this.recorded.outcome;
    const { client } = this.outcome;
    const result = recorded.result;
    if (result !== client.result) return `result: ${result} recorded, ${client.result} modelled`;
    if (recorded.errno !== undefined && client.errno !== undefined && recorded.errno !== client.errno) {
      return `errno: ${recorded.errno} recorded, ${client.errno} modelled`;
    }
    const icmp = errorText(this.recordedError());
    const ourIcmp = errorText(client.icmp);
    if (icmp !== ourIcmp) return `icmp error: ${icmp} recorded, ${ourIcmp} modelled`;
    if (recorded.reset?.from !== client.reset?.from) {
      return `reset: from ${recorded.reset?.from ?? "nobody"} recorded, from ${client.reset?.from ?? "nobody"} modelled`;
    }
    if (recorded.answeredBy !== client.answeredBy) {
      return `answered by: ${recorded.answeredBy ?? "nobody"} recorded, ${client.answeredBy ?? "nobody"} modelled`;
    }
    if (recorded.client?.addr !== undefined && recorded.client.addr !== client.address) {
      return `client address: ${recorded.client.addr} recorded, ${client.address} modelled`;
    }
    if ((recorded.ownPacket ?? false) !== (client.ownPacket ?? false))
      return "own packet: only one side says so";
    return null;
  }

  servers(): string | null {
    const ours = this.outcome.servers.filter((server) => server.proto !== "icmp");
    const left = [...ours];
    for (const server of this.recorded.outcome.serverSaw ?? []) {
      const at = left.findIndex((candidate) => {
        const trial = this.renaming.fork();
        const agrees =
          candidate.host === server.host &&
          candidate.proto === server.proto &&
          `${candidate.address}:${candidate.port}` === server.local &&
          candidate.peer.address === addressOf(server.peer) &&
          trial.accepts(candidate.peer.port ?? 0, portOf(server.peer));
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
    const named = hostsOf(this.network);
    const shown = <F extends Place>(packet: PacketFrames<F>): PacketFrames<F> => ({
      number: packet.number,
      frames: withoutBridgeExtra(packet.frames, named),
    });
    const recorded = this.recordedPackets.map(shown);
    const ours = this.ourPackets.map(shown);
    const left = [...ours];
    let done = 0;
    for (const packet of recorded) {
      let best: { difference: string; depth: number } | null = null;
      let found = -1;
      for (let i = 0; i < left.length; i++) {
        const candidate = left[i] as PacketFrames<Frame>;
        const trial = this.renaming.fork();
        const result = compareFrames(packet, candidate, trial);
        if (result.difference === null) {
          this.renaming = trial;
          found = i;
          break;
        }
        if (best === null || result.depth > best.depth)
          best = { difference: result.difference, depth: result.depth };
      }
      if (found < 0) {
        this.progress = done / (recorded.length + 1);
        return (
          best?.difference ??
          `packet ${packet.number}: recorded, not modelled (${frameText(packet.frames[0])})`
        );
      }
      this.pairs.set(packet.number, (left[found] as PacketFrames<Frame>).number);
      left.splice(found, 1);
      done++;
    }
    const extra = left[0];
    if (extra !== undefined)
      return `packet ${extra.number}: modelled, not recorded (${ourFrameText(extra.frames[0])})`;
    return null;
  }

  /** Rules in order, per packet, host and hook. */
  visits(): string | null {
    const recorded = (this.recorded.trace ?? []).filter(
      (visit) => !this.excusedRecorded.has(visit.pkt) && !isRedirect(visit),
    );
    const ours = this.outcome.hooks.filter(
      (visit) =>
        visit.steps.length > 0 && !this.excusedOurs.has(visit.packet) && visit.before.icmp?.type !== 5,
    );
    const left = [...ours];
    for (const visit of recorded) {
      const packet = this.pairs.get(visit.pkt);
      const at = left.findIndex(
        (candidate) =>
          candidate.host === visit.ns &&
          candidate.hook === visit.hook &&
          (packet === undefined ? !this.isPaired(candidate.packet) : candidate.packet === packet) &&
          (packet !== undefined || visitDifference(visit, candidate, this.renaming.fork()) === null),
      );
      if (at < 0) return `rules: ${visit.ns} packet ${visit.pkt} ${visit.hook}: recorded, not modelled`;
      const candidate = left[at] as HookVisit;
      const trial = this.renaming.fork();
      const difference = visitDifference(visit, candidate, trial);
      if (difference !== null) {
        // Copies of a flood meet the same hook several times, in any order.
        const other = left.findIndex(
          (c) =>
            c.host === visit.ns &&
            c.hook === visit.hook &&
            c.packet === candidate.packet &&
            visitDifference(visit, c, this.renaming.fork()) === null,
        );
        if (other < 0) return `rules: ${visit.ns} packet ${visit.pkt} ${visit.hook}: ${difference}`;
        left.splice(other, 1);
        continue;
      }
      this.renaming = trial;
      left.splice(at, 1);
    }
    const extra = left[0];
    if (
      extra !== undefined &&
      (this.recorded.nftTrace === undefined || this.recorded.nftTrace.length === 0)
    ) {
      return `rules: ${extra.host} packet ${extra.packet} ${extra.hook}: modelled, not recorded (${extra.steps.map(stepText).join(" ")})`;
    }
    return null;
  }

  private isPaired(ours: number): boolean {
    for (const number of this.pairs.values()) if (number === ours) return true;
    return false;
  }

  /** The counters that rose are those of the rules that matched (one flow only; all of them where the trace is whole). */
  ruleCounts(): string | null {
    if ((this.recorded.query.count ?? 1) > 1 || this.recorded.rulesHit === undefined) return null;
    const counted = new Map<string, number>();
    for (const visit of this.recorded.trace ?? []) {
      for (const step of visit.steps) {
        const [table = "", chain = "", kind = "", rest = ""] = step.split(":");
        if (kind === "return") continue;
        const number = kind === "policy" ? 0 : Number.parseInt(rest, 10);
        const key = `${visit.ns} ${table} ${chain} ${number}`;
        counted.set(key, (counted.get(key) ?? 0) + 1);
      }
    }
    if (counted.size === 0 && this.recorded.rulesHit.length > 0) return null;
    for (const hit of this.recorded.rulesHit) {
      const key = `${hit.ns} ${hit.table} ${hit.chain} ${hit.rule}`;
      const seen = counted.get(key) ?? 0;
      if (seen !== hit.packets) {
        return `rule counters: ${hit.ns} ${hit.table} ${hit.chain} rule ${hit.rule}: ${hit.packets} recorded, ${seen} by the rules walked`;
      }
      counted.delete(key);
    }
    const extra = [...counted.keys()].find((key) => !key.endsWith(" 0"));
    return extra === undefined ? null : `rule counters: ${extra} was walked, and its counter did not rise`;
  }

  conntrack(): string | null {
    const recorded = this.recorded.conntrack;
    if (recorded === undefined || (this.recorded.query.count ?? 1) > 1) return null;
    const left = [...this.outcome.conntrack];
    // Entries without free ports first: they leave the fewest candidates to the others.
    const unmatched: RecordedConntrack[] = [];
    for (const entry of recorded) {
      const at = left.findIndex((candidate) => {
        const trial = this.renaming.fork();
        if (!conntrackAgrees(entry, candidate, trial)) return false;
        this.renaming = trial;
        return true;
      });
      if (at < 0) unmatched.push(entry);
      else left.splice(at, 1);
    }
    const [missing] = unmatched;
    if (missing !== undefined) {
      const near = left.find((entry) => entry.host === missing.ns && entry.proto === missing.proto);
      return `conntrack: ${missing.ns} ${conntrackText(missing)} recorded${near === undefined ? ", not modelled" : `, ${conntrackText({ ...near, ns: near.host })} modelled`}`;
    }
    const extra = left[0];
    return extra === undefined
      ? null
      : `conntrack: ${extra.host} ${conntrackText({ ...extra, ns: extra.host })} modelled, not recorded`;
  }
}

function isRedirect(visit: RecordedVisit): boolean {
  return visit.packet.startsWith("icmp 5/");
}

/** A recorded frame with everything a `same` leaves out. */
type WholeFrame = RecordedFrame & {
  readonly host: string;
  readonly device: string;
  readonly direction: string;
};

function groupRecorded(
  frames: readonly RecordedFrame[],
  client: { readonly port?: number; readonly icmpId?: number } | undefined,
  excused: Set<number>,
): PacketFrames<WholeFrame>[] {
  const byPacket = new Map<number, WholeFrame[]>();
  const excuser = new Excuser(client?.port ?? client?.icmpId ?? null);
  for (const frame of frames) {
    const before = byPacket.get(frame.pkt);
    const previous = before?.[before.length - 1];
    const whole = frame.same === true && previous !== undefined ? { ...previous, ...frame } : frame;
    const placed = { ...whole, host: frame.ns, device: frame.if, direction: frame.dir };
    if (before === undefined) {
      if (excuser.isExcused(placed)) excused.add(frame.pkt);
      byPacket.set(frame.pkt, [placed]);
    } else before.push(placed);
    excuser.saw(placed);
  }
  return [...byPacket]
    .filter(([number]) => !excused.has(number))
    .map(([number, list]) => ({ number, frames: list }));
}

function groupOurs(frames: readonly Frame[], excused: Set<number>): PacketFrames<Frame>[] {
  const byPacket = new Map<number, Frame[]>();
  const excuser = new Excuser(null);
  for (const frame of frames) {
    const before = byPacket.get(frame.packet);
    if (before !== undefined) {
      before.push(frame);
      continue;
    }
    if (excuser.isExcused(frame)) excused.add(frame.packet);
    byPacket.set(frame.packet, [frame]);
  }
  return [...byPacket]
    .filter(([number]) => !excused.has(number))
    .map(([number, list]) => ({ number, frames: list }));
}

function compareFrames(
  recorded: PacketFrames<WholeFrame>,
  ours: PacketFrames<Frame>,
  renaming: Renaming,
): { difference: string | null; depth: number } {
  const head = `packet ${recorded.number}`;
  const tree = isFlooded(recorded.frames);
  if (tree) return compareFlood(recorded, ours, renaming, head);
  const count = Math.min(recorded.frames.length, ours.frames.length);
  for (let i = 0; i < count; i++) {
    const theirs = recorded.frames[i] as WholeFrame;
    const mine = ours.frames[i] as Frame;
    if (theirs.host !== mine.host || theirs.device !== mine.device || theirs.direction !== mine.direction) {
      return {
        difference: `${head}: frame ${i + 1}: ${frameText(theirs)} recorded, ${ourFrameText(mine)} modelled`,
        depth: i,
      };
    }
    const difference = packetDifference(theirs, mine, renaming);
    if (difference !== null)
      return { difference: `${head}: frame ${i + 1} (${frameText(theirs)}): ${difference}`, depth: i + 0.5 };
  }
  if (recorded.frames.length > count) {
    return {
      difference: `${head}: frame ${count + 1}: ${frameText(recorded.frames[count])} recorded, not modelled`,
      depth: count,
    };
  }
  if (ours.frames.length > count) {
    return {
      difference: `${head}: frame ${count + 1}: ${ourFrameText(ours.frames[count])} modelled, not recorded`,
      depth: count,
    };
  }
  return { difference: null, depth: count };
}

/** A packet copied to several ports: the branches' order is excused, each host's own order is not. */
function isFlooded(frames: readonly WholeFrame[]): boolean {
  const places = new Set<string>();
  for (const frame of frames) {
    if (frame.direction.startsWith("in") && frame.direction !== "in") return hasSeveralOuts(frames);
    places.add(placeText(frame));
  }
  return false;
}

function hasSeveralOuts(frames: readonly WholeFrame[]): boolean {
  for (let i = 1; i < frames.length; i++) {
    const frame = frames[i] as WholeFrame;
    const before = frames[i - 1] as WholeFrame;
    if (frame.direction === "out" && before.direction === "out" && frame.host === before.host) return true;
  }
  return false;
}

function compareFlood(
  recorded: PacketFrames<WholeFrame>,
  ours: PacketFrames<Frame>,
  renaming: Renaming,
  head: string,
): { difference: string | null; depth: number } {
  const left = [...ours.frames];
  for (const theirs of recorded.frames) {
    const at = left.findIndex((mine) => {
      if (placeText(theirs) !== placeText(mine)) return false;
      return packetDifference(theirs, mine, renaming.fork()) === null;
    });
    if (at < 0) {
      const same = left.find((mine) => placeText(theirs) === placeText(mine));
      const why =
        same === undefined ? "recorded, not modelled" : packetDifference(theirs, same, renaming.fork());
      return {
        difference: `${head}: ${frameText(theirs)}: ${why}`,
        depth: recorded.frames.length - left.length,
      };
    }
    packetDifference(theirs, left[at] as Frame, renaming);
    left.splice(at, 1);
  }
  const extra = left[0];
  if (extra !== undefined)
    return {
      difference: `${head}: ${ourFrameText(extra)}: modelled, not recorded`,
      depth: ours.frames.length,
    };
  return { difference: null, depth: ours.frames.length };
}

/** The first header field two packets differ in, in words. */
function packetDifference(theirs: RecordedPacket, mine: PacketView, renaming: Renaming): string | null {
  const field = (name: string, a: unknown, b: unknown): string | null =>
    a === b ? null : `${name} ${String(a ?? "none")} recorded, ${String(b ?? "none")} modelled`;
  const port = (name: string, a: number, b: number): string | null =>
    renaming.accepts(b, a) ? null : `${name} ${a} recorded, ${b} modelled`;
  const difference =
    field("source MAC", theirs.eth?.src, mine.eth?.src) ??
    field("destination MAC", theirs.eth?.dst, mine.eth?.dst) ??
    field("source", theirs.ip?.src, mine.ip.src) ??
    field("destination", theirs.ip?.dst, mine.ip.dst) ??
    field("TTL", theirs.ip?.ttl, mine.ip.ttl) ??
    field("protocol", theirs.ip?.proto, mine.ip.proto) ??
    field("DF", theirs.ip?.df ?? false, mine.ip.df ?? false) ??
    field("MF", theirs.ip?.mf ?? false, mine.ip.mf ?? false) ??
    field("fragment offset", theirs.ip?.off ?? 0, mine.ip.off ?? 0);
  if (difference !== null) return difference;
  if (theirs.tcp !== undefined) {
    if (mine.tcp === undefined) return "TCP header recorded, none modelled";
    const tcp =
      port("source port", theirs.tcp.sport, mine.tcp.sport) ??
      port("destination port", theirs.tcp.dport, mine.tcp.dport) ??
      // A quoted segment may be cut before its flags.
      (theirs.tcp.flags === undefined
        ? null
        : field("flags", sorted(theirs.tcp.flags), sorted(mine.tcp.flags)));
    if (tcp !== null) return tcp;
  }
  if (theirs.udp !== undefined) {
    if (mine.udp === undefined) return "UDP header recorded, none modelled";
    const udp =
      port("source port", theirs.udp.sport, mine.udp.sport) ??
      port("destination port", theirs.udp.dport, mine.udp.dport);
    if (udp !== null) return udp;
  }
  if (theirs.icmp !== undefined) {
    const icmp = mine.icmp;
    if (icmp === undefined) return "ICMP header recorded, none modelled";
    const difference =
      field("ICMP type", theirs.icmp.type, icmp.type) ??
      field("ICMP code", theirs.icmp.code, icmp.code) ??
      (theirs.icmp.id === undefined || icmp.id === undefined
        ? null
        : port("ICMP id", theirs.icmp.id, icmp.id)) ??
      field("ICMP MTU", theirs.icmp.mtu || undefined, icmp.mtu || undefined) ??
      field("ICMP gateway", theirs.icmp.gateway, icmp.gateway);
    if (difference !== null) return difference;
    if (theirs.icmp.orig === undefined && theirs.ip?.len !== undefined && theirs.ip.len !== mine.ip.len) {
      return `length ${theirs.ip.len} recorded, ${mine.ip.len} modelled`;
    }
    if (theirs.icmp.orig !== undefined) {
      if (icmp.orig === undefined) return "quoted packet recorded, none modelled";
      const quoted = packetDifference({ ...theirs.icmp.orig }, { ...icmp.orig }, renaming);
      if (quoted !== null) return `quoted packet: ${quoted}`;
    }
  }
  if (theirs.vxlan !== undefined) {
    const inner = mine.inner;
    if (inner === undefined) return "VXLAN recorded, none modelled";
    const vxlan =
      field("VNI", theirs.vxlan.vni, mine.vxlan?.vni) ??
      (theirs.vxlan.ip === undefined ? null : packetDifference(theirs.vxlan, inner, renaming));
    if (vxlan !== null) return vxlan.startsWith("VNI") ? vxlan : `inner packet: ${vxlan}`;
  } else if (mine.inner !== undefined && theirs.eth !== undefined) return "no VXLAN recorded, one modelled";
  return null;
}

function sorted(flags: string): string {
  return [...flags].sort().join("");
}

function visitDifference(recorded: RecordedVisit, ours: HookVisit, renaming: Renaming): string | null {
  for (const key of ["in", "out", "physin", "physout"] as const) {
    if (recorded[key] !== ours[key])
      return `${key} ${recorded[key] ?? "none"} recorded, ${ours[key] ?? "none"} modelled`;
  }
  const packet = packetWords(recorded.packet, ours.before, renaming);
  if (packet !== null) return packet;
  const theirs = recorded.steps;
  let mark = 0;
  for (let i = 0; i < Math.max(theirs.length, ours.steps.length); i++) {
    const step = ours.steps[i];
    let text: string | undefined;
    if (step !== undefined) {
      text = stepText(step);
      if (step.mark !== mark) text += ` mark=0x${step.mark.toString(16)}`;
      mark = step.mark;
    }
    const recordedStep = theirs[i]?.replace(/ LOG .*$/, "");
    if (recordedStep !== text)
      return `step ${i + 1}: ${recordedStep ?? "none"} recorded, ${text ?? "none"} modelled`;
  }
  return null;
}

/** `tcp 10.0.0.1:40000>10.0.0.2:80 ttl=64`: the packet as it entered the hook. */
function packetWords(text: string, ours: PacketView, renaming: Renaming): string | null {
  const match = /^(\S+) (?:(\d+)\/(\d+) )?([\d.]+)(?::(\d+))?>([\d.]+)(?::(\d+))? ttl=(\d+)/.exec(text);
  if (match === null) return null;
  const [, , type, code, src, sport, dst, dport, ttl] = match;
  const ports = ours.tcp ?? ours.udp;
  const agrees =
    src === ours.ip.src &&
    dst === ours.ip.dst &&
    Number(ttl) === ours.ip.ttl &&
    (type === undefined || (Number(type) === ours.icmp?.type && Number(code) === ours.icmp.code)) &&
    (sport === undefined || renaming.accepts(ports?.sport ?? -1, Number(sport))) &&
    (dport === undefined || renaming.accepts(ports?.dport ?? -1, Number(dport)));
  return agrees ? null : `packet ${text} recorded, ${wordsOf(ours)} modelled`;
}

function wordsOf(packet: PacketView): string {
  const ports = packet.tcp ?? packet.udp;
  const sport = ports === undefined ? "" : `:${ports.sport}`;
  const dport = ports === undefined ? "" : `:${ports.dport}`;
  return `${packet.ip.src}${sport}>${packet.ip.dst}${dport} ttl=${packet.ip.ttl}`;
}

function stepText(step: {
  readonly table: string;
  readonly chain: string;
  readonly kind: string;
  readonly index: number;
}): string {
  return `${step.table}:${step.chain}:${step.kind}:${step.index}`;
}

function conntrackAgrees(recorded: RecordedConntrack, ours: ConntrackView, renaming: Renaming): boolean {
  if (recorded.ns !== ours.host || recorded.proto !== ours.proto || recorded.state !== ours.state)
    return false;
  if ([...recorded.flags].sort().join() !== [...ours.flags].sort().join()) return false;
  if ((recorded.mark ?? 0) !== (ours.mark ?? 0)) return false;
  for (const side of ["orig", "reply"] as const) {
    const a = recorded[side];
    const b = ours[side];
    if (a.src !== b.src || a.dst !== b.dst || a.type !== b.type || a.code !== b.code) return false;
    if (a.id !== undefined && !renaming.accepts(b.id ?? -1, a.id)) return false;
    if (a.sport !== undefined && !renaming.accepts(b.sport ?? -1, a.sport)) return false;
    if (a.dport !== undefined && !renaming.accepts(b.dport ?? -1, a.dport)) return false;
  }
  return true;
}

function conntrackText(entry: RecordedConntrack): string {
  const side = (t: RecordedConntrack["orig"]): string =>
    t.sport === undefined
      ? `${t.src}>${t.dst} ${t.type ?? ""}/${t.code ?? ""} id ${t.id ?? ""}`
      : `${t.src}:${t.sport}>${t.dst}:${t.dport}`;
  return `${entry.proto} ${entry.state ?? ""} ${side(entry.orig)} / ${side(entry.reply)} [${entry.flags.join(" ")}]`;
}

function errorText(
  icmp:
    | { readonly type: number; readonly code: number; readonly from: string; readonly mtu?: number }
    | undefined,
): string {
  if (icmp === undefined) return "none";
  return `${icmp.type}/${icmp.code} from ${icmp.from}${icmp.mtu ? ` mtu ${icmp.mtu}` : ""}`;
}

function addressOf(text: string): string {
  return text.slice(0, text.lastIndexOf(":"));
}

function portOf(text: string): number {
  return Number(text.slice(text.lastIndexOf(":") + 1));
}

function serverText(server: RecordedServer): string {
  return `${server.host} ${server.local} from ${server.peer}`;
}

function ourServerText(server: Outcome["servers"][number]): string {
  return `${server.host} ${server.address}:${server.port} from ${server.peer.address}:${server.peer.port}`;
}

function frameText(frame: WholeFrame | undefined): string {
  return frame === undefined
    ? "nothing"
    : `${frame.host} ${frame.device} ${frame.direction} ${frame.ip?.src}>${frame.ip?.dst}`;
}

function ourFrameText(frame: Frame | undefined): string {
  return frame === undefined
    ? "nothing"
    : `${frame.host} ${frame.device} ${frame.direction} ${frame.ip.src}>${frame.ip.dst}`;
}
