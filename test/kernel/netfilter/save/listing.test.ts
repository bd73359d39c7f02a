import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { tableOfChains } from "../../../../src/kernel/netfilter/save/chain-lines.ts";
import { tablesOfCommands } from "../../../../src/kernel/netfilter/save/commands.ts";
import { formatIptablesSave } from "../../../../src/kernel/netfilter/save/format.ts";
import { tableOfListing } from "../../../../src/kernel/netfilter/save/listing.ts";
import { parseIptablesSave } from "../../../../src/kernel/netfilter/save/parse.ts";
import { linesOf, type TextLine } from "../../../../src/kernel/tool-text.ts";

/**
 * One set of rules as iptables 1.8.9 itself printed it: `iptables-save`, and for every table `-S` and `-L` in several forms.
 * The two backends print the same lists.
 */
const read = (name: string) =>
  readFileSync(new URL(`../../../../fixtures/node-tools/${name}`, import.meta.url), "utf8");

const SAVE = read("iptables-nft.save");
const LISTS = read("iptables-nft.lists");

/** `$ iptables -t nat -L -n -v` and what stands below it. */
const outputs = LISTS.split(/^\$ /m)
  .slice(1)
  .map((part) => {
    const [command = ""] = part.split("\n", 1);
    const [, table = "", options = ""] = /-t (\w+) -(.*)$/.exec(command) ?? [];
    return { command, table, options, lines: linesOf(part.slice(command.length + 1)) };
  });

const ofForm = (options: string) => outputs.filter((output) => output.options === options);

/** The rules of a table in the one spelling that `iptables-save` has, or what could not be read. */
function canonical(table: string, lines: readonly TextLine[], chains: readonly string[]): string[] {
  const text = [`*${table}`, ...chains, ...lines.map((line) => line.text), "COMMIT", ""].join("\n");
  const parsed = parseIptablesSave(text);
  if (parsed.kind === "invalid") return parsed.errors.map((error) => `${error.message}: ${error.text}`);
  return formatIptablesSave(parsed.ruleset)
    .split("\n")
    .filter((line) => line.startsWith("-A"));
}

function savedRules(table: string): string[] {
  const [, block = ""] = new RegExp(`^\\*${table}\n([^]*?)^COMMIT`, "m").exec(SAVE) ?? [];
  const lines = block.split("\n");
  const declared = lines.filter((line) => line.startsWith(":"));
  return canonical(table, linesOf(lines.filter((line) => line.startsWith("-A")).join("\n")), declared);
}

function declaredOf(table: string): string[] {
  const [, block = ""] = new RegExp(`^\\*${table}\n([^]*?)^COMMIT`, "m").exec(SAVE) ?? [];
  return block.split("\n").filter((line) => line.startsWith(":"));
}

const sorted = (rules: readonly string[]) => [...rules].sort();

/** `-L` prints nothing of a reject's default, of LOG's level by name, and MARK by what it does to the mark. */
describe.each(ofForm("L -n -v"))("$command", ({ table, lines }) => {
  const read = tableOfListing(lines);

  it("is the rules of iptables-save again", () => {
    expect(read.faults).toEqual([]);
    expect(read.odd).toEqual([]);
    const rules = read.chains.flatMap((chain) => chain.rules);
    expect(sorted(canonical(table, rules, declaredOf(table)))).toEqual(sorted(savedRules(table)));
  });

  it("has the policies, and lets tell which table it is", () => {
    const policies = read.chains.map(({ name, policy }) => `:${name} ${policy ?? "-"}`);
    expect(sorted(policies)).toEqual(sorted(declaredOf(table).map((line) => line.replace(/ \[.*$/, ""))));
    expect(tableOfChains(read.chains)).toBe(table);
  });
});

describe.each(ofForm("nvL --line-numbers"))("$command", ({ table, lines }) => {
  it("is the same as without numbers", () => {
    const numbered = tableOfListing(lines);
    const [plain] = ofForm("L -n -v").filter((output) => output.table === table);
    expect(numbered.chains.map(({ rules }) => rules.map(({ text }) => text))).toEqual(
      tableOfListing(plain?.lines ?? []).chains.map(({ rules }) => rules.map(({ text }) => text)),
    );
  });
});

describe.each(ofForm("L -n"))("$command", ({ table, lines }) => {
  it("is the same rules without their devices, which is said", () => {
    const read = tableOfListing(lines);
    const rules = read.chains.flatMap((chain) => chain.rules);
    const withoutDevices = savedRules(table).map((rule) => rule.replace(/(?: !)? -[io] \S+/g, ""));
    expect(sorted(canonical(table, rules, declaredOf(table)))).toEqual(sorted(withoutDevices));
    expect(read.assumed).toEqual([expect.stringContaining("does not say by which devices")]);
  });
});

describe.each(ofForm("L -v"))("$command", ({ table, lines }) => {
  it("is the same rules, addresses and ports by name", () => {
    const rules = tableOfListing(lines).chains.flatMap((chain) => chain.rules);
    expect(sorted(canonical(table, rules, declaredOf(table)))).toEqual(sorted(savedRules(table)));
  });
});

describe.each(ofForm("S"))("$command", ({ table, lines }) => {
  it("is the rules of iptables-save again", () => {
    const said = tablesOfCommands(lines, table).get(table);
    const rules = said?.chains.flatMap((chain) => chain.rules) ?? [];
    expect(sorted(canonical(table, rules, declaredOf(table)))).toEqual(sorted(savedRules(table)));
    expect(said?.faults).toEqual([]);
  });
});

describe("a listing", () => {
  const list = (...rules: readonly string[]) =>
    tableOfListing(
      linesOf(
        [
          "Chain X (1 references)",
          " pkts bytes target     prot opt in     out     source    destination",
          ...rules,
        ].join("\n"),
      ),
    );

  it("keeps words that no reading is known for as a match that nobody models", () => {
    const { chains } = list("    0     0 DROP  all  --  *  *  0.0.0.0/0  0.0.0.0/0  bpf match foo /* why */");
    expect(chains[0]?.rules[0]?.text).toBe('-A X -m listed --text "bpf match foo /* why */" -j DROP');
  });

  it("names a line that was cut off", () => {
    const { faults } = list("    0     0 DROP       all  --  *");
    expect(faults).toEqual([{ line: 3, message: expect.stringContaining("it was cut off") }]);
  });

  it("says which addresses are names that only the node can look up", () => {
    const { chains, assumed } = list("    0     0 DROP  all  --  any  any  node7.example  anywhere");
    expect(chains[0]?.rules[0]?.text).toContain("-m name-of-an-address --source-name node7.example");
    expect(assumed[0]).toContain("node7.example");
  });
});
