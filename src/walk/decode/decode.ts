import {
  OP_ARP,
  OP_CHAIN_END,
  OP_DELIVER,
  OP_DROP,
  OP_EMIT,
  OP_FLOW,
  OP_FRAME,
  OP_HOOK,
  OP_IPVS,
  OP_NEIGHBOUR,
  OP_NFT_CHAIN_END,
  OP_NFT_POLICY,
  OP_NFT_RULE,
  OP_OVS,
  OP_POLICY,
  OP_REWRITE,
  OP_ROUTE,
  OP_RULE,
  OP_TBF,
  OP_TC,
  OP_TUN,
  type Tape,
} from "../../kernel/tape.ts";
import type { Network } from "../network.ts";
import type { Run } from "../run.ts";
import type { ArpFrame, Frame, HookVisit, NdpFrame, Rewrite, RuleHit, Step } from "../trace.ts";
import { type Drop, Drops } from "./drops.ts";
import { Frames, type Sighting } from "./frames.ts";
import { HookVisits } from "./hook-visits.ts";
import { Reading, type TapeRecord } from "./reading.ts";
import {
  tellDaemon,
  tellDelivery,
  tellEmit,
  tellFilter,
  tellIpvs,
  tellNeighbour,
  tellOffload,
  tellOpenVswitch,
  tellRoute,
  tellTokenBucket,
} from "./way.ts";

/** Everything a tape tells of one walk. */
export interface Decoded {
  readonly frames: readonly Frame[];
  readonly arp: readonly ArpFrame[];
  readonly ndp: readonly NdpFrame[];
  readonly hooks: readonly HookVisit[];
  readonly rules: readonly RuleHit[];
  readonly rewrites: readonly Rewrite[];
  readonly steps: readonly Step[];
  readonly drops: readonly Drop[];
  /** Every frame, ARP's too, in order, with where its bytes can be made from. */
  readonly sightings: readonly Sighting[];
  /** Frames that reached a host they were not addressed to. */
  readonly strays: readonly Drop[];
}

/** Read a tape back: the readable trace is made here and nowhere else. */
export function decode(network: Network, tape: Tape, run: Run): Decoded {
  const reading = new Reading(network, tape, run);
  const onWires = new Frames(reading);
  const visits = new HookVisits(reading);
  const ends = new Drops(reading);
  const readers: Readonly<Record<number, (record: TapeRecord) => void>> = {
    [OP_FRAME]: (record) => onWires.frame(record),
    [OP_ARP]: (record) => onWires.arpFrame(record),
    [OP_HOOK]: (record) => visits.hook(record),
    [OP_RULE]: (record) => visits.iptables(record),
    [OP_CHAIN_END]: (record) => visits.iptables(record),
    [OP_POLICY]: (record) => visits.iptables(record),
    [OP_NFT_RULE]: (record) => visits.nft(record),
    [OP_NFT_CHAIN_END]: (record) => visits.nft(record),
    [OP_NFT_POLICY]: (record) => visits.nft(record),
    [OP_REWRITE]: (record) => visits.rewrite(record),
    [OP_DROP]: (record) => ends.drop(record),
    [OP_EMIT]: (record) => tellEmit(reading, record),
    [OP_ROUTE]: (record) => tellRoute(reading, record),
    [OP_NEIGHBOUR]: (record) => tellNeighbour(reading, record),
    [OP_DELIVER]: (record) => tellDelivery(reading, record),
    [OP_IPVS]: (record) => tellIpvs(reading, record),
    [OP_TC]: (record) => tellFilter(reading, record),
    [OP_TBF]: (record) => tellTokenBucket(reading, record),
    [OP_OVS]: (record) => tellOpenVswitch(reading, record),
    [OP_FLOW]: (record) => tellOffload(reading, record),
    [OP_TUN]: (record) => tellDaemon(reading, record),
  };
  for (const record of reading.records()) readers[record.d[record.at] as number]?.(record);
  const { frames, arp, ndp, sightings } = onWires;
  const { hooks, rules, rewrites } = visits;
  const { drops, strays } = ends;
  return { frames, arp, ndp, sightings, hooks, rules, rewrites, steps: reading.steps, drops, strays };
}
