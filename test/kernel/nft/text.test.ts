import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatNftJson } from "../../../src/kernel/nft/json/format.ts";
import { parseNftJson } from "../../../src/kernel/nft/json/parse.ts";
import type { NftRuleset } from "../../../src/kernel/nft/ruleset.ts";
import { formatNftRuleset } from "../../../src/kernel/nft/text/format.ts";
import { parseNftRuleset } from "../../../src/kernel/nft/text/parse.ts";
import { readRecording, recordingNames } from "../../fixtures.ts";
import { WILD } from "../../source/wild.ts";

/** What nft printed is read and printed again. */

interface Dump {
  readonly name: string;
  readonly text: string;
  readonly json: { readonly nftables: readonly { readonly metainfo?: unknown }[] };
}

const dumps: Dump[] = recordingNames().flatMap((recording) => {
  const { hosts } = readRecording(recording) as {
    hosts: Record<string, { nftRuleset?: string; nftRulesetJson?: Dump["json"] }>;
  };
  return Object.entries(hosts).flatMap(([host, { nftRuleset, nftRulesetJson }]) =>
    nftRuleset === undefined || nftRuleset === "" || nftRulesetJson === undefined
      ? []
      : [{ name: `${recording} ${host}`, text: nftRuleset, json: nftRulesetJson }],
  );
});

function read(text: string): NftRuleset {
  const parsed = parseNftRuleset(text);
  if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.errors));
  return parsed.ruleset;
}

function readJson(json: unknown): NftRuleset {
  const parsed = parseNftJson(json, () => 0);
  if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.errors));
  return parsed.ruleset;
}

/** Statements that no part of the walk could know. */
function unreadIn(ruleset: NftRuleset): string[] {
  const found: string[] = [];
  JSON.stringify(ruleset, (_key, value: unknown) => {
    const { kind, text } = (value ?? {}) as { kind?: unknown; text?: unknown };
    if (kind === "other") found.push(String(text));
    return value;
  });
  return found;
}

describe("recorded rule sets", () => {
  it("are many", () => {
    expect(dumps.length).toBeGreaterThan(15);
  });

  it.each(dumps)("$name: text, byte for byte", ({ text }) => {
    const ruleset = read(text);
    expect(formatNftRuleset(ruleset, true)).toBe(text);
    // Without handles it is the same but for them.
    expect(formatNftRuleset(ruleset)).toBe(text.replaceAll(/ # handle \d+$/gm, ""));
  });

  it.each(dumps)("$name: JSON, entry for entry", ({ json }) => {
    const { metainfo } = json.nftables[0] ?? {};
    expect(JSON.stringify(formatNftJson(readJson(json), metainfo))).toBe(JSON.stringify(json));
  });

  it.each(dumps.filter(({ json }) => !JSON.stringify(json).includes('"xt"')))(
    "$name: the text says what the JSON says",
    ({ text, json }) => {
      const { metainfo } = json.nftables[0] ?? {};
      expect(formatNftJson(read(text), metainfo)).toEqual(json);
    },
  );

  it("are understood to the last word where nft itself wrote them", () => {
    const own = dumps.filter(({ json }) => !JSON.stringify(json).includes('"xt"'));
    expect(own.flatMap(({ text }) => unreadIn(read(text)))).toEqual([]);
  });
});

/** Lines that nft 1.0.6 prints so, each loaded by it and listed again when this table was made. */
const RULES = readFileSync(new URL("../../../fixtures/nft/rules.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "");

describe("rules as nft prints them", () => {
  it.each(RULES)("%s", (rule) => {
    const text = `table inet t {\n\tchain c {\n\t\t${rule}\n\t}\n}\n`;
    expect(formatNftRuleset(read(text))).toBe(text);
  });
});

describe("sets, maps and objects as nft prints them", () => {
  const text = readFileSync(new URL("../../../fixtures/nft/objects.txt", import.meta.url), "utf8");
  it("all kinds, byte for byte", () => {
    expect(formatNftRuleset(read(text))).toBe(text);
  });
});

describe("what is not nft's", () => {
  it.each([
    ["chain x { }", 1, "a table"],
    ["table ip t {\n  chain c {\n", 3, "ends"],
    ["table ip t {\n  set s {\n  }\n}\n", 3, "has no type"],
    ["table ip t {\n  set s {\n    type ipv5_addr\n  }\n}\n", 3, "no data type"],
    ["table ip t {\n  chain c {\n    type filter hook input priority dstnat;\n  }\n}\n", 3, "no priority"],
    ["table ip t {\n  chain c {\n    ~\n  }\n}\n", 3, "nothing that nft reads"],
  ])("%j is told by line", (text, line, message) => {
    const parsed = parseNftRuleset(text);
    expect(parsed.kind).toBe("invalid");
    if (parsed.kind !== "invalid") return;
    expect(parsed.errors[0]?.line).toBe(line);
    expect(parsed.errors[0]?.message).toContain(message);
  });

  it("a statement of a newer nft stands in a dump as it is", () => {
    const text = "table ip t {\n\tchain c {\n\t\tfrobnicate with 3 counter packets 1 bytes 2 drop\n\t}\n}\n";
    expect(unreadIn(read(text))).toEqual(["frobnicate with 3"]);
    expect(formatNftRuleset(read(text))).toBe(text);
  });
});

describe.skipIf(!existsSync(join(WILD, "nft-kube-proxy-flannel")))(`dumps in ${WILD}`, () => {
  const wild = (name: string): string => readFileSync(join(WILD, name), "utf8");

  it("flannel's table, byte for byte", () => {
    const text = wild("nft-kube-proxy-flannel/nft-list-table-flannel-ipv4.txt");
    expect(formatNftRuleset(read(text))).toBe(text);
  });

  it("kube-proxy's table, cut short by who quoted it: its chains are there, those it lacks are missed", () => {
    const [table] = read(wild("nft-kube-proxy-flannel/nft-a-list-table-kube-proxy.truncated.txt")).tables;
    const names = new Set(table?.chains.map(({ name }) => name));
    expect(names.size).toBeGreaterThan(5);
    expect(names).not.toContain("mark-for-masquerade");
  });

  it.each(["ntt_list_ruleset_doc.txt", "ntt_list_ruleset_two_chains.txt"])("insights-core %s", (name) => {
    const json = JSON.parse(wild(`insights-core/nftables/${name}`)) as Dump["json"];
    const { metainfo } = json.nftables[0] ?? {};
    // A rule stands behind all chains in what is printed.
    expect(
      new Set(
        (formatNftJson(readJson(json), metainfo)["nftables"] as unknown[]).map((each) =>
          JSON.stringify(each),
        ),
      ),
    ).toEqual(new Set(json.nftables.map((each) => JSON.stringify(each))));
  });

  it.each(["new-daemon.md", "usernet-internal.md", "usernet-portmap.md"])("Docker's %s", (name) => {
    const blocks = [...wild(`docker-nftables/${name}`).matchAll(/^( *)table [\s\S]*?^\1\}$/gm)].map(
      ([block]) => block,
    );
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) expect(unreadIn(read(block))).toEqual([]);
  });
});

describe("a rule of iptables' tables that shares its line", () => {
  it.each([
    "ip ttl gt 62 counter; ip ttl gt 63 counter",
    "counter;  counter",
    "counter\\\n ip ttl gt 62 counter",
  ])("%j", (rules) => {
    const once = formatNftRuleset(read(`table ip filter {\n\tchain c {\n\t\t${rules}\n\t}\n}\n`));
    expect(formatNftRuleset(read(once))).toBe(once);
  });
});
