import { EACCES, EINVAL, EMSGSIZE, EPERM } from "../kernel/errno.ts";
import { type Disposition, REASONS, type ReasonName } from "../kernel/reason.ts";
import type { Conversation } from "./conversation.ts";
import type { Decoded } from "./decode/decode.ts";
import type { Drop } from "./decode/drops.ts";
import { EPIPE } from "./errno.ts";
import type { Query } from "./query.ts";
import type { Certainty, Verdict } from "./trace.ts";

/** The top-level verdict is the worst outcome's: worst first. */
export const WORST_FIRST: readonly Disposition[] = [
  "UNKNOWN",
  "LOOPED",
  "DROPPED",
  "UNREACHABLE",
  "TTL_EXCEEDED",
  "TOO_BIG",
  "NO_REPLY",
  "REJECTED",
  "REFUSED",
  "DELIVERED",
];

const DISPOSITIONS = new Map<string, Disposition>(REASONS.map((entry) => [entry.name, entry.disposition]));

/** What a walk came to: from what the client saw, and from where its packets ended. */
export function verdictOf(
  query: Query,
  conversation: Conversation,
  decoded: Decoded,
  looped: boolean,
  certainty: Certainty,
): Verdict {
  const { reason, drop } = reasonOf(query, conversation, decoded, looped);
  return {
    disposition: DISPOSITIONS.get(reason) as Disposition,
    reason,
    certainty,
    ...(drop === undefined ? {} : { host: drop.host }),
    ...(drop === undefined || drop.step === "" ? {} : { at: drop.step }),
  };
}

/** Reasons of a packet that ended at its destination, which are not why another one was lost. */
const ANSWERED_FOR: ReadonlySet<string> = new Set(["no-listener-tcp", "no-listener-sctp"]);

interface Cause {
  readonly reason: ReasonName;
  readonly drop?: Drop;
}

function reasonOf(query: Query, conversation: Conversation, decoded: Decoded, looped: boolean): Cause {
  if (looped) return { reason: "loop-budget" };
  const { result, errno } = conversation;
  if (result === "connected" || result === "answered") return { reason: "answered" };
  const request = decoded.drops.filter((drop) => drop.phase === "request");
  const decisive = request.find((drop) => !ANSWERED_FOR.has(drop.reason)) ?? request[0];
  if (!conversation.isPassedOn) {
    return decisive === undefined ? { reason: "relay-failed" } : { reason: decisive.reason, drop: decisive };
  }
  if (result === "sent") {
    if (decisive !== undefined) return { reason: decisive.reason, drop: decisive };
    const delivered = decoded.steps.some((step) => step.kind === "deliver" && step.phase === "request");
    return { reason: delivered ? "arrived" : "left-model" };
  }
  if (decisive !== undefined) {
    // Path MTU discovery (RFC 1191) lives by errors: without them the sender goes on sending what is too long.
    const unheard = (result ?? "timeout") === "timeout" && conversation.icmp === null;
    if (decisive.reason === "too-big" && unheard) return { reason: "mtu-black-hole", drop: decisive };
    // An OUTPUT that drops is the sender's own rule.
    return { reason: decisive.reason, drop: decisive };
  }
  const arrived =
    conversation.served.length > 0 ||
    decoded.steps.some(
      (step) => step.kind === "deliver" && step.phase === "request" && step.host !== query.host,
    );
  // A redirect that could not be sent is nobody's reason.
  const drops = decoded.drops.filter((drop) => drop.phase !== "notice");
  if (arrived) {
    const unasked = drops.find((drop) => drop.host === query.host && drop.reason.startsWith("no-listener"));
    if (unasked !== undefined) return { reason: "bad-reply", drop: unasked };
    const later = drops[0];
    if (later === undefined) return { reason: "reply-lost" };
    return { reason: later.reason === "left-model" ? "left-model" : "reply-lost", drop: later };
  }
  if (conversation.asksMany) return { reason: "broadcast-refused" };
  switch (errno) {
    case EMSGSIZE:
      return { reason: "too-big" };
    case EINVAL:
      return { reason: "blackhole-route" };
    case EACCES:
      return { reason: "prohibit-route" };
    case EPERM:
      return { reason: "output-blocked" };
    case 101:
      return { reason: "no-route" };
    case 113:
      return { reason: "unreachable-route" };
    case EPIPE:
      return { reason: "connection-closed" };
    case 99:
      return { reason: "bad-source" };
  }
  const first = drops[0];
  if (first !== undefined) return { reason: "reply-lost", drop: first };
  const stray = decoded.strays.findLast((drop) => drop.phase === "request");
  return stray === undefined ? { reason: "left-model" } : { reason: "other-host", drop: stray };
}
