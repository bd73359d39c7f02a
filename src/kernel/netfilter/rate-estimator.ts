import type { MatchCells, RuleContext } from "./rule-context.ts";

/**
 * Estimators of rates as `RATEEST` feeds and `-m rateest` reads them (net/core/gen_estimator.c): an average that a timer brings
 * up to date every interval, weighted by powers of two. Here nothing ticks: the ticks that have gone by are made up for when
 * somebody asks. Rules that name the same estimator share it, and the Session begins with it idle and its timer just set.
 * Runs per packet.
 */

/** `struct gnet_estimator`, as `gen_new_estimator` holds it: 250 ms · 2^interval, and the share 2^-ewma of the newest. */
export interface EstimatorParameters {
  readonly intervalLog: number;
  readonly ewmaLog: number;
}

/** Milliseconds of the shortest interval. */
export const TICK_MS = 250;

/** One object a name: the key of its cells on each host. */
const names = new Map<string, object>();

function keyOf(name: string): object {
  let key = names.get(name);
  if (key === undefined) {
    key = { name };
    names.set(name, key);
  }
  return key;
}

/** What a rule holds of an estimator: the name's key, looked up once. */
export class Estimator {
  private readonly key: object;

  constructor(name: string) {
    this.key = keyOf(name);
  }

  /** `xt_rateest_tg`: count a packet. */
  count(context: RuleContext, { intervalLog, ewmaLog }: EstimatorParameters, bytes: number): void {
    const cells = this.cells(context);
    cells.set(INTERVAL, intervalLog);
    cells.set(EWMA, ewmaLog);
    if (cells.get(BEGUN) === 0) {
      cells.set(BEGUN, 1);
      cells.set(TICKS, ticksAt(context.now, intervalLog));
    } else catchUp(cells, context.now);
    cells.set(NEW_BYTES, cells.get(NEW_BYTES) + bytes);
    cells.set(NEW_PACKETS, cells.get(NEW_PACKETS) + 1);
  }

  /** `gen_estimator_read`: bytes a second. */
  bytes(context: RuleContext): number {
    return Math.floor(readWide(this.current(context), BYTES) / FRACTION);
  }

  /** Packets a second. */
  packets(context: RuleContext): number {
    return Math.floor(readWide(this.current(context), PACKETS) / FRACTION);
  }

  private current(context: RuleContext): MatchCells {
    const cells = this.cells(context);
    if (cells.get(BEGUN) !== 0) catchUp(cells, context.now);
    return cells;
  }

  private cells(context: RuleContext): MatchCells {
    return context.matchState(this.key, CELLS);
  }
}

const BEGUN = 0;
const INTERVAL = 1;
const EWMA = 2;
/** How often the timer had run when the cells were brought up to date. */
const TICKS = 3;
/** Since then. */
const NEW_BYTES = 4;
const NEW_PACKETS = 5;
/** The averages, two words each, in 256ths. */
const BYTES = 6;
const PACKETS = 8;
const CELLS = 10;
const FRACTION = 256;
const WORD = 2 ** 32;

function ticksAt(now: number, intervalLog: number): number {
  return Math.floor(now / (TICK_MS << intervalLog));
}

/** `est_timer`, as often as it was due. */
function catchUp(cells: MatchCells, now: number): void {
  const intervalLog = cells.get(INTERVAL);
  const ticks = ticksAt(now, intervalLog);
  let left = ticks - cells.get(TICKS);
  if (left <= 0) return;
  const share = 2 ** cells.get(EWMA);
  // `<< (10 - intvl_log)`: counts of an interval as 256ths a second
  const scale = 2 ** (10 - intervalLog);
  let newBytes = cells.get(NEW_BYTES) * scale;
  let newPackets = cells.get(NEW_PACKETS) * scale;
  let bytes = readWide(cells, BYTES);
  let packets = readWide(cells, PACKETS);
  for (; left > 0; left--) {
    const bytesBefore = bytes;
    const packetsBefore = packets;
    bytes += Math.floor(newBytes / share) - Math.floor(bytes / share);
    packets += Math.floor(newPackets / share) - Math.floor(packets / share);
    const isIdle = newBytes === 0 && newPackets === 0;
    // What is too small to have a share of stays.
    if (isIdle && bytes === bytesBefore && packets === packetsBefore) break;
    newBytes = 0;
    newPackets = 0;
  }
  cells.set(TICKS, ticks);
  cells.set(NEW_BYTES, 0);
  cells.set(NEW_PACKETS, 0);
  writeWide(cells, BYTES, bytes);
  writeWide(cells, PACKETS, packets);
}

function readWide(cells: MatchCells, at: number): number {
  return (cells.get(at) >>> 0) + cells.get(at + 1) * WORD;
}

function writeWide(cells: MatchCells, at: number, value: number): void {
  cells.set(at, value | 0);
  cells.set(at + 1, Math.floor(value / WORD));
}
