import { reason } from "../src/kernel/reason.ts";
import { Answers } from "./answers.ts";
import type { RealKernel } from "./kernel/real-kernel.ts";
import { breathe, median } from "./median.ts";
import { Ends, type Model } from "./model.ts";
import { Random } from "./random.ts";
import type { Service } from "./services.ts";
import {
  fateOf,
  type Packets,
  type Place,
  packetsTo,
  packetsToEndpoints,
  packetsToNowhere,
  type TrafficKind,
  targetsOf,
} from "./traffic.ts";
import { WrongAnswer } from "./wrong-answer.ts";

const ROUNDS = 5;
/** Packets a round in the model; `ROUNDS` of them are enough to judge shares by. */
const OUR_PACKETS = 30_000;
/** Time and packets a round in the real kernel. */
const REAL_ROUND_NS = 250e6;
const REAL_PACKETS_AT_LEAST = 500;
const REAL_PACKETS_AT_MOST = 40_000;
const CALIBRATION_PACKETS = 300;
/** Spent on every row before it is timed. */
const WARM_MS = 300;
const LITERAL_SAMPLE = 300;
const REAL_SAMPLE = 30;
/** Less than this is no cost that anything can be divided by. */
const NET_AT_LEAST_NS = 20;
/** Rounds of one seed are none of another's. */
const SEED_STRIDE = 7919;
const BLACKHOLE = reason("blackhole-route");

/** One row: the nanoseconds of a first packet, ours and the real kernel's, medians of rounds run in turn. */
export interface Row {
  readonly ours: number;
  readonly real: number | null;
  /** Median over the rounds of real ÷ ours. */
  readonly ratio: number | null;
  /** Rules walked by a packet, on average. */
  readonly rules: number;
}

export interface Net {
  readonly ours: number;
  readonly real: number | null;
  /** Median over the rounds of real ÷ ours. */
  readonly ratio: number | null;
}

export interface TrafficRow extends Row {
  /** Less what the same hosts take without rules, measured in the same rounds; null: not asked for. */
  readonly net: Net | null;
  readonly answers: Answers;
  /** Walk a sample literally. Left for the end: what is timed is compiled for the indexed walk alone, as in use. */
  readonly compareLiteral: () => void;
}

/** The model of the scene, and the real one. */
export interface Sides {
  readonly model: Model;
  readonly real: RealKernel | null;
}

export interface Ruled extends Sides {
  readonly services: readonly Service[];
  readonly seed: number;
  /** The same hosts without rules. */
  readonly bare?: Sides;
}

/** Packets of a kind to the first, the last, or any service of a set, all answers checked. */
export async function compareTraffic(ruled: Ruled, kind: TrafficKind, place: Place): Promise<TrafficRow> {
  const { services, model, real, seed, bare } = ruled;
  const targets = targetsOf(services, kind, place);
  const answers = new Answers(services, kind, model.server);
  const fate = fateOf(kind);
  const stream: Stream = {
    model,
    real,
    packets: (count, round) =>
      packetsTo(services, kind, targets, count, new Random(seed * SEED_STRIDE + round)),
    arrives: fate === "delivered",
    check: (sent, ends) => answers.check(sent, ends),
  };
  // What is dropped is compared with what a route drops: it is forwarded on neither.
  const base = bare === undefined ? null : bareStream(bare, services, seed, fate !== "dropped");
  const [rounds, baseRounds] = (await timeInTurn(base === null ? [stream] : [stream, base])) as [
    Rounds,
    Rounds | undefined,
  ];
  answers.checkShares();
  const sample = stream.packets(LITERAL_SAMPLE, ROUNDS + 1);
  if (real !== null) {
    const asked = sample.head(REAL_SAMPLE);
    answers.compareReal(asked, real.ask(asked));
  }
  return {
    ...rowOf(rounds),
    net: baseRounds === undefined ? null : netOf(rounds, baseRounds),
    answers,
    compareLiteral: () => answers.compareLiteral(model.network, seed, sample),
  };
}

/** Packets straight to endpoints, or where a route drops them, through hosts without rules. */
export async function compareBare(
  sides: Sides,
  services: readonly Service[],
  seed: number,
  delivered: boolean,
): Promise<Row> {
  const [rounds] = (await timeInTurn([bareStream(sides, services, seed, delivered)])) as [Rounds];
  return rowOf(rounds);
}

/** Packets of one kind through one pair of sides. */
interface Stream extends Sides {
  /** Other packets every round. */
  readonly packets: (count: number, round: number) => Packets;
  /** They come to the server. */
  readonly arrives: boolean;
  readonly check: (sent: Packets, ends: Ends) => void;
}

/** Nanoseconds of a packet, round by round. */
interface Rounds {
  readonly ours: number[];
  readonly real: number[];
  rules: number;
}

function bareStream(sides: Sides, services: readonly Service[], seed: number, delivered: boolean): Stream {
  const { model } = sides;
  return {
    ...sides,
    packets: (count, round) => {
      const random = new Random(seed * SEED_STRIDE + round);
      return delivered ? packetsToEndpoints(services, count, random) : packetsToNowhere(count);
    },
    arrives: delivered,
    check: (sent, ends) => {
      for (let i = 0; i < sent.count; i++) {
        const right = delivered
          ? ends.host[i] === model.server &&
            ends.src[i] === sent.src[i] &&
            ends.dst[i] === sent.dst[i] &&
            ends.dport[i] === sent.dport[i]
          : ends.host[i] === -1 && ends.reason[i] === BLACKHOLE;
        if (!right) throw new WrongAnswer("plain forwarding changed, lost or delivered a packet");
      }
    },
  };
}

async function timeInTurn(streams: readonly Stream[]): Promise<Rounds[]> {
  const ends = new Ends(OUR_PACKETS);
  const results = streams.map((): Rounds => ({ ours: [], real: [], rules: 0 }));
  const counts: number[] = [];
  for (const stream of streams) {
    counts.push(realCount(stream));
    await warm(stream.model, stream.packets(OUR_PACKETS, 0), ends, stream.check);
  }
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [i, stream] of streams.entries()) {
      const result = results[i] as Rounds;
      const sent = stream.packets(OUR_PACKETS, round);
      result.ours.push(stream.model.send(sent, ends) / sent.count);
      stream.check(sent, ends);
      result.rules = ends.meanRules();
      if (stream.real !== null) {
        result.real.push(sendReal(stream.real, sent.head(counts[i] as number), stream.arrives));
      }
      await breathe();
    }
  }
  return results;
}

/** So many packets that a round of the real kernel has its time. */
function realCount({ real, packets, arrives }: Stream): number {
  if (real === null) return 0;
  const estimate = sendReal(real, packets(CALIBRATION_PACKETS, 0), arrives);
  const count = Math.round(REAL_ROUND_NS / estimate);
  return Math.min(REAL_PACKETS_AT_MOST, Math.max(REAL_PACKETS_AT_LEAST, count));
}

function rowOf({ ours, real, rules }: Rounds): Row {
  const measured = real.length > 0;
  return {
    ours: median(ours),
    real: measured ? median(real) : null,
    ratio: measured ? median(real.map((nanoseconds, i) => nanoseconds / (ours[i] as number))) : null,
    rules,
  };
}

function netOf(rounds: Rounds, base: Rounds): Net {
  const ours = rounds.ours.map((value, i) => value - (base.ours[i] as number));
  const real = rounds.real.map((value, i) => value - (base.real[i] as number));
  const measured = real.length > 0;
  return {
    ours: median(ours),
    real: measured ? median(real) : null,
    ratio: measured
      ? median(real.map((value, i) => value / Math.max(ours[i] as number, NET_AT_LEAST_NS)))
      : null,
  };
}

/** Send until the compiler has had its time. */
export async function warm(
  model: Model,
  packets: Packets,
  ends: Ends,
  check: (sent: Packets, ends: Ends) => void,
): Promise<void> {
  const until = performance.now() + WARM_MS;
  do {
    model.send(packets, ends);
    check(packets, ends);
    await breathe();
  } while (performance.now() < until);
}

/** The nanoseconds of one packet; a run that lost packets is no measurement. */
function sendReal(real: RealKernel, packets: Packets, arrives: boolean): number {
  const { nanoseconds, received, arrived } = real.send(packets);
  const lost = arrives ? packets.count - Math.min(received, arrived) : packets.count - received;
  if (lost > 0) throw new Error(`${lost} of ${packets.count} packets were lost by the real kernel`);
  return nanoseconds / packets.count;
}
