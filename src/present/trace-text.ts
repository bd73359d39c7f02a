import type { Disposition } from "../kernel/reason.ts";
import { REASONS } from "../kernel/reason.ts";
import type { Outcome, Remedy, Trace, Verdict } from "../walk/trace.ts";
import { type Decision, decisionOf, worstOutcome } from "./decision.ts";
import { hang } from "./fold.ts";
import { type Hop, hopsOf, type Row } from "./hops.ts";
import { icmpText } from "./icmp-text.ts";
import { oddsText, sumOdds } from "./odds-text.ts";
import type { Paint } from "./paint.ts";
import { type Event, storyOf } from "./story.ts";

export interface TextOptions {
  readonly width: number;
  readonly paint: Paint;
  /** `quiet`: the verdict alone. `verbose`: every hook and rule. */
  readonly detail: "quiet" | "normal" | "verbose";
  /** ARP frames too. */
  readonly arp: boolean;
}

/** At most so many outcomes are listed; the rest is summed up. */
const LISTED_OUTCOMES = 8;

/** A trace for a tired person: verdict, cause, fix; the way; the answer's way; what else can come of it; what it cost. */
export function traceText(trace: Trace, options: TextOptions): string {
  return new TraceText(trace, options)
    .lines()
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

class TraceText {
  readonly #trace: Trace;
  readonly #outcome: Outcome | undefined;
  readonly #options: TextOptions;
  readonly #paint: Paint;
  readonly #lines: string[] = [];

  constructor(trace: Trace, options: TextOptions) {
    this.#trace = trace;
    this.#outcome = worstOutcome(trace.outcomes, trace.verdict.disposition);
    this.#options = options;
    this.#paint = options.paint;
  }

  lines(): readonly string[] {
    this.#verdict();
    const outcome = this.#outcome;
    if (this.#options.detail === "quiet" || outcome === undefined) return this.#lines;
    this.#cause(outcome);
    for (const remedy of this.#trace.remedies) this.#remedy(remedy);
    this.#notes();
    if (outcome.steps.length > 0) this.#ways(outcome);
    if (this.#options.arp) this.#arp(outcome);
    this.#otherOutcomes(outcome);
    this.#cost(outcome);
    return this.#lines;
  }

  /** `DROPPED  web-0 → 10.0.0.5:80/tcp  on node1` */
  #verdict(): void {
    const { verdict, query } = this.#trace;
    const word = this.#tone(verdict)(this.#paint.strong(verdict.disposition));
    const ends = `${senderOf(this.#trace)} → ${query.to}`;
    this.#lines.push(`${word}  ${this.#paint.strong(ends)}  ${this.#who(verdict)}`);
  }

  #who(verdict: Verdict): string {
    const outcomes = this.#trace.outcomes;
    if (verdict.disposition === "DELIVERED") {
      const servers = outcomes.map((outcome) => outcome.client.answeredBy ?? outcome.server?.host);
      const names = [...new Set(servers.filter((name) => name !== undefined))];
      return names.length === 0 ? verdict.reason : `answered by ${alternatives(names)}`;
    }
    const where = verdict.host === undefined ? "" : ` at ${verdict.host}`;
    const bad = outcomes.filter((outcome) => outcome.verdict.disposition === verdict.disposition);
    const odds = bad.map((outcome) => outcome.probability).filter((each) => each !== null);
    const some = bad.length < outcomes.length && odds.length === bad.length;
    const share = some ? `, ${oddsText(sumOdds(odds))} of the time` : "";
    return `${verdict.reason}${where}${share}`;
  }

  #cause(outcome: Outcome): void {
    const { verdict } = outcome;
    if (verdict.reason === "answered") return;
    const decision = decisionOf(outcome);
    const { rule, reason } = decision;
    const sentence = decidedText(decision) ?? sentenceOf(reason);
    this.#labelled(
      "cause",
      reason === verdict.reason ? sentence : `${sentenceOf(verdict.reason)} ${sentence}`,
    );
    if (rule !== null) {
      this.#continued(rule.text, 2, this.#paint.strong);
      if (rule.source !== undefined) this.#continued(rule.source, 0, this.#paint.quiet);
    }
    const heard = hearsText(outcome);
    if (heard !== null) this.#labelled("client", heard);
  }

  #remedy({ text, command, host }: Remedy): void {
    this.#labelled("fix", text, this.#paint.good);
    if (command !== undefined) {
      // Unfolded: it will be copied.
      const prompt = host === undefined ? "$" : `${host}#`;
      this.#lines.push(`${" ".repeat(12)}${this.#paint.quiet(prompt)} ${this.#paint.strong(command)}`);
    }
  }

  #notes(): void {
    const { verdict, assumptions } = this.#trace;
    for (const unknown of verdict.unknown ?? []) {
      this.#labelled("unsure", `not modelled, so both answers were tried: ${unknown}`, this.#paint.doubtful);
    }
    for (const assumption of assumptions) this.#labelled("assumed", assumption, this.#paint.doubtful);
  }

  #ways(outcome: Outcome): void {
    const story = storyOf(outcome);
    const verbose = this.#options.detail === "verbose";
    const decisive = outcome.steps.find((step) => step.id === outcome.verdict.at);
    const [shown = "", odds] = [this.#shownText(outcome), outcome.probability];
    this.#table(
      `Request${odds === null ? "" : shown}`,
      outcome,
      story.filter(({ step }) => isRequest(step)),
    );
    const lost = decisive !== undefined && !isRequest(decisive) && decisive.phase !== "notice";
    if (lost) {
      const events = story.filter(({ step }) => step.packet === decisive.packet);
      this.#table(
        decisive.phase === "reply" ? "Answer, until it was lost" : `What was lost (${decisive.phase})`,
        outcome,
        events,
      );
    }
    if (verbose) {
      const answer = story.filter(({ step }) => step.phase === "reply" || step.phase === "error");
      if (answer.length > 0 && !lost) this.#table("Answer", outcome, answer);
    } else this.#answer(story, decisive?.packet);
  }

  /** Which of several outcomes the table shows. */
  #shownText(outcome: Outcome): string {
    const { outcomes } = this.#trace;
    if (outcomes.length < 2 || outcome.probability === null) return "";
    const server = outcome.server === undefined ? "" : ` (${outcome.server.host})`;
    return `, outcome ${outcomes.indexOf(outcome) + 1} of ${outcomes.length}${server}, odds ${oddsText(outcome.probability)}`;
  }

  #table(title: string, outcome: Outcome, events: readonly Event[]): void {
    const hops = hopsOf(outcome, events, { verbose: this.#options.detail === "verbose" });
    if (hops.length === 0) return;
    this.#lines.push("", this.#paint.strong(title));
    const hostWidth = Math.max(...hops.map((hop) => hop.host.length));
    for (const [i, hop] of hops.entries()) this.#hop(hop, String(i + 1).padStart(3), hostWidth);
  }

  #hop(hop: Hop, number: string, hostWidth: number): void {
    const { quiet, strong } = this.#paint;
    const blank = " ".repeat(number.length + 2 + hostWidth + 2);
    for (const [i, row] of hop.rows.entries()) {
      const verb = row.verb.padEnd(6);
      const lines = hang(`${blank}${verb}  `, row.text, this.#options.width, row.verb === "" ? 2 : 0);
      for (const [k, line] of lines.entries()) {
        const rest = line.slice(blank.length + verb.length + 2);
        const left = i === 0 && k === 0 ? `${number}  ${strong(hop.host.padEnd(hostWidth))}  ` : blank;
        this.#lines.push(
          `${left}${quiet(k === 0 ? verb : " ".repeat(verb.length))}  ${this.#rowTone(row)(rest)}`,
        );
      }
    }
  }

  #rowTone({ tone }: Row): (text: string) => string {
    const { bad, good, change, quiet } = this.#paint;
    switch (tone) {
      case "bad":
        return bad;
      case "good":
        return good;
      case "change":
        return change;
      case "quiet":
        return quiet;
      case "plain":
        return (text) => text;
      default:
        tone satisfies never;
        throw new Error("unknown tone");
    }
  }

  /** The way back in short: hosts, and what was translated. */
  #answer(story: readonly Event[], lost: number | undefined): void {
    for (const phase of ["reply", "error"] as const) {
      const first = story.find(({ step, frame }) => step.phase === phase && frame !== undefined);
      if (first === undefined || first.step.packet === lost) continue;
      const events = story.filter(({ step }) => step.packet === first.step.packet);
      const hosts = events.filter(({ frame }) => frame !== undefined && frame.direction !== "in-otherhost");
      const way = hosts.map(({ step }) => step.host).filter((host, i, all) => host !== all[i - 1]);
      const icmp = first.frame?.icmp;
      const isReset = first.frame?.tcp?.flags.includes("R") === true;
      const icmpWords =
        phase === "error" && icmp !== undefined ? `ICMP ${icmpText(icmp.type, icmp.code)}: ` : "";
      const what = isReset && phase === "reply" ? "TCP reset: " : icmpWords;
      this.#lines.push("");
      const label = phase === "reply" ? "Reply" : isReset ? "Reset" : "Error";
      this.#headed(label, what + way.join(" → "));
      for (const { step } of events) {
        if (step.kind === "rewrite")
          this.#headed("", `${step.host} translates back: ${step.text}`, this.#paint.change);
      }
    }
  }

  #arp(outcome: Outcome): void {
    if (outcome.arp.length === 0) return;
    this.#lines.push("", this.#paint.strong("ARP"));
    const places = outcome.arp.map(({ host, device }) => `${host} ${device}`);
    const width = Math.max(...places.map((place) => place.length));
    for (const [i, { at, direction, arp }] of outcome.arp.entries()) {
      const { op, spa, sha, tpa } = arp;
      const what = op === "request" ? `who has ${tpa}? asks ${spa}` : `${spa} is at ${sha}, told ${tpa}`;
      const place = (places[i] ?? "").padEnd(width);
      this.#lines.push(
        `  ${String(at).padStart(5)} ms  ${place}  ${direction === "out" ? "out" : "in "}  ${what}`,
      );
    }
  }

  #otherOutcomes(outcome: Outcome): void {
    const { outcomes, residual } = this.#trace;
    const others = outcomes.filter((other) => other !== outcome);
    if (others.length === 0 && residual === undefined) return;
    this.#lines.push("", this.#paint.strong("Other outcomes"));
    const listed = others.slice(0, LISTED_OUTCOMES);
    const odds = listed.map((other) =>
      other.probability === null ? givenText(other) : oddsText(other.probability),
    );
    const oddsWidth = Math.min(30, Math.max(0, ...odds.map((text) => text.length)));
    const wordWidth = Math.max(0, ...listed.map((other) => other.verdict.disposition.length));
    for (const [i, other] of listed.entries()) {
      const word = this.#tone(other.verdict)(other.verdict.disposition.padEnd(wordWidth));
      this.#lines.push(`  ${(odds[i] ?? "").padStart(oddsWidth)}  ${word}  ${whereText(other)}`);
    }
    const rest = others.slice(LISTED_OUTCOMES);
    if (rest.length > 0) {
      const known = rest.map((other) => other.probability).filter((each) => each !== null);
      this.#lines.push(
        `  ${oddsText(sumOdds(known)).padStart(oddsWidth)}  ${rest.length} more (--outcomes, -o json)`,
      );
    }
    if (residual !== undefined) {
      this.#lines.push(
        `  ${oddsText(residual).padStart(oddsWidth)}  not followed: --outcomes raises the limit`,
      );
    }
  }

  #cost(outcome: Outcome): void {
    const { rulesEvaluated, routeLookups } = outcome.stats;
    this.#lines.push("");
    this.#headed(
      "Cost",
      `${count(rulesEvaluated, "rule")} evaluated, ${count(routeLookups, "route look-up")} in the whole exchange`,
    );
  }

  #headed(label: string, text: string, tone: (text: string) => string = (each) => each): void {
    for (const [i, line] of hang(label.padEnd(7), text, this.#options.width, 2).entries()) {
      this.#lines.push(
        (i === 0 ? this.#paint.strong(label.padEnd(7)) : line.slice(0, 7)) + tone(line.slice(7)),
      );
    }
  }

  #labelled(label: string, text: string, tone: (text: string) => string = (each) => each): void {
    const head = `  ${label.padEnd(7)} `;
    for (const [i, line] of hang(head, text, this.#options.width).entries()) {
      const left = line.slice(0, head.length);
      this.#lines.push((i === 0 ? this.#paint.quiet(left) : left) + tone(line.slice(head.length)));
    }
  }

  #continued(text: string, indent = 0, tone: (text: string) => string = (each) => each): void {
    const head = " ".repeat(10 + indent);
    for (const line of hang(head, text, this.#options.width, 2))
      this.#lines.push(head + tone(line.slice(head.length)));
  }

  #tone(verdict: Verdict): (text: string) => string {
    if (verdict.disposition === "DELIVERED") {
      return verdict.certainty === "unknown-match" ? this.#paint.doubtful : this.#paint.good;
    }
    return DOUBTFUL.has(verdict.disposition) ? this.#paint.doubtful : this.#paint.bad;
  }
}

const DOUBTFUL: ReadonlySet<Disposition> = new Set(["REFUSED", "UNKNOWN"]);

function isRequest(step: { readonly phase: string }): boolean {
  return step.phase === "request";
}

function senderOf(trace: Trace): string {
  const { from, at, src } = trace.query;
  const name = from.replace(/^host\//, "");
  if (at !== undefined) return `${name} (at ${at.replace(/^host\//, "")})`;
  return src === undefined ? name : `${name} (${src})`;
}

function sentenceOf(reason: string): string {
  return REASONS.find((entry) => entry.name === reason)?.sentence ?? reason;
}

/** Which rule or policy it was, where it was one. */
function decidedText({ rule, policy, host }: Decision): string | null {
  const at = host === null ? "" : ` at ${host}`;
  if (rule !== null) {
    const did = / -j REJECT\b/.test(rule.text) ? "rejected" : "dropped";
    return `Rule ${rule.index} of chain ${rule.chain} (${rule.table}, ${rule.hook}) ${did} the packet${at}:`;
  }
  if (policy === null) return null;
  return `No rule of chain ${policy.chain} (${policy.table}) took the packet${at}, and the chain's policy is DROP.`;
}

function alternatives(names: readonly string[]): string {
  if (names.length > 6) return `one of ${names.length}, such as ${names[0]}`;
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** What the one who asked gets to see. */
function hearsText({ client }: Outcome): string | null {
  const { result, icmp, reset, errno } = client;
  if (icmp !== undefined) {
    const mtu = icmp.mtu === undefined ? "" : `, MTU ${icmp.mtu}`;
    return `gets ICMP ${icmpText(icmp.type, icmp.code)}${mtu} from ${icmp.from}${errno === undefined ? "" : ` (${errno})`}`;
  }
  if (reset !== undefined) return `gets a reset from ${reset.from}`;
  if (result === "timeout") return "hears nothing and gives up";
  return errno === undefined ? null : `gets ${errno} from its own kernel`;
}

function whereText({ verdict, server }: Outcome): string {
  if (server !== undefined && verdict.disposition === "DELIVERED") {
    return `${server.host} (${server.address}${server.port === undefined ? "" : `:${server.port}`})`;
  }
  return `${verdict.reason}${verdict.host === undefined ? "" : ` at ${verdict.host}`}`;
}

function givenText({ given }: Outcome): string {
  const parts = (given ?? []).map(({ rule, matched }) => `${matched ? "if" : "unless"} ${rule}`);
  return parts.length === 0 ? "odds unknown" : parts.join(", ");
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
