import type { Frame, HookVisit, Outcome, Rewrite, RuleHit, Step } from "../../walk/trace.ts";

/** A step with what it stands for: the frame, hook, rule or rewrite that was made with it. */
export interface Event {
  readonly step: Step;
  readonly frame?: Frame;
  readonly rule?: RuleHit;
  readonly rewrite?: Rewrite;
  readonly hook?: HookVisit;
}

/**
 * An outcome's steps in time order, each joined with its record: an outcome lists frames, hooks, rules and rewrites apart, in
 * the order of the steps that made them. A built-in chain's policy is a step of the kind `rule` without a rule.
 */
export function storyOf(outcome: Outcome): readonly Event[] {
  // Neighbour discovery passes hooks and rules too, and has no steps of its own.
  const told = new Set(outcome.steps.map(({ packet }) => packet));
  const queueOf = <T extends Told>(items: readonly T[]): Queue<T> =>
    new Queue(items.filter(({ packet }) => told.has(packet)));
  const hooks = queueOf(outcome.hooks);
  const frames = queueOf(outcome.frames);
  const rules = queueOf(outcome.rules);
  const rewrites = queueOf(outcome.rewrites);
  return outcome.steps.map((step): Event => {
    switch (step.kind) {
      case "frame":
        return { step, ...named("frame", frames.takeFor(step)) };
      case "hook":
        return { step, ...named("hook", hooks.takeFor(step)) };
      case "rule":
        return { step, ...(isPolicy(step) ? {} : named("rule", rules.takeFor(step))) };
      case "rewrite":
        return { step, ...named("rewrite", rewrites.takeFor(step)) };
      default:
        return { step };
    }
  });
}

/** `filter: -P FORWARD DROP` */
export function isPolicy(step: Step): boolean {
  return step.kind === "rule" && /^\w+: -P /.test(step.text);
}

export function policyOf(step: Step): { readonly table: string; readonly chain: string } {
  const [, table = "", chain = ""] = /^(\w+): -P (\S+)/.exec(step.text) ?? [];
  return { table, chain };
}

function named<K extends string, T>(key: K, value: T | undefined): { [key in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]: T });
}

interface Told {
  readonly packet: number;
  readonly host: string;
}

class Queue<T extends Told> {
  readonly #items: readonly T[];
  #at = 0;

  constructor(items: readonly T[]) {
    this.#items = items;
  }

  /** The next item, if it is about the same packet on the same host. */
  takeFor(step: Step): T | undefined {
    const item = this.#items[this.#at];
    if (item === undefined || item.packet !== step.packet || item.host !== step.host) return undefined;
    this.#at++;
    return item;
  }
}
