import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Family } from "../../../src/address/ip.ts";
import { NF_INET_FORWARD } from "../../../src/kernel/netfilter/hook.ts";
import { NO_CODE } from "../../../src/kernel/netfilter/narrowed-entry.ts";
import type { CompiledTable } from "../../../src/kernel/netfilter/table.ts";
import { type GeneratedPacket, packetOf } from "./generated-rules.ts";
import { bareWalk, compile, FAMILIES, scenes, walk } from "./table-walk.ts";

/** Every packet, and every one with the source, source port, mark and devices of each other: they share what narrows a table. */
function crossed(packets: readonly GeneratedPacket[]): GeneratedPacket[] {
  return packets.flatMap((packet) =>
    packets.map(({ src, sport, mark, inDevice, outDevice }) => ({
      ...packet,
      ...{ src, sport, mark, inDevice, outDevice },
    })),
  );
}

/** Let the table be narrowed to the packets, for walks with a tape or without: each is met twice. Returns how many of them run code then. */
function narrowAll(
  table: CompiledTable,
  packets: readonly GeneratedPacket[],
  family: Family = 4,
  told = true,
): number {
  const entry = table.narrowed(NF_INET_FORWARD, told);
  const find = (fields: GeneratedPacket) => entry.find(packetOf(fields, family));
  const whole = packets.filter(({ fragOffset }) => fragOffset === 0);
  for (const packet of [...whole, ...whole]) find(packet);
  return whole.filter((packet) => find(packet) !== NO_CODE).length;
}

describe("a table narrowed to destinations", () => {
  it.each(
    FAMILIES.flatMap((family) => [
      [
        "is the literal walk: same verdict, rules, order, counts, marks and questions",
        family,
        true,
        walk,
      ] as const,
      ["comes to the same without a tape", family, false, bareWalk] as const,
    ]),
  )("%s, IPv%s", (_, family, told, walked) => {
    let ran = 0;
    let asked = 0;
    fc.assert(
      fc.property(scenes(family), ({ table, packets, answers }) => {
        const compiled = compile(table, family);
        const all = crossed(packets);
        ran += narrowAll(compiled, all, family, told);
        asked += all.length;
        for (const packet of all) {
          expect(walked(compiled, packet, answers, false, family)).toEqual(
            walked(compiled, packet, answers, true, family),
          );
        }
      }),
      { numRuns: 1000 },
    );
    // The property would hold of packets that walk as well.
    expect(ran / asked).toBeGreaterThan(0.4);
  });

  it("is there for the destination that comes again, and for no later fragment", () => {
    fc.assert(
      fc.property(scenes(), ({ table, packets, answers }) => {
        const compiled = compile(table);
        const literal = packets.map((packet) => walk(compiled, packet, answers, true));
        // The first walks, the second narrows, the third runs what was narrowed.
        for (let round = 0; round < 3; round++)
          packets.forEach((packet, i) => {
            expect(walk(compiled, packet, answers, false)).toEqual(literal[i]);
          });
      }),
      { numRuns: 300 },
    );
  });

  it("is shared by what no rule tells apart", () => {
    const rule = {
      ...{ src: null, dst: null, sport: null, dport: null, inDevice: null, outDevice: null },
      ...{ fragment: null, chance: null, protocol: null },
      mark: { value: { value: 1, mask: 1 }, not: false },
      target: { kind: "DROP" },
    } as const;
    const compiled = compile({ policy: "ACCEPT", chains: [{ name: "FORWARD", rules: [rule] }] });
    const entry = compiled.narrowed(NF_INET_FORWARD, true);
    const to = (dst: number, dport: number) => packetOf({ ...ANY, dst, dport });
    expect(entry.find(to(1, 80))).toBe(NO_CODE);
    const code = entry.find(to(1, 80));
    expect(code).not.toBe(NO_CODE);
    expect(entry.find(to(2, 443))).toBe(code);
  });
});

describe("a planted fault of what was narrowed is found", () => {
  type Find = (table: CompiledTable, packet: ReturnType<typeof packetOf>) => number;
  const narrowed = (table: CompiledTable) => table.narrowed(NF_INET_FORWARD, true);

  const faults: readonly (readonly [string, (find: Find) => Find])[] = [
    [
      "the code of another destination is run",
      (find) => (table, packet) => {
        packet.dst ^= 3;
        const code = find(table, packet);
        packet.dst ^= 3;
        return code;
      },
    ],
    [
      "the code of another port is run",
      (find) => (table, packet) => {
        const { dport } = packet;
        packet.dport = 80;
        const code = find(table, packet);
        packet.dport = dport;
        return code;
      },
    ],
    [
      "a word of the code is another",
      (find) => (table, packet) => {
        const code = find(table, packet);
        if (code !== NO_CODE && narrowed(table).code[code + 1] === 0) narrowed(table).code[code + 1] = 1;
        return code;
      },
    ],
  ];

  it.each(faults)("%s", (_name, plant) => {
    const result = fc.check(
      fc.property(scenes(), ({ table, packets, answers }) => {
        const compiled = compile(table);
        const all = crossed(packets);
        narrowAll(compiled, all);
        const entry = narrowed(compiled);
        const right = entry.find.bind(entry);
        const find = plant((_table, packet) => right(packet));
        entry.find = (packet) => find(compiled, packet);
        for (const packet of all)
          expect(walk(compiled, packet, answers, false)).toEqual(walk(compiled, packet, answers, true));
      }),
      { numRuns: 1000, seed: 7 },
    );
    expect(result.failed).toBe(true);
  });
});

const ANY: GeneratedPacket = {
  ...{ src: 0x0a000001, dst: 0x0a000002, protocol: 6, sport: 40000, dport: 80 },
  ...{ fragOffset: 0, mark: 0, inDevice: "eth0", outDevice: "eth1" },
};
