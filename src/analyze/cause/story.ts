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

/** A built-in chain's policy that dropped; of nftables a base chain's. */
export interface DroppingPolicy {
  readonly backend: RuleHit["backend"];
  readonly table: string;
  readonly chain: string;
}

/** `filter: -P FORWARD DROP`, `ip6 firewall forward: policy drop` */
export function isPolicy(step: Step): boolean {
  return step.kind === "rule" && (IPTABLES_POLICY.test(step.text) || NFT_POLICY.test(step.text));
}

export function policyOf({ text }: Step): DroppingPolicy {
  const nft = NFT_POLICY.exec(text);
  const [, table = "", chain = ""] = nft ?? IPTABLES_POLICY.exec(text) ?? [];
  return { backend: nft === null ? "iptables" : "nft", table, chain };
}

const IPTABLES_POLICY = /^(\w+): -P (\S+)/;
const NFT_POLICY = /^(\w+ \S+) (\S+): policy drop$/;

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
