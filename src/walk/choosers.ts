import {
  CHOICE_MULTIPATH,
  CHOICE_STATISTIC,
  CHOICE_UNKNOWN,
  type ChoiceKind,
  type Chooser,
} from "../kernel/chooser.ts";
import type { UnknownTest } from "../kernel/netfilter/unknown.ts";
import { Odds, thresholdOdds } from "./fraction.ts";

/** Past this many unmodelled rules in one walk "no match" is taken and listed. */
export const UNKNOWNS_AT_MOST = 6;

/** One choice a walk came to. */
export interface Choice {
  readonly kind: ChoiceKind;
  /** Odds of each option; null for an unmodelled match, which has none. */
  readonly odds: readonly Odds[] | null;
  readonly taken: number;
  /** What was asked, for an unmodelled match. */
  readonly unknown: UnknownTest | null;
}

/** Where per-flow choices are remembered: the Session. */
export interface FlowMemory {
  readonly flowChoices: ReadonlyMap<string, number>;
  rememberChoice(key: string, taken: number): void;
}

/**
 * Follows a script of choices and, behind its end, takes the likeliest; what it came to is in `choices`. Exploring a query
 * is running it under script after script.
 */
export class ScriptedChooser implements Chooser {
  readonly choices: Choice[] = [];
  private readonly script: readonly number[];
  private readonly remembered = new Map<string, number>();
  private readonly session: FlowMemory;
  private readonly unknowns = new Set<number>();
  /** Unmodelled rules taken for "no match" because there were too many. */
  readonly notAsked = new Set<UnknownTest>();

  constructor(script: readonly number[], session: FlowMemory) {
    this.script = script;
    this.session = session;
  }

  event(_kind: ChoiceKind, threshold: number): boolean {
    const yes = thresholdOdds(threshold);
    if (yes.num === 0n) return false;
    if (yes.num === yes.den) return true;
    return this.take(CHOICE_STATISTIC, [yes, Odds.ONE.minus(yes)], null) === 0;
  }

  pick(kind: ChoiceKind, count: number): number {
    if (count <= 1) return 0;
    return this.take(kind, new Array<Odds>(count).fill(Odds.of(1, count)), null);
  }

  flow(kind: ChoiceKind, key0: number, key1: number, weights: readonly number[]): number {
    // With the weights: a flow may meet several multipath routes on one host, or one that was changed.
    const key = `${kind} ${key0} ${key1} ${weights.join()}`;
    const before = this.session.flowChoices.get(key);
    if (before !== undefined) return before;
    const sum = weights.reduce((a, b) => a + b, 0);
    const taken = this.take(
      CHOICE_MULTIPATH,
      weights.map((weight) => Odds.of(weight, sum)),
      null,
    );
    this.session.rememberChoice(key, taken);
    return taken;
  }

  unknown(test: UnknownTest, signature: number): boolean {
    const key = `unknown ${test.id} ${signature}`;
    const before = this.remembered.get(key);
    if (before !== undefined) return before === 0;
    if (!this.unknowns.has(test.id) && this.unknowns.size >= UNKNOWNS_AT_MOST) {
      this.notAsked.add(test);
      return false;
    }
    this.unknowns.add(test.id);
    const taken = this.take(CHOICE_UNKNOWN, null, test);
    this.remembered.set(key, taken);
    return taken === 0;
  }

  private take(kind: ChoiceKind, odds: readonly Odds[] | null, unknown: UnknownTest | null): number {
    const scripted = this.script[this.choices.length];
    let taken: number;
    if (scripted !== undefined) taken = scripted;
    else if (odds === null) taken = 1;
    else {
      taken = 0;
      for (let i = 1; i < odds.length; i++) {
        if ((odds[i] as Odds).toNumber() > (odds[taken] as Odds).toNumber()) taken = i;
      }
    }
    this.choices.push({ kind, odds, taken, unknown });
    return taken;
  }
}

/**
 * Chooses by a pure function of (seed, key, how often the key was asked): the same question in the same place has the same
 * answer whatever happened elsewhere. Allocates nothing per question once every key was seen.
 */
export class SeededChooser implements Chooser {
  private seed: number;
  private asked = 0;
  readonly notAsked = new Set<UnknownTest>();

  constructor(seed: number) {
    this.seed = seed | 0;
  }

  /** Start a new flow: the answers depend on its number. */
  begin(flow: number): void {
    this.asked = Math.imul(flow, 0x9e3779b1);
  }

  event(_kind: ChoiceKind, threshold: number): boolean {
    this.asked = (this.asked + 1) | 0;
    return mix(this.seed, this.asked, 0) >>> 1 < threshold;
  }

  pick(_kind: ChoiceKind, count: number): number {
    this.asked = (this.asked + 1) | 0;
    return (mix(this.seed, this.asked, 0) >>> 1) % count;
  }

  flow(_kind: ChoiceKind, key0: number, key1: number, weights: readonly number[]): number {
    let sum = 0;
    for (let i = 0; i < weights.length; i++) sum += weights[i] as number;
    let at = (mix(this.seed ^ 0x5bd1e995, key0, key1) >>> 1) % sum;
    for (let i = 0; i < weights.length; i++) {
      at -= weights[i] as number;
      if (at < 0) return i;
    }
    return 0;
  }

  unknown(test: UnknownTest): boolean {
    this.notAsked.add(test);
    return false;
  }
}

/** Three words to 32 well-mixed bits (the finaliser of MurmurHash3), signed: an unsigned result may need a heap number. */
function mix(a: number, b: number, c: number): number {
  let h = Math.imul(a ^ 0x27d4eb2f, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77) ^ Math.imul(c, 0xc2b2ae3d);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
