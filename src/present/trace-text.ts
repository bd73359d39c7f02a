import { socketAddressText } from "../address/socket-address.ts";
import { decisionOf, worstOutcome } from "../analyze/cause/decision.ts";
import { nearMissesOf, nearMissText } from "../analyze/cause/near-misses.ts";
import { type Event, storyOf } from "../analyze/cause/story.ts";
import { pathMtu } from "../walk/path-mtu.ts";
import { questionReach } from "../walk/question-reach.ts";
import type { NdpFrame, Outcome, Trace } from "../walk/trace.ts";
import { isDecisive, saysInferred, toneOf, verdictLine, writeHead } from "./head-text.ts";
import { writeHops } from "./hop-text.ts";
import { hopsOf } from "./hops.ts";
import { icmpWords } from "./icmp-text.ts";
import { Lines } from "./lines.ts";
import { oddsText, sumOdds } from "./odds-text.ts";
import type { TextOptions } from "./text-options.ts";

/** At most so many outcomes are listed; the rest is summed up. */
const LISTED_OUTCOMES = 8;

/** A trace for a tired person: verdict, cause, fix; the way; the answer's way; what else can come of it; what it cost. */
export function traceText(trace: Trace, options: TextOptions): string {
  if (options.detail === "quiet") return `${verdictLine(trace, options)}\n`;
  return new TraceText(trace, options).write().toString();
}

/** A frame by which neighbours find one another. */
interface Exchanged {
  readonly at: number;
  readonly host: string;
  readonly device: string;
  readonly direction: string;
  readonly what: string;
}

class TraceText {
  readonly #trace: Trace;
  readonly #outcome: Outcome | undefined;
  readonly #options: TextOptions;
  readonly #lines: Lines;

  constructor(trace: Trace, options: TextOptions) {
    this.#trace = trace;
    this.#outcome = worstOutcome(trace.outcomes, trace.verdict.disposition);
    this.#options = options;
    this.#lines = new Lines(options.width, options.paint);
  }

  write(): Lines {
    const outcome = this.#outcome;
    writeHead(this.#trace, outcome, this.#options, this.#lines);
    if (outcome === undefined) return this.#lines;
    if (outcome.steps.length > 0) this.#ways(outcome);
    if (this.#options.arp) this.#arp(outcome);
    this.#otherOutcomes(outcome);
    this.#cost(outcome);
    if (this.#options.detail === "verbose") this.#mtu(outcome);
    this.#assumed();
    return this.#lines;
  }

  #ways(outcome: Outcome): void {
    const story = storyOf(outcome);
    const verbose = this.#options.detail === "verbose";
    const decisive = outcome.steps.find((step) => step.id === outcome.verdict.at);
    this.#table(
      `Request${this.#shownText(outcome)}`,
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
    const hops = hopsOf(outcome, events, {
      verbose: this.#options.detail === "verbose",
      saidInferred: saysInferred(this.#trace, this.#options),
      missesOf: (visit, step) => nearMissesOf(this.#options.names.world, visit, step).map(nearMissText),
    });
    writeHops(title, hops, this.#options, this.#lines);
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
      const said =
        phase === "error" && icmp !== undefined
          ? `${icmpWords(icmp.type, icmp.code, first.frame?.ip.src ?? "")}: `
          : "";
      const what = isReset && phase === "reply" ? "TCP reset: " : said;
      this.#lines.push("");
      const label = phase === "reply" ? "Reply" : isReset ? "Reset" : "Error";
      this.#lines.headed(label, what + way.join(" → "));
      for (const { step } of events) {
        if (step.kind === "rewrite")
          this.#lines.headed("", `${step.host} translates back: ${step.text}`, this.#options.paint.change);
      }
    }
  }

  #arp({ arp, ndp }: Outcome): void {
    this.#exchange(
      "ARP",
      arp.map(({ arp: { op, spa, sha, tpa }, ...frame }) => {
        const what = op === "request" ? `who has ${tpa}? asks ${spa}` : `${spa} is at ${sha}, told ${tpa}`;
        return { ...frame, what };
      }),
    );
    this.#exchange(
      "Neighbour discovery",
      ndp.map((frame) => ({ ...frame, what: discoveryText(frame) })),
    );
    for (const { address, devices, hosts } of questionReach({ arp, ndp })) {
      const of = hosts === 1 ? "1 host" : `${hosts} hosts`;
      this.#lines.push(
        `  who has ${address}: heard by ${devices === 1 ? "1 device" : `${devices} devices`} of ${of}`,
      );
    }
  }

  #exchange(title: string, frames: readonly Exchanged[]): void {
    if (frames.length === 0) return;
    this.#lines.push("", this.#options.paint.strong(title));
    const places = frames.map(({ host, device }) => `${host} ${device}`);
    const width = Math.max(...places.map((place) => place.length));
    for (const [i, { at, direction, what }] of frames.entries()) {
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
    this.#lines.push("", this.#options.paint.strong("Other outcomes"));
    const listed = others.slice(0, LISTED_OUTCOMES);
    const odds = listed.map((other) =>
      other.probability === null ? givenText(other) : oddsText(other.probability),
    );
    const oddsWidth = Math.min(30, Math.max(0, ...odds.map((text) => text.length)));
    const wordWidth = Math.max(0, ...listed.map((other) => other.verdict.disposition.length));
    for (const [i, other] of listed.entries()) {
      const word = toneOf(other.verdict, this.#options.paint)(other.verdict.disposition.padEnd(wordWidth));
      this.#lines.push(`  ${(odds[i] ?? "").padStart(oddsWidth)}  ${word}  ${this.#whereText(other)}`);
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

  #whereText(outcome: Outcome): string {
    const { verdict, server } = outcome;
    const { names } = this.#options;
    if (server !== undefined && verdict.disposition === "DELIVERED") {
      const { address, port } = server;
      const at = port === undefined ? address : socketAddressText(address, port);
      const node = names.podOf(server.host) === undefined ? undefined : names.nodeOf(server.host);
      return `${names.host(server.host)} (${at}${node === undefined ? "" : `, on ${node}`})`;
    }
    const { reason } = outcome.steps.length === 0 ? verdict : decisionOf(outcome);
    return `${reason}${verdict.host === undefined ? "" : ` at ${names.host(verdict.host)}`}`;
  }

  #cost(outcome: Outcome): void {
    const { rulesEvaluated, routeLookups } = outcome.stats;
    this.#lines.push("");
    this.#lines.headed(
      "Cost",
      `${count(rulesEvaluated, "rule")} evaluated, ${count(routeLookups, "route look-up")} in the whole exchange`,
    );
  }

  /** What the way takes, and what each device on it has. */
  #mtu(outcome: Outcome): void {
    const { names } = this.#options;
    const path = pathMtu(outcome, names.world);
    if (path === null) return;
    const each = path.devices.map(
      ({ host, device, mtu, overhead }) =>
        `${host} ${device} ${mtu}${overhead === 0 ? "" : ` less ${overhead} of the tunnel`}`,
    );
    this.#lines.push("");
    this.#lines.headed("MTU", `packets of ${path.mtu} bytes pass all the way: ${each.join(", ")}`);
  }

  /** What decided nothing, last. */
  #assumed(): void {
    const { detected = [] } = this.#trace;
    if (detected.length > 0) {
      this.#lines.push("");
      this.#lines.headed("Detected", detected.map(withPlace).join(", "));
    }
    const rest = this.#trace.assumptions.filter((assumption) => !isDecisive(assumption, this.#trace));
    if (rest.length === 0) return;
    this.#lines.push("");
    for (const [i, assumption] of rest.entries())
      this.#lines.headed(i === 0 ? "Assumed" : "       ", assumption, this.#options.paint.doubtful);
  }
}

/** `SETTING: where it stands`, of which the file and line are enough here. */
function withPlace(detected: string): string {
  const [setting = "", where = ""] = detected.split(/: (.*)/s);
  return `${setting} (${/\(([^()]+:\d+)\)/.exec(where)?.[1] ?? where})`;
}

function isRequest(step: { readonly phase: string }): boolean {
  return step.phase === "request";
}

function givenText({ given }: Outcome): string {
  const parts = (given ?? []).map(({ rule, matched }) => `${matched ? "if" : "unless"} ${rule}`);
  return parts.length === 0 ? "odds unknown" : parts.join(", ");
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function discoveryText({ nd: { type, target, dst, tll }, ip }: NdpFrame): string {
  switch (type) {
    case 133:
      return `who is a router? asks ${ip.src}`;
    case 134:
      return `${ip.src} is a router, told ${ip.dst}`;
    case 135:
      return `who has ${target}? asks ${ip.src}`;
    case 136:
      return `${target} is ${tll === undefined ? "here" : `at ${tll}`}, told ${ip.dst}`;
    default:
      return `${dst} is better reached by ${target}, told ${ip.dst}`;
  }
}
