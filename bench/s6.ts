import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { NetDevice } from "../src/kernel/device/net-device.ts";
import type { Stack } from "../src/kernel/stack.ts";
import { OP_DELIVER, OP_FRAME, Tape } from "../src/kernel/tape.ts";
import { IPPROTO_UDP } from "../src/packet/packet.ts";
import { SeededChooser } from "../src/walk/choosers.ts";
import type { Network } from "../src/walk/network.ts";
import { QUERY_DEFAULTS, type Query } from "../src/walk/query.ts";
import { finish, walk } from "../src/walk/run.ts";
import { Session } from "../src/walk/session.ts";
import { Throughput } from "../src/walk/throughput.ts";
import { breathe, median } from "./median.ts";
import { compile } from "./model.ts";
import type { Options } from "./options.ts";
import { grouped, micro, print, ratio, Table, times } from "./report.ts";
import { WrongAnswer } from "./wrong-answer.ts";

const ROUNDS = 25;
const WARM_ROUNDS = 5;
const TRACES = 2000;
/** Connections are forgotten after so many, so that every trace is a first packet's. */
const FLUSH_EVERY = 1000;
/** Two pods on two nodes; the second listens on the port. */
const RECORDINGS = ["b-hostgw-plain", "c-vxlan-two"];
const FROM = "web-0";
const TO = "web-2";
const PORT = 8080;

/** The typed ceiling: so many hops of so many integers. */
const CEILING_HOPS = 13;
const WORDS_A_HOP = 27;

/** S6: the trace of a packet from pod to pod, beside the writing of as many integers as its hops need and nothing else. */
export async function s6({ seed }: Options): Promise<void> {
  print("S6  traces from a pod to a pod of another node");
  const columns = [
    "trace",
    "frames",
    "words",
    "no tape",
    "discarded",
    "kept",
    "traces kept/s",
    "of the ceiling",
  ];
  const table = new Table(...columns);
  const ceilings = [CEILING_HOPS];
  const subjects = RECORDINGS.flatMap((name) => {
    const network = compile(readRecording(name));
    return [onePacket, connection].map((make) => described((literal) => make(name, network, seed, literal)));
  });
  for (const subject of subjects) ceilings.push(Math.ceil(subject.words / WORDS_A_HOP));
  const costs = await measure(subjects, ceilings);
  const ceiling = costs.ceilings[0] as number;
  table.row(
    ...[`ceiling: ${CEILING_HOPS} hops, typed`, "", grouped(CEILING_HOPS * WORDS_A_HOP), "", ""],
    ...[micro(ceiling), grouped(1e9 / ceiling), times(1)],
  );
  subjects.forEach((subject, i) => {
    const { none, discarded, keeping } = costs.subjects[i] as SubjectCosts;
    table.row(
      ...[subject.name, grouped(subject.frames), grouped(subject.words)],
      ...[micro(none), micro(discarded), micro(keeping), grouped(1e9 / keeping), times(ceiling / keeping)],
    );
    const same = costs.ceilings[i + 1] as number;
    table.row(
      "  as many words, typed",
      "",
      "",
      "",
      "",
      micro(same),
      grouped(1e9 / same),
      times(ceiling / same),
    );
  });
  table.print();
  print("  answers: every trace ended at the pod asked; the literal walk wrote the same tapes");
  const headline = ceiling / (costs.subjects[0] as SubjectCosts).keeping;
  ratio("S6", headline, "must 0.3, aim 0.7", `traces/s of ${subjects[0]?.name}, tape kept, ÷ the ceiling`);
}

/** Something traced again and again. */
interface Subject {
  readonly name: string;
  readonly frames: number;
  readonly words: number;
  /** Trace the i-th flow and check where it ended. */
  readonly trace: Trace;
}

interface SubjectCosts {
  readonly none: number;
  readonly discarded: number;
  readonly keeping: number;
}

type SubjectRounds = { readonly [key in keyof SubjectCosts]: number[] };

async function measure(subjects: readonly Subject[], ceilings: readonly number[]) {
  const ceilingCosts = ceilings.map((): number[] => []);
  const subjectCosts = subjects.map((): SubjectRounds => ({ none: [], discarded: [], keeping: [] }));
  const tape = new Tape();
  // What is kept is a whole round's, in memory that was touched before.
  const tapes = subjects.map(({ words }) => new Tape(2 * words * TRACES));
  const arrays = ceilings.map((hops) => new Int32Array(hops * WORDS_A_HOP * TRACES));
  for (let round = 1 - WARM_ROUNDS; round <= ROUNDS; round++) {
    const keep = (list: number[] | undefined, nanoseconds: number) => {
      if (round > 0) list?.push(nanoseconds);
    };
    ceilings.forEach((hops, i) => {
      keep(ceilingCosts[i], timeCeiling(hops, arrays[i] as Int32Array));
    });
    for (const [i, subject] of subjects.entries()) {
      const costs = subjectCosts[i];
      keep(
        costs?.none,
        timeEach((n) => subject.trace(n, null)),
      );
      keep(
        costs?.discarded,
        timeEach((n) => {
          tape.clear();
          subject.trace(n, tape);
        }),
      );
      const long = tapes[i] as Tape;
      long.clear();
      keep(
        costs?.keeping,
        timeEach((n) => subject.trace(n, long)),
      );
      await breathe();
    }
  }
  return {
    ceilings: ceilingCosts.map(median),
    subjects: subjectCosts.map(
      (costs): SubjectCosts => ({
        none: median(costs.none),
        discarded: median(costs.discarded),
        keeping: median(costs.keeping),
      }),
    ),
  };
}

/** Nanoseconds of one. */
function timeEach(work: (i: number) => void): number {
  const begun = performance.now();
  for (let i = 0; i < TRACES; i++) work(i);
  return ((performance.now() - begun) * 1e6) / TRACES;
}

/** The integers of so many hops, all traces of the round in one array. */
function timeCeiling(hops: number, data: Int32Array): number {
  const words = hops * WORDS_A_HOP;
  return timeEach((n) => writeHops(data, n * words, hops, n));
}

function writeHops(data: Int32Array, start: number, hops: number, n: number): void {
  let at = start;
  for (let hop = 0; hop < hops; hop++) {
    for (let word = 0; word < WORDS_A_HOP; word++) data[at++] = n ^ (hop + word);
  }
}

type Trace = (i: number, tape: Tape | null) => void;

interface Tracer {
  readonly name: string;
  readonly trace: Trace;
}

/** The request alone, from the sender's veth on: the engine and nothing around it. */
function onePacket(recording: string, network: Network, seed: number, literal: boolean): Tracer {
  const throughput = new Throughput(network, seed);
  throughput.literal = literal;
  const { engine } = throughput.session;
  const { stack, device, router } = entryOf(network, throughput.session);
  const source = addressOf(network, FROM);
  const destination = addressOf(network, TO);
  const target = network.hostNumber(TO);
  const trace: Trace = (i, tape) => {
    if (i % FLUSH_EVERY === 0) throughput.flush();
    engine.tape = tape;
    const sport = 1024 + (i % FLUSH_EVERY);
    const end = throughput.arrive(stack, device, source, destination, IPPROTO_UDP, sport, PORT, 0, i, router);
    if (end.host !== target)
      throw new WrongAnswer(`${recording}: a packet to ${TO} ended at host ${end.host}`);
  };
  return { name: `${recording}: a packet`, trace };
}

/** A whole TCP connection as `trace` walks it: handshake, a line, the end. */
function connection(recording: string, network: Network, seed: number, literal: boolean): Tracer {
  const session = new Session(network, seed);
  session.engine.literal = literal;
  const destination = addressOf(network, TO);
  const target = network.hostNumber(TO);
  const chooser = new SeededChooser(seed);
  const trace: Trace = (i, tape) => {
    if (i % FLUSH_EVERY === 0) session.flush();
    chooser.begin(i);
    const query: Query = {
      ...QUERY_DEFAULTS,
      host: FROM,
      dst: destination,
      dport: PORT,
      sport: 1024 + (i % FLUSH_EVERY),
    };
    const run = walk(session, query, chooser, tape);
    finish(session, run, "open");
    const { result, served } = run.conversation;
    if (result !== "connected" || served[0]?.host !== target) {
      throw new WrongAnswer(`${recording}: a connection to ${TO} came out as ${result}`);
    }
  };
  return { name: `${recording}: a connection`, trace };
}

/** Trace a flow indexed and literally, and see that the tapes are the same and somebody got the packet. */
function described(make: (literal: boolean) => Tracer): Subject {
  const tapes = [false, true].map((literal) => {
    const { trace } = make(literal);
    // Neighbours are asked for once, and not in the traces that are timed.
    trace(0, null);
    const tape = new Tape();
    trace(1, tape);
    return tape;
  }) as [Tape, Tape];
  const { name, trace } = make(false);
  const [indexed, literal] = tapes.map(recordsOf) as [number[][], number[][]];
  if (JSON.stringify(indexed) !== JSON.stringify(literal)) {
    throw new WrongAnswer(`${name}: the literal walk wrote another tape`);
  }
  if (!indexed.some(([op]) => op === OP_DELIVER)) throw new WrongAnswer(`${name}: nothing was delivered`);
  const frames = indexed.filter(([op]) => op === OP_FRAME).length;
  return { name, frames, words: tapes[0].length, trace };
}

/** The records of a tape, each from its opcode on. */
function recordsOf(tape: Tape): number[][] {
  const records: number[][] = [];
  for (let at = 0; at < tape.length; at += tape.data[at + 1] as number) {
    records.push(Array.from(tape.data.subarray(at, at + (tape.data[at + 1] as number))));
  }
  return records;
}

/** The node's end of the sender's cable, and the MAC the sender's frames are for. */
function entryOf(network: Network, session: Session) {
  const from = network.hostNumber(FROM);
  const eth0 = network.host(from)?.deviceNamed("eth0") as NetDevice;
  const stack: Stack = session.stack(network.peerHost(from, eth0.slot));
  const device = stack.net.devices[network.peerSlot(from, eth0.slot)] as NetDevice;
  return { stack, device, router: (device.master ?? device).mac };
}

function addressOf(network: Network, host: string): number {
  const address = network.host(network.hostNumber(host))?.deviceNamed("eth0")?.addresses[0]?.address;
  if (address === undefined) throw new Error(`${host} has no address`);
  return address;
}

function readRecording(name: string): string {
  const file = new URL(`../fixtures/truth/${name}.json.gz`, import.meta.url);
  return gunzipSync(readFileSync(file)).toString("utf8");
}
