import { internInterfaceName } from "../../../src/kernel/device/interface-name.ts";
import { HostSets } from "../../../src/kernel/ipset/host-sets.ts";
import type { Ipset } from "../../../src/kernel/ipset/ipset.ts";
import { IpsetState } from "../../../src/kernel/ipset/ipset-state.ts";
import { parseIpsetSave } from "../../../src/kernel/ipset/save.ts";
import { compileMatch } from "../../../src/kernel/netfilter/match/registry.ts";
import type { Rule } from "../../../src/kernel/netfilter/rule.ts";
import type { RuleContext } from "../../../src/kernel/netfilter/rule-context.ts";
import { compileTarget } from "../../../src/kernel/netfilter/target-action.ts";
import { Journal } from "../../../src/kernel/session/journal.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import type { Packet } from "../../../src/packet/packet.ts";
import { parsedRule } from "../netfilter/parsed.ts";

export function parsedSets(text: string): readonly Ipset[] {
  const parsed = parseIpsetSave(text);
  if (parsed.kind !== "ok") throw new Error(JSON.stringify(parsed.errors));
  return parsed.sets;
}

/** A host's sets and the rules that ask and change them. */
export class SetHost {
  readonly journal = new Journal();
  now = 0;
  in: string | null = null;
  out: string | null = null;
  private readonly state = new IpsetState(this.journal);
  private sets: HostSets;

  constructor(text: string) {
    this.sets = new HostSets(parsedSets(text), this.state, 0);
  }

  /** The sets are changed by their owner; what packets did stays. */
  replace(text: string): void {
    this.sets = new HostSets(parsedSets(text), this.state, this.now);
  }

  /** Send a packet to a rule: does it match? Its SET target takes effect. */
  send(rule: string | Rule, packet: Packet): boolean {
    const { matches, target } = typeof rule === "string" ? parsed(rule) : rule;
    const context = this.context();
    if (!matches.every((match) => compileMatch(match)?.test(packet, context))) return false;
    if (target !== null) compileTarget(target).apply(context as unknown as Stack, packet, 0);
    return true;
  }

  private context(): RuleContext {
    const nameOf = (name: string | null) => (name === null ? -1 : internInterfaceName(name));
    const context = {
      ipsets: this.sets,
      now: this.now,
      inName: nameOf(this.in),
      outName: nameOf(this.out),
      chooser: {
        unknown: () => {
          throw new Error("asked for a set that is not there");
        },
      },
    };
    return context as unknown as RuleContext;
  }
}

const rules = new Map<string, Rule>();

function parsed(text: string): Rule {
  const rule = rules.get(text) ?? parsedRule(text);
  rules.set(text, rule);
  return rule;
}
