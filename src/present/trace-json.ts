import { pathMtu } from "../walk/path-mtu.ts";
import { questionReach } from "../walk/question-reach.ts";
import type { Outcome, PacketView, Step, Trace } from "../walk/trace.ts";
import type { World } from "../world/world.ts";

export interface JsonOptions {
  /** Frames of ARP and of neighbour discovery too. */
  readonly arp: boolean;
  /** Leave out all that tells how: steps, frames, rules. */
  readonly verdictOnly: boolean;
  /** Whose devices have the MTUs. */
  readonly world: World;
}

/**
 * A trace in its public form: `hopscope.trace/v1`. Every step holds the packet as it was then, under `packet`; its number,
 * which frames, rules and rewrites have under that name, is the step's `number`.
 */
export function traceJson(trace: Trace, options: JsonOptions): Readonly<Record<string, unknown>> {
  const { schema, id, query, verdict, cause, outcomes, residual, remedies, detected, assumptions, stats } =
    trace;
  return {
    schema,
    id,
    query,
    verdict,
    ...(cause === undefined ? {} : { cause }),
    outcomes: outcomes.map((outcome) => outcomeJson(outcome, options)),
    ...(residual === undefined ? {} : { residual }),
    remedies,
    ...(detected === undefined ? {} : { detected }),
    assumptions,
    stats,
  };
}

function outcomeJson(
  outcome: Outcome,
  { arp, verdictOnly, world }: JsonOptions,
): Readonly<Record<string, unknown>> {
  const { probability, given, verdict, server, servers, client, stats } = outcome;
  const brief = {
    probability,
    ...(given === undefined ? {} : { given }),
    verdict,
    ...(server === undefined ? {} : { server }),
    servers,
    client,
  };
  if (verdictOnly) return { ...brief, stats };
  const { frames, rules, rewrites, hooks, conntrack, ipvs } = outcome;
  const mtu = pathMtu(outcome, world);
  return {
    ...brief,
    steps: stepsJson(outcome.steps),
    frames,
    rules,
    rewrites,
    hooks,
    conntrack,
    ...(mtu === null ? {} : { mtu }),
    ...(ipvs.length === 0 ? {} : { ipvs }),
    ...(arp ? { arp: outcome.arp, asked: questionReach(outcome) } : {}),
    ...(arp && outcome.ndp.length > 0 ? { ndp: outcome.ndp } : {}),
    stats,
  };
}

/** A step without a packet of its own has the one seen last under its number. */
function stepsJson(steps: readonly Step[]): readonly Readonly<Record<string, unknown>>[] {
  const seen = new Map<number, PacketView>();
  return steps.map(({ packet: number, packetView, ...step }) => {
    const view = packetView ?? seen.get(number);
    if (view !== undefined) seen.set(number, view);
    return { ...step, number, ...(view === undefined ? {} : { packet: view }) };
  });
}
