import type { Family } from "../address/ip.ts";
import type { NftChain, NftRuleset } from "../kernel/nft/ruleset.ts";
import type { Network } from "../walk/network.ts";
import type { HookStep, HookVisit } from "../walk/trace.ts";
import type { RecordedNftStep } from "./recorded.ts";

/** A table of nftables by the name a trace gives it, which goes with its family; iptables' have none. */
export function isNftTable(table: string): boolean {
  return table.includes(" ");
}

/**
 * In the place of a number: all the packets that a recording does not number, together. They are a tunnel's outer ones and
 * those that no wire ever showed, among them SYNs sent again.
 */
const OUTER = -1;

/** One host's recorded steps of one packet, in words that ours can be held against. */
interface Way {
  readonly host: string;
  readonly packet: number;
  readonly steps: readonly string[];
}

/**
 * The first thing that a recorded way through nftables' rules and ours differ in, in words; null where they agree. Rules are
 * compared by their handles, so what iptables-nft wrote is held against iptables' own rules.
 *
 * @param pairs recorded packet number to ours, for packets that some wire showed
 * @param isExcused is a recorded packet one that need not be modelled?
 */
export function nftDifference(
  network: Network,
  recorded: readonly RecordedNftStep[],
  visits: readonly HookVisit[],
  pairs: ReadonlyMap<number, number>,
  isExcused: (packet: number) => boolean,
  { family, isOursExcused }: { readonly family: Family; readonly isOursExcused: (packet: number) => boolean },
): string | null {
  const ours = ourWays(visits);
  const paired = new Set(pairs.values());
  for (const way of recordedWays(network, recorded, family)) {
    if (isExcused(way.packet)) continue;
    const partner = pairs.get(way.packet);
    const near = ours.filter(
      ({ host, packet }) =>
        host === way.host && (partner === undefined ? !paired.has(packet) : packet === partner),
    );
    if (way.packet === OUTER && family === 6) {
      const missing = missingStep(
        way,
        near.filter(({ packet }) => !isOursExcused(packet)),
      );
      if (missing === undefined) continue;
      return `nft: ${way.host} packets without number: ${missing} modelled, not recorded`;
    }
    const candidates = way.packet === OUTER && near.length > 0 ? [together(near)] : near;
    if (candidates.some(({ steps }) => agree(way, steps))) continue;
    const head = `nft: ${way.host} packet ${way.packet}`;
    const [nearest] = candidates;
    if (nearest === undefined) return `${head}: ${way.steps.length} steps recorded, none modelled`;
    const at = way.steps.findIndex((step, i) => step !== nearest.steps[i]);
    const place = at < 0 ? way.steps.length : at;
    return `${head} step ${place + 1}: ${way.steps[place] ?? "none"} recorded, ${nearest.steps[place] ?? "none"} modelled`;
  }
  return null;
}

function together(ways: readonly Way[]): Way {
  const [first] = ways as [Way];
  return { ...first, steps: ways.flatMap(({ steps }) => steps) };
}

/** Of IPv6 neighbour discovery is among the packets without numbers: what is ours must be there, and there may be more. */
function missingStep(way: Way, ours: readonly Way[]): string | undefined {
  const recorded = new Set(way.steps);
  return ours.flatMap(({ steps }) => steps).find((step) => !recorded.has(step));
}

/** Steps of packets without numbers are interleaved: the same ones must occur. */
function agree(way: Way, steps: readonly string[]): boolean {
  const distinct = (all: readonly string[]): readonly string[] => [...new Set(all)].sort();
  const ours = way.packet === OUTER ? distinct(steps) : steps;
  const theirs = way.packet === OUTER ? distinct(way.steps) : way.steps;
  return ours.length === theirs.length && ours.every((step, i) => step === theirs[i]);
}

/** How often each rule and policy of a host was met, as `table chain rule N`; 0 is the policy. */
export function nftCounts(
  network: Network,
  recorded: readonly RecordedNftStep[],
  family: Family,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const step of recorded) {
    const chain = chainOf(network, step, family);
    if (chain === undefined || step.type === "end") continue;
    const number = step.type === "policy" ? 0 : indexOf(chain, step.handle);
    const key = `${step.ns} ${family === 6 ? "ip6tables " : ""}${step.table} ${step.chain} rule ${number}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function recordedWays(network: Network, recorded: readonly RecordedNftStep[], family: Family): Way[] {
  const ways = new Map<string, { host: string; packet: number; steps: string[] }>();
  for (const step of recorded) {
    const chain = chainOf(network, step, family);
    if (chain === undefined) continue;
    const packet = step.pkt ?? OUTER;
    // A base chain's end is told twice, by itself and by its policy.
    if (step.type === "end" && chain.base !== null) continue;
    const kind = step.type === "end" ? "return" : step.type === "policy" ? "policy" : "rule";
    const index = kind === "rule" ? indexOf(chain, step.handle) : 0;
    const key = `${step.ns} ${packet}`;
    let way = ways.get(key);
    if (way === undefined) {
      way = { host: step.ns, packet, steps: [] };
      ways.set(key, way);
    }
    way.steps.push(stepWords(step.table, step.chain, kind, index, Number(step.mark ?? 0)));
  }
  return [...ways.values()];
}

function ourWays(visits: readonly HookVisit[]): Way[] {
  const ways = new Map<string, { host: string; packet: number; steps: HookStep[] }>();
  for (const { host, packet, hook, steps, before } of visits) {
    // A device's own hook is not recorded.
    if (hook === "INGRESS") continue;
    // A tunnel's outer packet has no number in a recording.
    const outer = before.vxlan !== undefined;
    const key = `${host} ${outer ? OUTER : packet}`;
    let way = ways.get(key);
    if (way === undefined) {
      way = { host, packet: outer ? OUTER : packet, steps: [] };
      ways.set(key, way);
    }
    way.steps.push(...steps);
  }
  return [...ways.values()].map(({ host, packet, steps }) => ({
    host,
    packet,
    steps: steps.map((step, i) => ourWords(step, steps[i + 1])),
  }));
}

/** The trace of iptables tells a rule's mark as it was before its target, that of nftables as it is behind it. */
function ourWords({ table, chain, kind, index, mark: before }: HookStep, next: HookStep | undefined): string {
  const mark = isNftTable(table) ? before : (next?.mark ?? before);
  const name = table.slice(table.indexOf(" ") + 1);
  return stepWords(name, chain, kind, kind === "rule" ? index : 0, mark);
}

function stepWords(table: string, chain: string, kind: string, index: number, mark: number): string {
  const place = kind === "rule" ? ` ${index}` : "";
  return `${table} ${chain} ${kind}${place}${mark === 0 ? "" : ` mark=0x${mark.toString(16)}`}`;
}

/** Tables of the probe's family and of both: those of the other may have the same names. */
function chainOf(network: Network, step: RecordedNftStep, of: Family): NftChain | undefined {
  const other = of === 6 ? "ip" : "ip6";
  const nft: NftRuleset | null | undefined = network.world.hosts.get(step.ns)?.nft;
  const table = nft?.tables.find(({ name, family }) => name === step.table && family !== other);
  return table?.chains.find(({ name }) => name === step.chain);
}

/** A rule's place by its handle, from 1; 0 where it has none. */
function indexOf(chain: NftChain, handle: number | undefined): number {
  return chain.rules.findIndex((rule) => rule.handle === handle) + 1;
}
