import type { Family } from "../../../../src/address/ip.ts";
import { parseIpv4 } from "../../../../src/address/ipv4.ts";
import { CHOICE_STATISTIC } from "../../../../src/kernel/chooser.ts";
import { internInterfaceName } from "../../../../src/kernel/device/interface-name.ts";
import { compileMatch } from "../../../../src/kernel/netfilter/match/registry.ts";
import { RecentLists } from "../../../../src/kernel/netfilter/recent.ts";
import type { MatchTest, RuleContext } from "../../../../src/kernel/netfilter/rule-context.ts";
import { Cells, Journal } from "../../../../src/kernel/session/journal.ts";
import { Packet } from "../../../../src/packet/packet.ts";
import { parsedRule } from "../parsed.ts";

/** A rule's surroundings, made up: a conntrack table, address types and devices as a test states them. */
export class FakeContext {
  hook = 0;
  inIf = 0;
  outIf = 0;
  now = 0;
  readonly journal = new Journal();
  readonly recent = new RecentLists(this.journal);
  /** Answers of the chooser, in turn, and what it was asked. */
  answers: boolean[] = [];
  readonly asked: number[] = [];
  /** By ifindex. */
  readonly names = new Map<number, string>();
  /** `address@ifindex` to `RTN_*`. */
  readonly types = new Map<string, number>();
  connection: Readonly<Record<string, number>> = {};
  private readonly cells = new Map<MatchTest, Cells>();

  asContext(): RuleContext {
    const self = this;
    const field = (name: string) => () => self.connection[name] ?? 0;
    const context = {
      get hook() {
        return self.hook;
      },
      get inIf() {
        return self.inIf;
      },
      get outIf() {
        return self.outIf;
      },
      get inName() {
        return self.nameOf(self.inIf);
      },
      get outName() {
        return self.nameOf(self.outIf);
      },
      get now() {
        return self.now;
      },
      recent: self.recent,
      conntrack: {
        status: field("status"),
        proto: field("proto"),
        mark: field("mark"),
        expires: field("expires"),
        origSrc: field("origSrc"),
        origDst: field("origDst"),
        origSport: field("origSport"),
        origDport: field("origDport"),
        replySrc: field("replySrc"),
        replyDst: field("replyDst"),
        replySport: field("replySport"),
        replyDport: field("replyDport"),
      },
      chooser: {
        event(kind: number, threshold: number): boolean {
          if (kind !== CHOICE_STATISTIC) throw new Error(`asked for choice ${kind}`);
          self.asked.push(threshold);
          return self.answers.shift() ?? false;
        },
        unknown: () => self.answers.shift() ?? false,
      },
      addressType: (address: number, ifindex: number) => self.types.get(`${address}@${ifindex}`) ?? 0,
      nameOf: (ifindex: number) => self.nameOf(ifindex),
      matchState: (owner: MatchTest, size: number) => self.state(owner, size),
    };
    return context as unknown as RuleContext;
  }

  private nameOf(ifindex: number): number {
    const name = this.names.get(ifindex);
    return name === undefined ? -1 : internInterfaceName(name);
  }

  private state(owner: MatchTest, size: number) {
    let cells = this.cells.get(owner);
    if (cells === undefined) {
      cells = new Cells(this.journal, size);
      this.cells.set(owner, cells);
    }
    const held = cells;
    return {
      get: (index: number) => held.data[index] as number,
      set: (index: number, value: number) => held.set(index, value),
    };
  }
}

/** The compiled form of the one match in a rule's text; the last one, if `-p` brings others. */
export function compiled(text: string, family: Family = 4): MatchTest {
  const match = parsedRule(text, { family }).matches.at(-1);
  const test = match === undefined ? null : compileMatch(match);
  if (test === null) throw new Error(`${text} is not modelled`);
  return test;
}

export function packet(fields: Partial<Packet> = {}): Packet {
  return Object.assign(new Packet(), fields);
}

export function ip(text: string): number {
  const address = parseIpv4(text);
  if (address === undefined) throw new Error(text);
  return address;
}
