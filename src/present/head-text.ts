import { splitSocketAddress } from "../address/socket-address.ts";
import { type Decision, decisionOf } from "../analyze/cause/decision.ts";
import { listing } from "../analyze/cause/fault.ts";
import type { AddressRole } from "../inventory/names.ts";
import { ownerText } from "../inventory/owner/owner-text.ts";
import { type Disposition, REASONS } from "../kernel/reason.ts";
import type { Outcome, Remedy, Trace, Verdict } from "../walk/trace.ts";
import { fold } from "./fold.ts";
import { icmpWords } from "./icmp-text.ts";
import type { Lines } from "./lines.ts";
import { oddsText, sumOdds } from "./odds-text.ts";
import type { Paint } from "./paint.ts";
import type { TextOptions } from "./text-options.ts";

/** The verdict in one line, whatever its width. */
export function verdictLine(trace: Trace, options: TextOptions): string {
  const { word, ends, what } = verdictParts(trace, options);
  return `${word}  ${ends}  ${what}`;
}

/** The verdict, the fault, the ends, the cause, the fix: what is read first. */
export function writeHead(
  trace: Trace,
  outcome: Outcome | undefined,
  options: TextOptions,
  lines: Lines,
): void {
  writeVerdict(trace, options, lines);
  writeEnds(trace, outcome, options, lines);
  if (outcome !== undefined) writeCause(outcome, options, lines);
  for (const remedy of trace.remedies) writeRemedy(remedy, lines);
  writeDoubts(trace, options, lines);
}

/** What was assumed about a host that decided. */
export function isDecisive(assumption: string, { verdict, outcomes }: Trace): boolean {
  const servers = outcomes.flatMap(({ server }) => (server === undefined ? [] : [server.host]));
  const deciders = verdict.host === undefined ? servers : [verdict.host];
  return deciders.some((host) => assumption.startsWith(`${host}: no list of sockets`));
}

interface VerdictParts {
  readonly word: string;
  readonly ends: string;
  readonly what: string;
  /** Without paint. */
  readonly length: number;
}

function verdictParts(trace: Trace, options: TextOptions): VerdictParts {
  const { verdict } = trace;
  const { strong } = options.paint;
  const ends = `${fromText(trace, options)} → ${toText(trace, options)}`;
  const what = whatText(trace, options);
  return {
    word: toneOf(verdict, options.paint)(strong(verdict.disposition)),
    ends: strong(ends),
    what,
    length: verdict.disposition.length + ends.length + what.length + 4,
  };
}

function writeVerdict(trace: Trace, options: TextOptions, lines: Lines): void {
  const { word, ends, what, length } = verdictParts(trace, options);
  if (length <= lines.width) {
    lines.push(`${word}  ${ends}  ${what}`);
    return;
  }
  if (trace.verdict.disposition === "DELIVERED") {
    lines.push(`${word}  ${ends}`);
    for (const line of fold(what, lines.width - 2)) lines.push(`  ${line}`);
    return;
  }
  // Too long for one line: the fault is what must be read first.
  const room = lines.width - trace.verdict.disposition.length - 2;
  for (const [i, line] of fold(what, room).entries()) lines.push(i === 0 ? `${word}  ${line}` : `  ${line}`);
  lines.push(`  ${ends}`);
}

/** Names as typed say more than the address they came to; a host of a dump has its own name only. */
function fromText({ query }: Trace, { asked }: TextOptions): string {
  const { at, src } = query;
  const from = asked?.from ?? query.from;
  const name = from.replace(/^host\//, "");
  if (at !== undefined) return `${name} (at ${at.replace(/^host\//, "")})`;
  return src === undefined || name.endsWith(src) ? name : `${name} (${src})`;
}

function toText({ query }: Trace, { asked }: TextOptions): string {
  const typed = asked?.to ?? "";
  return /^[a-z]/i.test(typed) && !typed.startsWith("host/") ? typed : query.to;
}

/** The fault, or who answered. */
function whatText(trace: Trace, { names }: TextOptions): string {
  const { verdict, outcomes, cause } = trace;
  if (verdict.disposition === "DELIVERED") {
    const servers = outcomes.map(({ client, server }) => client.answeredBy ?? server?.host);
    const hosts = [...new Set(servers.filter((name) => name !== undefined))];
    return hosts.length === 0 ? verdict.reason : `answered by ${answerers(hosts, names)}`;
  }
  const bad = outcomes.filter((outcome) => outcome.verdict.disposition === verdict.disposition);
  const odds = bad.map(({ probability }) => probability).filter((each) => each !== null);
  const some = bad.length < outcomes.length && odds.length === bad.length;
  const share = some ? `, ${oddsText(sumOdds(odds))} of the time` : "";
  const where = verdict.host === undefined ? "" : ` at ${names.host(verdict.host)}`;
  return `${cause ?? `${verdict.reason}${where}`}${share}`;
}

/** `pod default/db-0`, `db-0, web-0 or client`, `any of 3 pods of Deployment web`. */
function answerers(hosts: readonly string[], names: TextOptions["names"]): string {
  const pods = hosts.map((host) => names.podOf(host));
  const made = new Set(
    pods.map((pod) => (pod === undefined ? "" : `${names.workloadOf(pod) ?? ""} ${pod.metadata.namespace}`)),
  );
  const [first] = pods;
  const workload = first === undefined ? undefined : names.workloadOf(first);
  if (hosts.length > 1 && made.size === 1 && workload !== undefined) {
    const [kind, name] = workload.split(" ");
    return `any of ${hosts.length} pods of ${kind} ${first?.metadata.namespace}/${name}`;
  }
  if (hosts.length > 6) return `one of ${hosts.length}, such as ${names.host(hosts[0] ?? "")}`;
  return listing(
    hosts.map((host) => names.host(host)),
    "or",
  );
}

/** What FROM and TO are, where their names do not say it. */
function writeEnds(
  trace: Trace,
  outcome: Outcome | undefined,
  { names, asked }: TextOptions,
  lines: Lines,
): void {
  const { query } = trace;
  const host = query.from.replace(/^host\//, "");
  const about = query.at === undefined ? names.aboutHost(host) : "";
  const pod = names.podOf(host);
  if (pod !== undefined)
    lines.labelled(
      "from",
      `${names.host(host)}${about === "" ? "" : ` (${about})`}${clientAddress(outcome)}`,
    );
  const role = names.describe(addressOf(query.to));
  if (role === undefined || (asked == null && role.kind !== "service")) return;
  lines.labelled("to", `${roleText(role, names)}, ${query.to}`);
}

function clientAddress(outcome: Outcome | undefined): string {
  const address = outcome?.client.address ?? outcome?.frames[0]?.ip.src;
  return address === undefined || address === "0.0.0.0" || address === "::" ? "" : `, ${address}`;
}

function roleText(role: AddressRole, names: TextOptions["names"]): string {
  switch (role.kind) {
    case "service": {
      const inferred = names.services.named(role.namespace, role.name)?.object === null;
      return `${role.as} of ${role.text}${inferred ? " (inferred)" : ""}`;
    }
    case "pod": {
      const about = role.host === null ? "" : names.aboutHost(role.host);
      return `${role.text}${about === "" ? "" : ` (${about})`}`;
    }
    case "node":
      return `node ${role.text}`;
    case "network":
      return `a free address of the ${role.text}`;
    case "host":
      return role.text;
    default:
      return role satisfies never;
  }
}

/** Does the head say that names were read off rules? */
export function saysInferred(trace: Trace, { names }: TextOptions): boolean {
  return names.services.at(addressOf(trace.query.to))?.object === null;
}

function addressOf(to: string): string {
  return splitSocketAddress(to.replace(/\/.*$/, "")).address;
}

function writeCause(outcome: Outcome, { names, paint }: TextOptions, lines: Lines): void {
  const { verdict } = outcome;
  if (verdict.reason === "answered") return;
  const decision = decisionOf(outcome);
  const { rule, reason } = decision;
  const sentence =
    decidedText(decision) ??
    `${sentenceOf(reason).replace(/\.$/, "")} (${placeText(decision, verdict, names)}).`;
  lines.labelled("cause", reason === verdict.reason ? sentence : `${sentenceOf(verdict.reason)} ${sentence}`);
  if (rule !== null) {
    lines.continued(rule.text, 2, paint.strong);
    if (rule.owner !== undefined) lines.continued(`of ${ownerText(rule.owner)}`, 0, paint.quiet);
    if (rule.source !== undefined) lines.continued(rule.source, 0, paint.quiet);
  }
  const heard = hearsText(outcome);
  if (heard !== null) lines.labelled("client", heard);
}

/** `no-listener-tcp at pod default/web-0` */
function placeText({ reason, host }: Decision, verdict: Verdict, names: TextOptions["names"]): string {
  const where = host ?? verdict.host;
  return where === undefined ? reason : `${reason} at ${names.host(where)}`;
}

function writeRemedy({ text, command, host }: Remedy, lines: Lines): void {
  const { good, quiet, strong } = lines.paint;
  lines.labelled("fix", text, good);
  if (command !== undefined) {
    // Unfolded: it will be copied. A kubectl is typed where its cluster is known, not on a node.
    const prompt = host === undefined || command.startsWith("kubectl ") ? "$" : `${host}#`;
    lines.push(`${" ".repeat(12)}${quiet(prompt)} ${strong(command)}`);
  }
}

function writeDoubts(trace: Trace, { paint }: TextOptions, lines: Lines): void {
  for (const unknown of trace.verdict.unknown ?? [])
    lines.labelled("unsure", `not modelled, so both answers were tried: ${unknown}`, paint.doubtful);
  for (const assumption of trace.assumptions)
    if (isDecisive(assumption, trace)) lines.labelled("assumed", assumption, paint.doubtful);
}

const DOUBTFUL: ReadonlySet<Disposition> = new Set(["REFUSED", "UNKNOWN"]);

export function toneOf({ disposition, certainty }: Verdict, paint: Paint): (text: string) => string {
  if (disposition === "DELIVERED") return certainty === "unknown-match" ? paint.doubtful : paint.good;
  return DOUBTFUL.has(disposition) ? paint.doubtful : paint.bad;
}

function sentenceOf(reason: string): string {
  return REASONS.find((entry) => entry.name === reason)?.sentence ?? reason;
}

/** Which rule or policy it was, where it was one. */
function decidedText({ rule, policy, host, reason }: Decision): string | null {
  const at = host === null ? "" : ` at ${host}`;
  if (rule !== null) {
    const did = reason === "rule-reject" || / -j REJECT\b/.test(rule.text) ? "rejected" : "dropped";
    return `Rule ${rule.index} of chain ${rule.chain} (${rule.table}, ${rule.hook}) ${did} the packet${at} (${reason}):`;
  }
  if (policy === null) return null;
  return `No rule of chain ${policy.chain} (${policy.table}) took the packet${at}, and the chain's policy is DROP (${reason}).`;
}

/** What the one who asked gets to see. */
function hearsText({ client }: Outcome): string | null {
  const { result, icmp, reset, errno } = client;
  if (icmp !== undefined) {
    const mtu = icmp.mtu === undefined ? "" : `, MTU ${icmp.mtu}`;
    return `gets ${icmpWords(icmp.type, icmp.code, icmp.from)}${mtu} from ${icmp.from}${errno === undefined ? "" : ` (${errno})`}`;
  }
  if (reset !== undefined) return `gets a reset from ${reset.from}`;
  if (result === "timeout") return "hears nothing and gives up";
  return errno === undefined ? null : `gets ${errno} from its own kernel`;
}
