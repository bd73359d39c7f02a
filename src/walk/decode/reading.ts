import type { Netns } from "../../kernel/netns.ts";
import { S_KIND, S_NUMBER } from "../../kernel/snapshot-words.ts";
import { OP_EMIT, OP_FRAME, OP_HOOK, type Tape } from "../../kernel/tape.ts";
import { FIRST_DISCOVERY_NUMBER, KEY_IPV6 } from "../../packet/packet.ts";
import type { Network } from "../network.ts";
import type { Run } from "../run.ts";
import { PHASES, type Phase, type Step } from "../trace.ts";

/** A record: the tape's words, where it begins among them, and the number of its host. */
export interface TapeRecord {
  readonly d: Int32Array;
  readonly at: number;
  readonly host: number;
}

type StepDetail = Partial<Pick<Step, "device" | "verdict" | "reason" | "packetView">>;

/** A tape while it is read: whose packets, when, and the steps told so far. */
export class Reading {
  readonly network: Network;
  readonly steps: Step[] = [];
  /** Virtual milliseconds since the query began, of the record being read. */
  time = 0;
  private readonly tape: Tape;
  private readonly run: Run;
  /** Packet numbers of the tape to those shown: in order of first appearance on a wire. */
  private readonly numbers = new Map<number, number>();
  private readonly phases = new Map<number, Phase>();

  constructor(network: Network, tape: Tape, run: Run) {
    this.network = network;
    this.tape = tape;
    this.run = run;
    this.numberPackets();
  }

  *records(): Generator<TapeRecord> {
    const { data, length } = this.tape;
    const { times } = this.run;
    let instant = 0;
    for (let at = 0; at < length; at += data[at + 1] as number) {
      while (instant + 1 < times.length && (times[instant + 1]?.tape as number) <= at) instant++;
      this.time = times[instant]?.at ?? 0;
      yield { d: data, at, host: data[at + 2] as number };
    }
  }

  private numberPackets(): void {
    const { data, length } = this.tape;
    for (let at = 0; at < length; at += data[at + 1] as number) {
      if (data[at] === OP_FRAME) this.seenAt(data[at + 5] as number);
    }
    for (let at = 0; at < length; at += data[at + 1] as number) {
      if (data[at] === OP_EMIT) this.seen(data[at + 3] as number, data[at + 5] as number);
      if (data[at] === OP_HOOK) this.seenAt(data[at + 9] as number);
    }
  }

  private seen(raw: number, phase: number): void {
    if (raw === 0 || isDiscovery(raw) || this.numbers.has(raw)) return;
    this.numbers.set(raw, this.numbers.size + 1);
    this.phases.set(raw, PHASES[phase] ?? "request");
  }

  private seenAt(snapshot: number): void {
    const { data } = this.tape;
    this.seen(data[snapshot + S_NUMBER] as number, (data[snapshot + S_KIND] as number) & 0xf);
  }

  packet(raw: number): { packet: number; phase: Phase } {
    // As recordings number them.
    if (isDiscovery(raw)) return { packet: raw - FIRST_DISCOVERY_NUMBER + 1001, phase: "notice" };
    return { packet: this.numbers.get(raw) ?? 0, phase: this.phases.get(raw) ?? "request" };
  }

  net(host: number): Netns {
    return this.network.host(host) as Netns;
  }

  device(host: number, ifindex: number): string {
    return this.net(host).device(ifindex)?.name ?? "";
  }

  /** Tell a step of a packet; returns its name. */
  step(raw: number, host: number, kind: Step["kind"], text: string, more: StepDetail = {}): string {
    // What a neighbour is asked and answers is no part of a packet's way, but where it ends there.
    return isDiscovery(raw) ? "" : this.tell(this.packet(raw), host, kind, text, more);
  }

  tell(
    whose: Pick<Step, "packet" | "phase">,
    host: number,
    kind: Step["kind"],
    text: string,
    more: StepDetail,
  ): string {
    const id = `s${this.steps.length + 1}`;
    this.steps.push({ id, ...whose, at: this.time, host: this.net(host).name, kind, text, ...more });
    return id;
  }
}

/** The family of the addresses of a record, by the operand that says it. */
export function familyOf(bits: number): 4 | 6 {
  return (bits & KEY_IPV6) === 0 ? 4 : 6;
}

/** Is a packet of neighbour discovery, by its number? */
export function isDiscovery(raw: number): boolean {
  return raw >= FIRST_DISCOVERY_NUMBER;
}
