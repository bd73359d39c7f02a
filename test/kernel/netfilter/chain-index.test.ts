import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChainIndex } from "../../../src/kernel/netfilter/chain-index.ts";
import { CompiledTable } from "../../../src/kernel/netfilter/table.ts";
import type { Packet } from "../../../src/packet/packet.ts";
import { generatedPacket, generatedTable, packetOf, tableText } from "./generated-rules.ts";
import { parsed } from "./parsed.ts";

/** FORWARD's index of a filter table with these rules. */
function indexOf(rules: readonly string[]): ChainIndex | null {
  const lines = rules.map((rule) => `-A FORWARD ${rule}`);
  const text = ["*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT", ...lines, "COMMIT", ""].join(
    "\n",
  );
  const table = tableOf(text);
  return table.base.indexAt(table.base.chains.findIndex(({ name }) => name === "FORWARD"));
}

function tableOf(text: string): CompiledTable {
  const plain = parsed(text).tables.get("filter");
  if (plain === undefined) throw new Error("no filter table");
  return new CompiledTable(plain);
}

function candidates(index: ChainIndex, packet: Packet, length: number): number[] {
  const found: number[] = [];
  for (let at = index.next(packet, 0); at < length; at = index.next(packet, at + 1)) found.push(at);
  return found;
}

const to = (address: string, more = ""): string => `-d ${address}/32 ${more}-j ACCEPT`;
const many = (count: number, rule: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => rule(i));
const packet = (dst: number, dport = 80, protocol: 6 | 17 = 6, src = 0x0a000009): Packet =>
  packetOf({
    src,
    dst: dst | 0,
    protocol,
    sport: 40000,
    dport,
    fragOffset: 0,
    mark: 0,
    inDevice: "eth0",
    outDevice: "eth1",
  });

describe("which chains get an index", () => {
  it.each<readonly [string, readonly string[], boolean]>([
    ["eleven rules with an exact destination", many(11, (i) => to(`10.0.0.${i}`)), false],
    ["twelve rules with an exact destination", many(12, (i) => to(`10.0.0.${i}`)), true],
    ["twelve with an exact source", many(12, (i) => `-s 10.0.0.${i}/32 -j DROP`), true],
    ["twelve with a port", many(12, (i) => `-p tcp -m tcp --dport ${1000 + i} -j DROP`), true],
    [
      "twelve with a range of ports",
      many(12, (i) => `-p tcp -m tcp --dport ${1000 + i}:2000 -j DROP`),
      false,
    ],
    [
      "twelve with a port they must not have",
      many(12, (i) => `-p tcp -m tcp ! --dport ${1000 + i} -j DROP`),
      false,
    ],
    ["twelve networks", many(12, (i) => `-d 10.0.${i}.0/24 -j DROP`), false],
    ["twelve destinations they must not have", many(12, (i) => `! -d 10.0.0.${i}/32 -j DROP`), false],
    ["a protocol alone", many(40, () => "-p udp -j DROP"), false],
    [
      "three exact destinations among other rules",
      [...many(3, (i) => to(`10.0.0.${i}`)), ...many(9, () => "-i eth0")],
      false,
    ],
    [
      "four exact destinations among other rules",
      [...many(4, (i) => to(`10.0.0.${i}`)), ...many(8, () => "-i eth0")],
      true,
    ],
  ])("%s: %j", (_name, rules, expected) => {
    expect(indexOf(rules) !== null).toBe(expected);
  });
});

describe("candidates", () => {
  it("are the rules of the packet's own destination, and what names none, in the chain's order", () => {
    const rules = ["-i eth0 -j LOG", ...many(20, (i) => to(`10.0.0.${i % 5}`)), "-j LOG"];
    const index = indexOf(rules) as ChainIndex;
    expect(candidates(index, packet(0x0a000002), rules.length)).toEqual([0, 3, 8, 13, 18, 21]);
    expect(candidates(index, packet(0x0a000063), rules.length)).toEqual([0, 21]);
    expect(index.next(packet(0x0a000002), 9)).toBe(13);
    expect(index.next(packet(0x0a000002), rules.length)).toBe(rules.length);
  });

  it("need protocol and port as well where the rules name them", () => {
    const rules = many(16, (i) =>
      to(`10.0.0.${i % 2}`, `-p ${i < 8 ? "tcp -m tcp" : "udp -m udp"} --dport ${80 + (i % 4)} `),
    );
    const index = indexOf(rules) as ChainIndex;
    expect(candidates(index, packet(0x0a000000, 80, 6), 16)).toEqual([0, 4]);
    expect(candidates(index, packet(0x0a000001, 83, 17), 16)).toEqual([11, 15]);
    expect(candidates(index, packet(0x0a000000, 81, 17), 16)).toEqual([]);
  });

  it("of 0.0.0.0 and of port 0 are found though zero looks like nothing", () => {
    const rules = [
      ...many(6, (i) => to(`0.0.0.${i}`)),
      ...many(6, (i) => `-p tcp -m tcp --dport ${i} -j DROP`),
    ];
    const index = indexOf(rules) as ChainIndex;
    expect(candidates(index, packet(0, 0), 12)).toEqual([0, 6]);
  });

  it("never leave out a rule that could match, and come in order", () => {
    fc.assert(
      fc.property(generatedTable(), generatedPacket(), (table, fields) => {
        const compiled = tableOf(tableText(table));
        const p = packetOf(fields);
        for (const { name, rules } of table.chains) {
          const index = compiled.base.indexAt(compiled.base.chains.findIndex((chain) => chain.name === name));
          if (index === null) continue;
          const found = candidates(index, p, rules.length);
          expect(found).toEqual([...found].sort((a, b) => a - b));
          rules.forEach((rule, i) => {
            const { src, dst, protocol, dport } = rule;
            const excluded =
              (dst !== null && !dst.not && dst.value.length === 32 && dst.value.address !== p.dst) ||
              (src !== null && !src.not && src.value.length === 32 && src.value.address !== p.src) ||
              (protocol !== null && !protocol.not && protocol.value !== p.protocol) ||
              (dport !== null && !dport.not && (p.dport < dport.value.min || p.dport > dport.value.max));
            if (!excluded) expect(found).toContain(i);
          });
        }
      }),
      { numRuns: 500 },
    );
  });
});
