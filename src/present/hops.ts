import { type Event, isPolicy, policyOf } from "../analyze/cause/story.ts";
import { ownerText } from "../inventory/owner/owner-text.ts";
import type { HookStep, HookVisit, Outcome, PacketView } from "../walk/trace.ts";
import type { Owner } from "../world/world.ts";
import { changeText, packetText } from "./packet-text.ts";

/** What one host did with a packet: a numbered hop of the table. */
export interface Hop {
  readonly host: string;
  readonly rows: readonly Row[];
}

export interface Row {
  readonly verb: Verb;
  readonly text: string;
  readonly tone: "plain" | "change" | "bad" | "good" | "quiet";
}

export type Verb =
  | "sends"
  | "in"
  | "out"
  | "via"
  | "dnat"
  | "snat"
  | "route"
  | "ipvs"
  | "daemon"
  | "tc"
  | "flow"
  | "ovs"
  | "arp"
  | "ndp"
  | "takes"
  | "drop"
  | "reject"
  | "refuse"
  | "makes"
  | "hook"
  | "";

export interface HopOptions {
  /** Every hook with every rule that matched, and the frames' MAC addresses. */
  readonly verbose: boolean;
  /** It has been said that names were inferred. */
  readonly saidInferred: boolean;
  /** Rules of a chain walked to its end that missed the packet by one condition. */
  readonly missesOf: (visit: HookVisit, step: HookStep) => readonly string[];
}

/** The events, in order, as hops: a new one wherever the packet comes to another host. */
export function hopsOf(outcome: Outcome, all: readonly Event[], options: HopOptions): Hop[] {
  // An address question in a tunnel is no part of the packet's way, as it is none outside of one.
  const events = all.filter(
    ({ step: { packet, kind } }) => options.verbose || packet !== 0 || kind === "neighbour",
  );
  const packets = new Set(events.filter(({ frame }) => frame !== undefined).map(({ step }) => step.packet));
  const table = new HopTable(outcome, options, packets.size > 1);
  for (const event of events) table.add(event);
  return table.finish();
}

const NAT_TARGET = / -j (DNAT|SNAT|MASQUERADE|REDIRECT|NETMAP)\b/;
const REFUSALS: ReadonlySet<string> = new Set([
  "no-listener-tcp",
  "no-listener-udp",
  "no-listener-sctp",
  "no-protocol",
]);
const END_TARGET = / -j (DROP|REJECT)\b/;

/** Frames of one passage, merged to one row as long as nothing happens between them. */
interface Passage {
  readonly packet: number;
  readonly verb: "in" | "out" | "via" | "sends";
  readonly ins: readonly string[];
  readonly outs: readonly string[];
  readonly text: string;
}

class HopTable {
  readonly #outcome: Outcome;
  readonly #options: HopOptions;
  /** Fragments or copies: each frame says which packet it is. */
  readonly #several: boolean;
  readonly #hops: { readonly host: string; readonly rows: Row[]; readonly onlyForOthers: boolean }[] = [];
  #host = "";
  #rows: Row[] = [];
  #passage: Passage | null = null;
  /** Nothing was seen on this host but frames for somebody else. */
  #onlyForOthers = true;
  readonly #views = new Map<number, PacketView>();
  readonly #rewritten = new Set<number>();
  #lastRule: Event | null = null;
  readonly #routes = new Set<string>();
  #saidInferred: boolean;

  constructor(outcome: Outcome, options: HopOptions, several: boolean) {
    this.#outcome = outcome;
    this.#options = options;
    this.#several = several;
    this.#saidInferred = options.saidInferred;
  }

  finish(): Hop[] {
    this.#closeHop();
    return this.#hops.filter((hop) => hop.rows.length > 0 && (this.#options.verbose || !hop.onlyForOthers));
  }

  add(event: Event): void {
    const { step } = event;
    if (step.host !== this.#host) {
      this.#closeHop();
      this.#host = step.host;
    }
    if (step.kind !== "frame" || step.text !== "in-otherhost") this.#onlyForOthers = false;
    switch (step.kind) {
      case "frame":
        this.#frame(event);
        return;
      case "rule":
        this.#lastRule = event;
        return;
      case "rewrite":
        this.#rewrite(event);
        return;
      case "route":
        this.#route(step.text);
        return;
      case "hook":
        this.#lastRule = null;
        if (this.#options.verbose) this.#hook(event);
        return;
      case "ipvs":
        if (!step.text.endsWith("as before") || this.#options.verbose)
          this.#row("ipvs", step.text.slice(5), "plain");
        return;
      case "user-space":
        this.#row("daemon", step.text.replace(/^the daemon /, ""), "plain");
        return;
      case "ovs":
        this.#row("ovs", step.text, "plain");
        return;
      case "flow":
        this.#row("flow", step.text, "plain");
        return;
      case "tc":
        this.#row("tc", step.text, "plain");
        return;
      case "neighbour":
        this.#neighbour(step.text, step.device ?? "");
        return;
      case "deliver":
        this.#row("takes", step.text.replace(/^delivered to /, ""), "good");
        return;
      case "drop":
        this.#drop(event);
        return;
      case "emit":
        // Who answers stands before the row already.
        if (step.phase !== "request" && (step.phase !== "reply" || this.#options.verbose))
          this.#row("makes", step.text, "plain");
        return;
      case "send":
        this.#row("sends", step.text, "plain");
        return;
      default:
        step.kind satisfies never;
    }
  }

  #neighbour(text: string, device: string): void {
    const isBad = text.startsWith("nobody");
    if (!isBad && !this.#options.verbose) return;
    this.#row(text.includes(":") ? "ndp" : "arp", `${text} on ${device}`, isBad ? "bad" : "quiet");
  }

  #closeHop(): void {
    this.#closePassage();
    if (this.#host !== "") {
      this.#hops.push({ host: this.#host, rows: this.#rows, onlyForOthers: this.#onlyForOthers });
    }
    this.#rows = [];
    this.#onlyForOthers = true;
    this.#lastRule = null;
    this.#routes.clear();
  }

  #row(verb: Verb, text: string, tone: Row["tone"]): void {
    this.#closePassage();
    this.#rows.push({ verb, text, tone });
  }

  #frame({ step, frame }: Event): void {
    const view = frame ?? step.packetView;
    const device = step.device ?? "";
    if (view === undefined) return;
    const isOut = (frame?.direction ?? step.text) === "out";
    const before = this.#views.get(step.packet);
    const text =
      before === undefined
        ? packetText(view)
        : changeText(before, view, this.#rewritten.has(step.packet)).join(", ");
    this.#views.set(step.packet, view);
    this.#rewritten.delete(step.packet);
    const ethernet =
      this.#options.verbose && view.eth !== undefined ? `  ${view.eth.src} → ${view.eth.dst}` : "";
    this.#pass(
      step.packet,
      isOut,
      device,
      [text, ethernet].filter((part) => part !== "").join("  "),
      before === undefined,
    );
  }

  #pass(packet: number, isOut: boolean, device: string, text: string, isFirst: boolean): void {
    const open = this.#passage;
    const joins = open?.packet === packet && text === "" && !(open.outs.length > 0 && !isOut);
    if (joins) {
      const ins = isOut ? open.ins : [...open.ins, device];
      const outs = isOut ? [...open.outs, device] : open.outs;
      const verb = open.verb === "in" && isOut ? "via" : open.verb;
      this.#passage = { packet, verb, ins, outs, text: open.text };
      return;
    }
    this.#closePassage();
    const verb = isOut ? (isFirst ? "sends" : "out") : "in";
    this.#passage = { packet, verb, ins: isOut ? [] : [device], outs: isOut ? [device] : [], text };
  }

  #closePassage(): void {
    const passage = this.#passage;
    this.#passage = null;
    if (passage === null) return;
    const { packet, verb, ins, outs, text } = passage;
    // Come in already, and unchanged since: a bridge's own frame behind its port's.
    if (!this.#options.verbose && verb === "in" && text === "" && this.#rows.some((row) => row.verb === "in"))
      return;
    const which = this.#several ? `[packet ${packet}]` : "";
    this.#rows.push({
      verb,
      text: [placesText(ins, outs), text, which].filter((part) => part !== "").join("  "),
      tone: "plain",
    });
  }

  #rewrite({ step, rewrite }: Event): void {
    this.#rewritten.add(step.packet);
    const verb = (rewrite?.field ?? step.text.slice(0, 3)) === "src" ? "snat" : "dnat";
    this.#row(verb, step.text.replace(/^(src|dst) /, ""), "change");
    const rule = this.#lastRule;
    if (!this.#options.verbose && rule !== null && NAT_TARGET.test(rule.step.text)) this.#ruleRow(rule);
    this.#lastRule = null;
  }

  #route(text: string): void {
    const isLocal = text.endsWith(" is local");
    if (this.#routes.has(text) || (isLocal && !this.#options.verbose)) return;
    this.#routes.add(text);
    const isBad = text.startsWith("no usable route");
    this.#row("route", text.replace(/^route to /, ""), isBad ? "bad" : "plain");
  }

  /** The rule's text, or the reason's sentence, stands with the cause; here is its place, or its name. */
  #drop({ step }: Event): void {
    const refuses = step.reason !== undefined && REFUSALS.has(step.reason);
    const verb = refuses ? "refuse" : step.verdict === "reject" ? "reject" : "drop";
    const last = this.#lastRule;
    const rule = last?.rule;
    if (last !== null && isPolicy(last.step)) {
      const { table, chain } = policyOf(last.step);
      this.#row(verb, `policy of ${chain} (${table})`, "bad");
    } else if (rule !== undefined && END_TARGET.test(rule.text)) {
      this.#row(verb, `rule ${rule.index} of ${rule.chain} (${rule.table}, ${rule.hook})`, "bad");
    } else this.#row(verb, step.reason ?? step.text, "bad");
  }

  /** The rule that translated: whose it is and its place, or where nobody is known its text, and where it was read. */
  #ruleRow({ step, rule }: Event): void {
    if (rule === undefined) return;
    const { owner, chain, index, source } = rule;
    if (owner === undefined) this.#row("", step.text, "quiet");
    else this.#row("", `${this.#ownerText(owner)}: rule ${index} of ${chain}`, "quiet");
    if (source !== undefined) this.#row("", source, "quiet");
  }

  /** That names were read off is said once. */
  #ownerText(owner: Owner): string {
    const { inferred, ...sure } = owner;
    const isNews = inferred === true && !this.#saidInferred;
    if (isNews) this.#saidInferred = true;
    return ownerText(isNews ? owner : sure);
  }

  /** All rules that matched, each with the number of rules asked since the one before. */
  #hook({ step, hook: visit }: Event): void {
    this.#row("hook", visit === undefined ? step.text : hookText(visit), "quiet");
    for (const each of visit?.steps ?? []) {
      const { table, chain, kind, index, mark, evaluated } = each;
      if (kind !== "rule") {
        if (evaluated > 0) this.#row("", `${table} ${chain} ${kind} (${evaluated} evaluated)`, "quiet");
        for (const miss of this.#options.missesOf(visit as HookVisit, each)) this.#row("", miss, "plain");
        continue;
      }
      const marked = mark === 0 ? "" : `, mark 0x${mark.toString(16)}`;
      const text = this.#ruleText(visit as HookVisit, table, chain, index);
      this.#row("", `${table} ${chain} ${index} (${evaluated} evaluated${marked}): ${text}`, "quiet");
    }
  }

  #ruleText(visit: HookVisit, table: string, chain: string, index: number): string {
    const found = this.#outcome.rules.find(
      (rule) =>
        rule.packet === visit.packet &&
        rule.host === visit.host &&
        rule.table === table &&
        rule.chain === chain &&
        rule.index === index,
    );
    return found?.text.replace(`-A ${chain} `, "") ?? "";
  }
}

function placesText(ins: readonly string[], outs: readonly string[]): string {
  const way = ins.join(" → ");
  if (outs.length === 0) return way;
  if (ins.length > 0) return `${way} → ${outs.join(", ")}`;
  // The device that was routed to, then the ports it left by.
  const [first = "", ...ports] = outs;
  return ports.length === 0 ? first : `${first} → ${ports.join(", ")}`;
}

function hookText({ hook, in: inDevice, out, physin, physout }: HookVisit): string {
  const parts = [
    inDevice === undefined ? "" : `in ${inDevice}`,
    physin === undefined ? "" : `by port ${physin}`,
    out === undefined ? "" : `out ${out}`,
    physout === undefined ? "" : `by port ${physout}`,
  ];
  return [hook, ...parts.filter((part) => part !== "")].join(" ");
}
