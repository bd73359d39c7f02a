import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChainIndex } from "../../../src/kernel/netfilter/chain-index.ts";
import { ChainOverlay } from "../../../src/kernel/netfilter/chain-map.ts";
import { doTable } from "../../../src/kernel/netfilter/do-table.ts";
import { NF_ACCEPT, NF_INET_FORWARD } from "../../../src/kernel/netfilter/hook.ts";
import type { Chain, Rule } from "../../../src/kernel/netfilter/rule.ts";
import { CompiledTable } from "../../../src/kernel/netfilter/table.ts";
import type { Packet } from "../../../src/packet/packet.ts";
import { Session } from "../../../src/walk/session.ts";
import {
  type GeneratedPacket,
  type GeneratedTable,
  generatedPacket,
  generatedTable,
  interpret,
  packetOf,
  tableText,
} from "./generated-rules.ts";
import { parsed } from "./parsed.ts";
import { Answers, bareWalk, compile, FAMILIES, scenes, session, walk } from "./table-walk.ts";

describe("a table's walk", () => {
  it.each(FAMILIES)(
    "IPv%s: by index is the literal walk: same verdict, rules, order, counts, marks and questions",
    (family) => {
      let indexed = 0;
      fc.assert(
        fc.property(scenes(family), ({ table, packets, answers }) => {
          const compiled = compile(table, family);
          if (compiled.base.chains.some((_, slot) => compiled.base.indexAt(slot) !== null)) indexed++;
          for (const packet of packets) {
            expect(walk(compiled, packet, answers, false, family)).toEqual(
              walk(compiled, packet, answers, true, family),
            );
          }
        }),
        { numRuns: 1000 },
      );
      // The property would hold of chains without an index as well.
      expect(indexed).toBeGreaterThan(300);
    },
  );

  it.each(FAMILIES)("IPv%s: is what the definition says", (family) => {
    fc.assert(
      fc.property(scenes(family), ({ table, packets, answers }) => {
        const compiled = compile(table, family);
        for (const packet of packets) {
          const chooser = new Answers(answers);
          const expected = interpret(table, packet, (chance) => chooser.event(0, chance));
          const { asked, parts, ...walked } = walk(compiled, packet, answers, false, family);
          expect(walked).toEqual(expected);
          expect(asked.length).toBe(chooser.asked.length);
          // What no record says was evaluated behind the last.
          expect(parts.reduce((a, b) => a + b, 0)).toBe(expected.evaluated);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("counts and decides without a tape as with one", () => {
    fc.assert(
      fc.property(scenes(), ({ table, packets, answers }) => {
        const compiled = compile(table);
        for (const fields of packets) {
          const { verdict, mark, evaluated } = walk(compiled, fields, answers, false);
          const bare = bareWalk(compiled, fields, answers, false);
          expect([bare.verdict, bare.mark, bare.evaluated]).toEqual([verdict, mark, evaluated]);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("a table that differs from another by some chains", () => {
  // The changed chains mix rules that were there, the very same values, with new ones: some runs are copied, some compiled.
  const mixed = () =>
    fc.record({
      before: generatedTable(),
      after: generatedTable(),
      cuts: fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 12 }),
      packets: fc.array(generatedPacket(), { minLength: 1, maxLength: 6 }),
      answers: fc.array(fc.boolean(), { maxLength: 12 }),
    });
  const chainsOf = (table: GeneratedTable) =>
    parsed(tableText(table)).tables.get("filter")?.chains ?? new Map();

  /** Pieces of both lists in turn, some of the old ones left out. */
  function mix(old: readonly Rule[], added: readonly Rule[], cuts: readonly number[]): Rule[] {
    const rules: Rule[] = [];
    for (let i = 0, j = 0, turn = 0; i < old.length || j < added.length; turn++) {
      const cut = (cuts[turn % cuts.length] ?? 0) + 1;
      rules.push(...old.slice(i, i + cut), ...added.slice(j, j + (cut % 3)));
      i += cut + (cut % 2);
      j += Math.max(1, cut % 3);
    }
    return rules;
  }

  it("is walked as the same table written out", () => {
    let replaced = 0;
    fc.assert(
      fc.property(mixed(), ({ before, after, cuts, packets, answers }) => {
        const base = chainsOf(before);
        const own = new Map<string, Chain>();
        for (const [name, chain] of chainsOf(after)) {
          if (cuts.length % 3 === 0 && name === "user0" && base.has(name)) continue;
          own.set(name, { ...chain, rules: mix(base.get(name)?.rules ?? [], chain.rules, cuts) });
        }
        const overlay = new ChainOverlay(base, own);
        expect([...overlay]).toEqual([...new Map([...base, ...own])]);
        expect(overlay.size).toBe([...overlay].length);
        const layered = new CompiledTable({ name: "filter", chains: overlay });
        const flat = new CompiledTable({ name: "filter", chains: new Map(overlay) });
        if (layered.replaced !== null) replaced++;
        for (const packet of packets) {
          // By index, narrowed (which the second walk does), and literally.
          for (const literal of [false, false, false, true]) {
            expect(walk(layered, packet, answers, literal)).toEqual(walk(flat, packet, answers, literal));
          }
        }
      }),
      { numRuns: 1000 },
    );
    expect(replaced).toBeGreaterThan(300);
  });
});

describe("a planted fault of the index is found", () => {
  type Next = (index: ChainIndex, packet: Packet, from: number, length: number) => number;

  const faults: readonly (readonly [string, Next])[] = [
    [
      "the fifth rule is forgotten",
      (index, packet, from) => {
        const next = index.next(packet, from);
        return next === 4 ? index.next(packet, 5) : next;
      },
    ],
    ["a look-up begins one rule late", (index, packet, from) => index.next(packet, from + 1)],
    [
      "the last rule is forgotten",
      (index, packet, from, length) => {
        const next = index.next(packet, from);
        return next === length - 1 ? length : next;
      },
    ],
    [
      "the candidates of another destination are taken",
      (index, packet, from) => {
        const { dst } = packet;
        packet.dst = dst ^ 3;
        const next = index.next(packet, from);
        packet.dst = dst;
        return next;
      },
    ],
    ["it says that nothing matches", (_index, _packet, _from, length) => length],
  ];

  it.each(faults)("%s", (_name, next) => {
    const result = fc.check(
      fc.property(scenes(), ({ table, packets, answers }) => {
        const compiled = compile(table);
        const literal = packets.map((packet) => walk(compiled, packet, answers, true));
        const { base } = compiled;
        const right = base.indexAt.bind(base);
        base.indexAt = (slot) => {
          const index = right(slot);
          const length = base.chains[slot]?.rules.length ?? 0;
          if (index === null) return null;
          return {
            next: (p: Packet, from: number) => Math.min(next(index, p, from, length), length),
          } as ChainIndex;
        };
        packets.forEach((packet, i) => {
          expect(walk(compiled, packet, answers, false)).toEqual(literal[i]);
        });
      }),
      { numRuns: 1000, seed: 7 },
    );
    expect(result.failed).toBe(true);
  });
});

describe("a match that remembers is met in the order written", () => {
  // ipt_do_table goes through a rule's matches in order and stops at the first that does not hold. Seen in a namespace:
  // iptables -A OUTPUT -d 127.0.0.1 -p udp -m statistic --mode nth --every 2 --packet 0 -m mark --mark 0x1
  // and datagrams with SO_MARK 0 1 0 1: the rule's counter stays 0; with 1 0 1 0 it is 2.
  it.each([
    [
      "-m statistic --mode nth --every 2 --packet 0 -m mark --mark 0x1",
      [0, 1, 0, 1],
      [false, false, false, false],
    ],
    [
      "-m mark --mark 0x1 -m statistic --mode nth --every 2 --packet 0",
      [0, 1, 0, 1],
      [false, true, false, false],
    ],
    [
      "-m statistic --mode nth --every 2 --packet 0 -m mark --mark 0x1",
      [1, 0, 1, 0],
      [true, false, true, false],
    ],
  ] as const)("%s, packets marked %j", (text, marks, expected) => {
    const dump = `*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD ${text} -j DROP\nCOMMIT\n`;
    const table = new CompiledTable(parsed(dump).tables.get("filter") as never);
    const fresh = new Session(session.network).stack(0);
    const dropped = marks.map((mark) => {
      const packet = packetOf({ ...PLAIN, mark });
      return doTable(fresh, table, 0, NF_INET_FORWARD, packet) !== NF_ACCEPT;
    });
    expect(dropped).toEqual(expected);
  });
});

const PLAIN: GeneratedPacket = {
  src: 0x0a000001,
  dst: 0x0a000002,
  protocol: 6,
  sport: 40000,
  dport: 80,
  fragOffset: 0,
  mark: 0,
  inDevice: "eth0",
  outDevice: "eth1",
};
