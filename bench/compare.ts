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

/** One row: the nanoseconds of a first packet, ours and the real kernel's, medians of rounds run in turn. */
export interface Row {
  readonly ours: number;
  readonly real: number | null;
  /** Median over the rounds of real ÷ ours. */
  readonly ratio: number | null;
  /** Rules walked by a packet, on average. */
  readonly rules: number;
}

export interface TrafficRow extends Row {
  readonly answers: Answers;
  /** Walk a sample literally. Left for the end: what is timed is compiled for the indexed walk alone, as in use. */
  readonly compareLiteral: () => void;
}

export interface Sides {
  readonly services: readonly Service[];
  readonly model: Model;
  readonly real: RealKernel | null;
  readonly seed: number;
}

/** Packets of a kind to the first, the last, or any service of a set, all answers checked. */
export async function compareTraffic(sides: Sides, kind: TrafficKind, place: Place): Promise<TrafficRow> {
  const { services, model, real, seed } = sides;
  const targets = targetsOf(services, kind, place);
  const packets = (count: number, round: number) =>
    packetsTo(services, kind, targets, count, new Random(seed * 7919 + round));
  const answers = new Answers(services, kind, model.server);
  const delivered = fateOf(kind) === "delivered";
  const row = await rounds(model, real, packets, delivered, (sent, ends) => answers.check(sent, ends));
  answers.checkShares();
  const sample = packets(LITERAL_SAMPLE, ROUNDS + 1);
  if (real !== null) {
    const asked = sample.head(REAL_SAMPLE);
    answers.compareReal(asked, real.ask(asked));
  }
  return { ...row, answers, compareLiteral: () => answers.compareLiteral(model.network, seed, sample) };
}

/** Packets straight to endpoints through hosts without any rules. */
export async function comparePlain(sides: Sides): Promise<Row> {
  const { services, model, real, seed } = sides;
  const packets = (count: number, round: number) =>
    packetsToEndpoints(services, count, new Random(seed * 7919 + round));
  return rounds(model, real, packets, true, (sent, ends) => {
    for (let i = 0; i < sent.count; i++) {
      const same =
        ends.src[i] === sent.src[i] && ends.dst[i] === sent.dst[i] && ends.dport[i] === sent.dport[i];
      if (ends.host[i] !== model.server || !same)
        throw new WrongAnswer("plain forwarding changed or lost a packet");
    }
  });
}

async function rounds(
  model: Model,
  real: RealKernel | null,
  packets: (count: number, round: number) => Packets,
  delivered: boolean,
  check: (sent: Packets, ends: Ends) => void,
): Promise<Row> {
  const ends = new Ends(OUR_PACKETS);
  const ours: number[] = [];
  const theirs: number[] = [];
  const calibration = packets(CALIBRATION_PACKETS, 0);
  const estimate = real === null ? 0 : sendReal(real, calibration, delivered);
  const realCount = Math.round(
    Math.min(REAL_PACKETS_AT_MOST, Math.max(REAL_PACKETS_AT_LEAST, REAL_ROUND_NS / estimate)),
  );
  await warm(model, packets(OUR_PACKETS, 0), ends, check);
  for (let round = 1; round <= ROUNDS; round++) {
    const sent = packets(OUR_PACKETS, round);
    ours.push(model.send(sent, ends) / sent.count);
    check(sent, ends);
    if (real !== null) theirs.push(sendReal(real, sent.head(realCount), delivered));
    await breathe();
  }
  return {
    ours: median(ours),
    real: real === null ? null : median(theirs),
    ratio: real === null ? null : median(theirs.map((nanoseconds, i) => nanoseconds / (ours[i] as number))),
    rules: ends.meanRules(),
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
function sendReal(real: RealKernel, packets: Packets, delivered: boolean): number {
  const { nanoseconds, received, arrived } = real.send(packets);
  const lost = delivered ? packets.count - Math.min(received, arrived) : packets.count - received;
  if (lost > 0) throw new Error(`${lost} of ${packets.count} packets were lost by the real kernel`);
  return nanoseconds / packets.count;
}
