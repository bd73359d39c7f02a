import type { Names } from "../../inventory/names.ts";
import type { Outcome, Remedy, Trace } from "../../walk/trace.ts";
import { answerNotTranslated, ownPacketBack } from "./answer-bypass.ts";
import { caseOf } from "./case.ts";
import { worstOutcome } from "./decision.ts";
import { droppedDiscovery } from "./discovery.ts";
import { droppingPolicy, droppingRule } from "./dropping-rule.ts";
import type { Advice, Diagnosis, Fault } from "./fault.ts";
import { notForwarding } from "./forwarding.ts";
import { missingPodRoute } from "./missing-route.ts";
import { noEndpoints } from "./no-endpoints.ts";
import { hostPortElsewhere, nodePortElsewhere } from "./node-port.ts";
import {
  blackHole,
  blockedPort,
  deviceDown,
  hairpin,
  ignoredPing,
  leftModel,
  loopbackSource,
  looped,
  martian,
  noRoute,
  portsUsedUp,
  ranOutOfTtl,
  refusingRoute,
  reversePath,
  tooBig,
} from "./on-the-way.ts";
import { deniedByPolicy, wouldBeDenied } from "./policy.ts";
import { clusterIpFromOutside, pingToService, portNotOffered, unallocated } from "./service-address.ts";
import { outsideSourceRanges } from "./source-ranges.ts";
import { nobodyListens, wrongTargetPort } from "./target-port.ts";
import { noLocalEndpoint } from "./traffic-policy.ts";
import { nobodyHas, noForwardingEntry, noTunnelNeighbour, tunnelMismatch } from "./tunnel.ts";

/** From what was asked wrongly, over what Services declare, to what single hosts do: the first that fits is the fault. */
const DIAGNOSES: readonly Diagnosis[] = [
  ...[pingToService, clusterIpFromOutside, portNotOffered, unallocated],
  ...[
    noEndpoints,
    noLocalEndpoint,
    outsideSourceRanges,
    nodePortElsewhere,
    hostPortElsewhere,
    wrongTargetPort,
  ],
  ...[
    loopbackSource,
    ownPacketBack,
    answerNotTranslated,
    noForwardingEntry,
    noTunnelNeighbour,
    tunnelMismatch,
  ],
  ...[notForwarding, missingPodRoute, droppedDiscovery, nobodyHas, nobodyListens],
  ...[
    deniedByPolicy,
    droppingPolicy,
    droppingRule,
    reversePath,
    martian,
    hairpin,
    blockedPort,
    deviceDown,
    noRoute,
  ],
  ...[refusingRoute, ranOutOfTtl, looped, tooBig, blackHole, ignoredPing, portsUsedUp, leftModel],
];

/** What is wrong with an outcome that did not arrive; undefined where nothing sure can be said. */
export function faultOf(outcome: Outcome, trace: Trace, names: Names): Fault | undefined {
  if (outcome.verdict.disposition === "DELIVERED") return undefined;
  const at = caseOf(outcome, trace, names);
  for (const diagnose of DIAGNOSES) {
    const found = diagnose(at);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A trace with the fault named and the remedies of all its outcomes, those of one kind told as one. */
export function explained(trace: Trace, names: Names): Trace {
  if (trace.outcomes.every(({ steps }) => steps.length === 0)) return trace;
  const faults = new Map(trace.outcomes.map((outcome) => [outcome, faultOf(outcome, trace, names)]));
  const worst = worstOutcome(trace.outcomes, trace.verdict.disposition);
  const cause = worst === undefined ? undefined : faults.get(worst)?.headline;
  const advice = [...faults.values()].flatMap((found) => found?.advice ?? []);
  const unenforced = unenforcedIn(trace, names);
  return {
    ...trace,
    ...(cause === undefined ? {} : { cause }),
    ...(unenforced.length === 0 ? {} : { assumptions: [...trace.assumptions, ...unenforced] }),
    remedies: [...trace.remedies, ...gathered(advice)],
  };
}

/** One outcome stands for all that policies would have stopped. */
function unenforcedIn({ outcomes }: Trace, names: Names): string[] {
  const [first, ...rest] = outcomes.flatMap((outcome) => wouldBeDenied(outcome, names) ?? []);
  if (first === undefined) return [];
  const others = rest.length === 1 ? "another outcome" : `${rest.length} other outcomes`;
  return [rest.length === 0 ? first : `${first} (${others} likewise)`];
}

function gathered(advice: readonly Advice[]): Remedy[] {
  const remedies = new Map<string, Remedy>();
  const items = new Map<string, string[]>();
  for (const { together, ...remedy } of advice) {
    if (together === undefined) {
      remedies.set(`${remedy.host} ${remedy.text} ${remedy.command}`, remedy);
      continue;
    }
    const all = [...(items.get(together.key) ?? []), together.item];
    const each = [...new Set(all)];
    items.set(together.key, each);
    const { command } = together;
    remedies.set(together.key, {
      ...remedy,
      text: together.text(each),
      ...(each.length > 1 && command !== undefined ? { command } : {}),
    });
  }
  return [...remedies.values()];
}
