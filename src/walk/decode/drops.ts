import { REASONS, type ReasonEntry, type ReasonName, reasonName } from "../../kernel/reason.ts";
import type { Phase } from "../trace.ts";
import { isDiscovery, type Reading, type TapeRecord } from "./reading.ts";

/** A packet's end, apart from frames that were merely for another host. */
export interface Drop {
  readonly packet: number;
  readonly phase: Phase;
  readonly host: string;
  readonly reason: ReasonName;
  readonly step: string;
}

/** Where packets ended. */
export class Drops {
  readonly drops: Drop[] = [];
  /** Frames that reached a host they were not addressed to. */
  readonly strays: Drop[] = [];
  private readonly reading: Reading;
  /** Hosts whose ARP questions went out by a device with no known other end. */
  private readonly askedOutside = new Set<number>();

  constructor(reading: Reading) {
    this.reading = reading;
  }

  /** `OP_DROP`. */
  drop({ d, at, host }: TapeRecord): void {
    const { reading } = this;
    const raw = d[at + 3] as number;
    const named = reasonName(d[at + 4] as number);
    if (raw === 0 || isDiscovery(raw)) {
      // What has no number is an ARP question.
      const { disposition } = REASONS[d[at + 4] as number] as ReasonEntry;
      if (disposition === "UNKNOWN") this.askedOutside.add(host);
      return;
    }
    // Whoever could have answered is outside: that nobody did says nothing.
    const name = named === "no-neighbour" && this.askedOutside.has(host) ? "left-model" : named;
    const end = { ...reading.packet(raw), host: reading.net(host).name, reason: name };
    if (name === "other-host") {
      // A frame for somebody else on a shared cable ends everywhere but at its destination: no step of its way.
      this.strays.push({ ...end, step: "" });
      return;
    }
    const sentence = REASONS.find((reason) => reason.name === name)?.sentence ?? name;
    const step = reading.step(raw, host, "drop", sentence, {
      device: reading.device(host, d[at + 5] as number),
      verdict: name === "rule-reject" ? "reject" : "drop",
      reason: name,
    });
    this.drops.push({ ...end, step });
  }
}
