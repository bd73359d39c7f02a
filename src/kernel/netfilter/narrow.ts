import type { Packet } from "../../packet/packet.ts";
import type { ChainArena } from "./chain-arena.ts";
import { H_LENGTH, H_POLICY, H_START, HEAD_STRIDE } from "./chain-arena.ts";
import {
  A_ACCEPT,
  A_DROP,
  A_EXTENDED,
  A_GOTO,
  A_JUMP,
  A_MARK,
  A_RETURN,
  ANY_PORT,
  C_ACTION,
  C_ARG,
  C_ARG2,
  C_FLAGS,
  C_IN,
  C_MARK,
  C_MARK_MASK,
  C_OUT,
  C_PROTO,
  C_SPORT,
  C_SRC,
  C_SRC_MASK,
  C_TESTS,
  DST_STRIDE,
  F_FIELDS,
  F_INV_DST,
  F_INV_IN,
  F_INV_MARK,
  F_INV_OUT,
  F_INV_SPORT,
  F_INV_SRC,
  F_INV_STATE,
  F_MARK,
  F_PORTS,
  F_STATE,
  STATE_SHIFT,
  STRIDE,
} from "./columns.ts";
import * as STEP from "./destination-code.ts";
import type { MatchTest } from "./rule-context.ts";
import { fixedFieldsMatch } from "./rule-fields.ts";
import { Label, StepWriter } from "./step-writer.ts";
import type { TargetAction } from "./target-action.ts";

/** What decided about a table's rules: nothing, or of the packet its destination, or its protocol and destination port. */
export const BY_DESTINATION = 1;
export const BY_PORT = 2;

/** Chains that lead further into one another than this, and code that is longer (words), are not worth narrowing. */
const DEPTH_AT_MOST = 16;
const WORDS_AT_MOST = 600;

/** Chains by the slots that jumps name, some of which others stand for. */
export interface SlottedChains {
  arenaOf(slot: number): ChainArena;
  readonly replaced: ReadonlyMap<number, number> | null;
}

/** Of a rule's conditions: its source. */
const F_SOURCE = 1;

/** Where tests and actions stand that the code names by their places. */
export interface Places {
  test(test: MatchTest): number;
  action(action: TargetAction): number;
}

/** A table narrowed. */
export interface Narrowed {
  /** Steps (`destination-code.ts`); places in it count from its beginning. */
  readonly code: Int32Array;
  /** `BY_DESTINATION` | `BY_PORT`: it holds for all packets that are like the one it was made for in these. */
  readonly by: number;
}

/**
 * A table from a built-in chain on, narrowed to what packets of one destination, protocol and destination port can match, whole
 * or a first fragment: rules that these three rule out are left out (and counted), jumps are followed, and what is left of a rule
 * is asked when a packet runs it. That is partial evaluation of `doTable`; what has to be asked anew for every packet (states,
 * chance, sets, all that remembers) stays a step, at its place in the order.
 *
 * @param told the code is for walks that a tape is told of, whose steps say which rules held and where chains ended
 * @returns null where it would be too long, or its chains are looked up by source, or a target changes a destination
 */
export function narrow(
  table: SlottedChains,
  entry: number,
  packet: Packet,
  places: Places,
  told: boolean,
): Narrowed | null {
  return new Narrowing(table, packet, places, told).narrowed(entry);
}

class Narrowing {
  private readonly steps = new StepWriter();
  private by = 0;
  /** What is written behind all that most packets run. False: it cannot be narrowed. */
  private readonly apart: (() => boolean)[] = [];
  private readonly table: SlottedChains;
  private readonly packet: Packet;
  private readonly places: Places;
  private readonly told: boolean;

  constructor(table: SlottedChains, packet: Packet, places: Places, told: boolean) {
    this.table = table;
    this.packet = packet;
    this.places = places;
    this.told = told;
  }

  narrowed(entry: number): Narrowed | null {
    const end = new Label();
    if (!this.chain(entry, 0, end)) return null;
    const arena = this.table.arenaOf(entry);
    const head = (entry - arena.first) * HEAD_STRIDE;
    const { heads } = arena;
    this.steps.mark(end);
    this.steps.step(STEP.S_POLICY, entry, heads[head + H_LENGTH] as number, heads[head + H_POLICY] as number);
    for (let write = this.apart.pop(); write !== undefined; write = this.apart.pop())
      if (!write()) return null;
    if (this.steps.length > WORDS_AT_MOST) return null;
    return { code: this.steps.code(), by: this.by };
  }

  /** The steps of a chain, ending where it ends; whoever leaves it early goes to `end`. False when it cannot be narrowed. */
  private chain(slot: number, depth: number, end: Label): boolean {
    if (depth > DEPTH_AT_MOST) return false;
    const arena = this.table.arenaOf(slot);
    const place = slot - arena.first;
    const index = arena.indexAt(place);
    if (index !== null) {
      if (index.asksSource) return false;
      if (index.asksDestination) this.by |= BY_DESTINATION;
      if (index.asksPort) this.by |= BY_PORT;
    }
    const start = arena.heads[place * HEAD_STRIDE + H_START] as number;
    const length = arena.heads[place * HEAD_STRIDE + H_LENGTH] as number;
    const next = (from: number) => (index === null ? from : index.next(this.packet, from));
    let counted = 0;
    for (let rule = next(0); rule < length; rule = next(rule + 1)) {
      if (!this.canMatch(arena, start + rule)) continue;
      if (this.steps.length > WORDS_AT_MOST) return false;
      this.steps.uncounted += rule + 1 - counted;
      counted = rule + 1;
      const goesOn = this.rule(arena, slot, rule, (start + rule) * STRIDE, depth, end);
      if (goesOn === null) return false;
      if (!goesOn) return true;
    }
    this.steps.uncounted += length - counted;
    if (depth > 0 && this.told) this.steps.step(STEP.S_CHAIN_END, slot, length);
    return true;
  }

  /** A rule. True: the walk goes on behind it, with some packets at least; null: it cannot be narrowed. */
  private rule(
    arena: ChainArena,
    slot: number,
    rule: number,
    at: number,
    depth: number,
    end: Label,
  ): boolean | null {
    const { columns } = arena;
    const behind = new Label();
    const write = (besides: number): boolean | null => {
      const { steps } = this;
      const before = steps.length;
      const always = !this.conditions(arena, at, besides, behind);
      const asked = steps.length;
      if (this.told) steps.step(STEP.S_RULE, slot, rule);
      const goesOn = this.effect(arena, at, depth, end);
      // Nothing follows from it, whatever the answers are; the matches may remember that they were asked.
      const isMoot = !always && steps.length === asked && steps.uncounted === 0;
      if (isMoot && goesOn && ((columns[at + C_TESTS] as number) & ~0xffffff) === 0) {
        steps.takeBack(before);
        behind.used = false;
      }
      return goesOn === null ? null : goesOn || !always;
    };
    const flags = columns[at + C_FLAGS] as number;
    if (columns[at + C_SRC_MASK] !== -1 || (flags & F_INV_SRC) !== 0) {
      const goesOn = write(0);
      this.steps.mark(behind);
      return goesOn;
    }
    // One source: most packets have another.
    const there = new Label();
    this.steps.step(STEP.S_SRC_IS, columns[at + C_SRC] as number);
    this.steps.place(there);
    this.steps.mark(behind);
    end.used = true;
    this.apart.push(() => {
      this.steps.mark(there);
      if (write(F_SOURCE) === null) return false;
      this.steps.step(STEP.S_GO);
      this.steps.place(behind);
      return true;
    });
    return true;
  }

  /** May a rule match a packet of this destination, protocol and port? Notes what of them was asked. */
  private canMatch({ destinations, columns }: ChainArena, rule: number): boolean {
    const mask = destinations[rule * DST_STRIDE + 1] as number;
    if (mask !== 0) {
      this.by |= BY_DESTINATION;
      if ((this.packet.dst & mask) !== destinations[rule * DST_STRIDE]) return false;
    }
    const at = rule * STRIDE;
    const flags = columns[at + C_FLAGS] as number;
    if ((flags & F_FIELDS) === 0) return true;
    if ((flags & F_INV_DST) !== 0) this.by |= BY_DESTINATION;
    if (columns[at + C_PROTO] !== 0 || (flags & F_PORTS) !== 0) this.by |= BY_PORT;
    return fixedFieldsMatch(columns, at, this.packet, flags);
  }

  /**
   * What of a rule is asked of every packet, in the order of `ruleMatches`.
   *
   * @param besides `F_SOURCE`: the source was asked already
   * @returns whether anything is
   */
  private conditions({ columns, tests }: ChainArena, at: number, besides: number, otherwise: Label): boolean {
    const before = this.steps.length;
    const ask = (kind: number, ...operands: number[]) => {
      this.steps.step(kind, ...operands);
      this.steps.place(otherwise);
    };
    const flags = columns[at + C_FLAGS] as number;
    const column = (name: number) => columns[at + name] as number;
    const inverts = (flag: number) => ((flags & flag) === 0 ? 0 : 1);
    if ((flags & F_FIELDS) !== 0) {
      const [src, srcMask] = [column(C_SRC), column(C_SRC_MASK)];
      if (inverts(F_INV_SRC)) ask(STEP.S_NOT_SRC, src, srcMask);
      else if (srcMask !== 0 && besides !== F_SOURCE) ask(STEP.S_SRC, src, srcMask);
      if (column(C_IN) >= 0) ask(STEP.S_IN, column(C_IN), inverts(F_INV_IN));
      if (column(C_OUT) >= 0) ask(STEP.S_OUT, column(C_OUT), inverts(F_INV_OUT));
      if ((flags & F_PORTS) !== 0 && (column(C_SPORT) !== ANY_PORT || inverts(F_INV_SPORT)))
        ask(STEP.S_SPORT, column(C_SPORT), inverts(F_INV_SPORT));
      if ((flags & F_MARK) !== 0) ask(STEP.S_MARK, column(C_MARK), column(C_MARK_MASK), inverts(F_INV_MARK));
    }
    if ((flags & F_STATE) !== 0) ask(STEP.S_STATE, flags >>> STATE_SHIFT, inverts(F_INV_STATE));
    const asked = column(C_TESTS);
    const first = asked & 0xffffff;
    const last = first + (asked >>> 24) - 1;
    for (let t = first; t <= last; t++) {
      const test = tests[t] as MatchTest;
      const chance = test.chance ?? null;
      if (chance !== null) ask(STEP.S_CHANCE, chance);
      else ask(t < last ? STEP.S_TEST : STEP.S_LAST_TEST, this.places.test(test));
    }
    return this.steps.length > before;
  }

  /** What a rule does that holds. True: the walk goes on behind it, with some packets at least; null: it cannot be narrowed. */
  private effect({ columns, actions }: ChainArena, at: number, depth: number, end: Label): boolean | null {
    const arg = columns[at + C_ARG] as number;
    switch (columns[at + C_ACTION]) {
      case A_ACCEPT:
        this.steps.step(STEP.S_ACCEPT);
        return false;
      case A_DROP:
        this.steps.step(STEP.S_DROP);
        return false;
      case A_MARK:
        this.steps.step(STEP.S_SET_MARK, arg, columns[at + C_ARG2] as number);
        return true;
      case A_EXTENDED: {
        const action = actions[arg] as TargetAction;
        if (action.readdresses === true) return null;
        const to = action.dnat ?? null;
        if (to !== null) {
          this.steps.step(STEP.S_DNAT, to.address, to.port);
          return false;
        }
        this.steps.step(STEP.S_ACTION, this.places.action(action));
        this.steps.place(end);
        return true;
      }
      case A_RETURN:
        this.steps.step(STEP.S_GO);
        this.steps.place(end);
        return false;
      case A_JUMP: {
        const back = new Label();
        if (!this.chain(this.standsFor(arg), depth + 1, back)) return null;
        this.steps.mark(back);
        return true;
      }
      case A_GOTO:
        if (!this.chain(this.standsFor(arg), depth + 1, end)) return null;
        this.steps.step(STEP.S_GO);
        this.steps.place(end);
        return false;
      default:
        return true;
    }
  }

  private standsFor(slot: number): number {
    return this.table.replaced?.get(slot) ?? slot;
  }
}
