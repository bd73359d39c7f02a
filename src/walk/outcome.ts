import { formatOnPath } from "../address/ip6-handle.ts";
import { isTooBig } from "../kernel/icmp/error.ts";
import type { Match } from "../kernel/netfilter/match/match.ts";
import { formatMatch, formatTarget } from "../kernel/netfilter/save/format.ts";
import { unwalkedTables } from "../kernel/nft/base-chains.ts";
import { nftUnknownText } from "../kernel/nft/compile/unknown-step.ts";
import type { Tape } from "../kernel/tape.ts";
import { IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP } from "../packet/packet.ts";
import { captureOf } from "./capture.ts";
import type { Choice, ScriptedChooser } from "./choosers.ts";
import { conntrackView } from "./conntrack-view.ts";
import { type Decoded, decode } from "./decode/decode.ts";
import { ERRNO_NAMES } from "./errno.ts";
import { Odds } from "./fraction.ts";
import { ipvsView } from "./ipvs-view.ts";
import type { Query } from "./query.ts";
import type { Run } from "./run.ts";
import type { Session } from "./session.ts";
import type { Certainty, ClientView, Outcome, ServerView } from "./trace.ts";
import { verdictOf } from "./verdict.ts";

/** What came of one walk of a query, as a trace shows it. */

export interface OutcomeOptions {
  /** Keep every frame's bytes (`Outcome.capture`). */
  readonly capture?: boolean;
  /** Leave steps, frames, rules and the rest out. */
  readonly verdictOnly?: boolean;
}

/**
 * Told while the session still holds what the walk left behind.
 *
 * @param chooser whose choices gave the odds; null: a seeded one's, which has none
 */
export function outcomeOf(
  session: Session,
  query: Query,
  run: Run,
  tape: Tape,
  chooser: ScriptedChooser | null,
  options: OutcomeOptions,
): Outcome {
  const { network, engine } = session;
  const { conversation } = run;
  const decoded: Decoded = decode(network, tape, run);
  const unknownChoices = chooser?.choices.filter((choice) => choice.unknown !== null) ?? [];
  const unknown = [
    ...unknownChoices.map(textOfChoice),
    ...[...(chooser?.notAsked ?? [])].map((test) => textOfUnknown(test.match)),
    ...[...engine.unknownTargets].map((target) => nftUnknownText(target) ?? formatTarget(target)),
    ...engine.unmodelled,
  ];
  const assumed = assumptionsOf(session, query, decoded).length > 0;
  const certainty: Certainty = unknown.length > 0 ? "unknown-match" : assumed ? "assumed" : "exact";
  const verdict = {
    ...verdictOf(query, conversation, decoded, run.looped, certainty),
    ...(unknown.length > 0 ? { unknown } : {}),
  };
  const servers = serversOf(session, query, run, decoded);
  const server = servers[servers.length - 1];
  return {
    probability: chooser === null ? null : (oddsOf(chooser.choices)?.toFraction() ?? null),
    ...(unknownChoices.length > 0
      ? {
          given: unknownChoices.map((choice) => ({
            rule: textOfChoice(choice),
            matched: choice.taken === 0,
          })),
        }
      : {}),
    verdict,
    ...(server === undefined ? {} : { server }),
    servers,
    client: clientOf(session, query, run),
    ...(options.verdictOnly === true ? NOTHING_TOLD : toldOf(session, decoded)),
    ...(options.capture === true ? { capture: captureOf(tape.data, decoded) } : {}),
    stats: { rulesEvaluated: run.rulesEvaluated, routeLookups: run.routeLookups },
  };
}

type Told = Pick<
  Outcome,
  "steps" | "frames" | "arp" | "ndp" | "rules" | "hooks" | "rewrites" | "conntrack" | "ipvs"
>;

const NOTHING_TOLD: Told = {
  ...{ steps: [], frames: [], arp: [], ndp: [], rules: [], hooks: [], rewrites: [], conntrack: [], ipvs: [] },
};

/** All that happened, and what it left behind. */
function toldOf(session: Session, decoded: Decoded): Told {
  const { steps, frames, arp, ndp, rules, hooks, rewrites } = decoded;
  const touched = [...session.touched()];
  const conntrack = touched.flatMap((stack) => conntrackView(stack));
  const ipvs = touched.flatMap((stack) => ipvsView(stack));
  return { steps, frames, arp, ndp, rules, hooks, rewrites, conntrack, ipvs };
}

/** The odds of these choices together; null where one of them has none. */
function oddsOf(choices: readonly Choice[]): Odds | null {
  let odds = Odds.ONE;
  for (const choice of choices) {
    if (choice.odds === null) return null;
    odds = odds.times(choice.odds[choice.taken] as Odds);
  }
  return odds;
}

const SERVED_PROTOCOLS: Readonly<Record<number, ServerView["proto"]>> = {
  [IPPROTO_TCP]: "tcp",
  [IPPROTO_UDP]: "udp",
  [IPPROTO_SCTP]: "sctp",
};

function serversOf(session: Session, query: Query, run: Run, decoded: Decoded): ServerView[] {
  const { conversation } = run;
  const { network } = session;
  const { family } = query;
  const list: ServerView[] = conversation.served.map((served) => ({
    host: network.host(served.host)?.name ?? "",
    proto: SERVED_PROTOCOLS[served.proto] ?? ("udp" as const),
    address: formatOnPath(family, served.local),
    port: served.localPort,
    peer: { address: formatOnPath(family, served.peer), port: served.peerPort },
  }));
  if (query.proto === "icmp") {
    const delivered = decoded.steps.find((step) => step.kind === "deliver" && step.phase === "request");
    const frame =
      delivered === undefined
        ? undefined
        : [...decoded.frames].reverse().find((f) => f.host === delivered.host && f.phase === "request");
    if (delivered !== undefined && frame !== undefined) {
      list.push({
        host: delivered.host,
        proto: "icmp",
        address: delivered.text.replace("delivered to ", ""),
        peer: { address: frame.ip.src },
      });
    }
  }
  return list;
}

function clientOf(session: Session, query: Query, run: Run): ClientView {
  const { conversation } = run;
  const { family } = query;
  const result = conversation.result ?? "timeout";
  const errno = ERRNO_NAMES[conversation.errno];
  const answeredBy =
    query.proto === "icmp"
      ? conversation.answeredByAddress === null
        ? undefined
        : formatOnPath(family, conversation.answeredByAddress)
      : conversation.answeredBy < 0
        ? undefined
        : session.network.host(conversation.answeredBy)?.name;
  return {
    result,
    ...(errno === undefined ? {} : { errno }),
    ...(query.proto === "icmp"
      ? { icmpId: conversation.clientIcmpId }
      : { address: formatOnPath(family, conversation.clientAddress), port: conversation.clientPort }),
    ...(answeredBy === undefined ? {} : { answeredBy }),
    ...(conversation.ownPacket ? { ownPacket: true } : {}),
    ...(conversation.icmp === null
      ? {}
      : {
          icmp: {
            type: conversation.icmp.type,
            code: conversation.icmp.code,
            from: formatOnPath(family, conversation.icmp.from),
            ...(isTooBig(family, conversation.icmp.type, conversation.icmp.code)
              ? { mtu: conversation.icmp.mtu }
              : {}),
          },
        }),
    ...(conversation.resetFrom === null
      ? {}
      : { reset: { from: formatOnPath(family, conversation.resetFrom) } }),
  };
}

function textOfChoice({ unknown }: Choice): string {
  return textOfUnknown((unknown as NonNullable<Choice["unknown"]>).match);
}

function textOfUnknown(match: Match): string {
  return nftUnknownText(match) ?? formatMatch(match);
}

/** What had to be assumed about the hosts a walk touched. */
export function assumptionsOf(
  session: Session,
  { family }: Query,
  decoded: Pick<Decoded, "frames">,
): string[] {
  const hosts = new Set(decoded.frames.map((frame) => frame.host));
  const assumptions: string[] = [];
  for (const name of hosts) {
    const net = session.network.host(session.network.hostNumber(name));
    if (net === undefined) continue;
    if (net.sockets === null)
      assumptions.push(`${name}: no list of sockets, so every local port is taken to listen`);
    const tool = family === 6 ? "ip6tables" : "iptables";
    if (net.host[tool] === null)
      assumptions.push(`${name}: no ${tool} rules in the dump, so none are taken to be there`);
    for (const table of unwalkedTables(net.host.nft)) {
      assumptions.push(
        `${name}: the rules of nftables' table ${table} are not walked, and taken to let all pass`,
      );
    }
    if (net.host.sysctl.size === 0)
      assumptions.push(`${name}: no sysctls in the dump, so the kernel's defaults are taken`);
  }
  return assumptions;
}
