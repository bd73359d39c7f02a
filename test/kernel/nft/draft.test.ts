import { describe, expect, it } from "vitest";
import { applyOperations } from "../../../src/kernel/apply-operation.ts";
import { emptyHost } from "../../../src/kernel/host.ts";
import type { NftRuleset } from "../../../src/kernel/nft/ruleset.ts";
import { formatNftRuleset } from "../../../src/kernel/nft/text/format.ts";
import { parseNftScript } from "../../../src/kernel/nft/text/parse-script.ts";
import { operationText } from "../../../src/kernel/operation-text.ts";
import { loaded } from "./script.ts";

/** Commands of nft, one after the other, on a table to begin with. */

const BASE = `table ip t {
	set s {
		type ipv4_addr
		elements = { 10.0.0.1 }
	}

	map m {
		type inet_service : verdict
		elements = { 80 : goto web }
	}

	chain web {
		accept
	}

	chain in {
		type filter hook input priority filter; policy accept;
		tcp dport vmap @m
		ip saddr @s drop
	}
}
`;

const base = (): NftRuleset => loaded(BASE);

/** What a script makes of the base, or why it cannot be done. */
function resultOf(script: string): string {
  const parsed = parseNftScript(script, base());
  if (parsed.kind === "invalid")
    return parsed.errors.map(({ line, message }) => `${line}: ${message}`).join("; ");
  const host = { ...emptyHost("h", "node"), nft: base() };
  const applied = applyOperations(host, [{ kind: "nft", commands: parsed.commands }]);
  if (applied.kind === "invalid") return applied.errors.map(({ message }) => message).join("; ");
  return applied.host.nft === null ? "" : formatNftRuleset(applied.host.nft);
}

describe("commands", () => {
  it("a block loads as it is printed", () => {
    expect(formatNftRuleset(base())).toBe(BASE);
  });

  it.each([
    ["add rule ip t in tcp dport 22 accept", "\t\tip saddr @s drop\n\t\ttcp dport 22 accept\n"],
    ["insert rule ip t in tcp dport 22 accept", "policy accept;\n\t\ttcp dport 22 accept\n"],
    ["insert rule t in index 1 tcp dport 22 accept", "vmap @m\n\t\ttcp dport 22 accept\n\t\tip saddr"],
    ["add rule ip t in handle 6 counter", "vmap @m\n\t\tcounter\n\t\tip saddr"],
    ["replace rule ip t in handle 6 counter", "policy accept;\n\t\tcounter\n\t\tip saddr"],
    ["delete rule ip t in handle 6", "policy accept;\n\t\tip saddr @s drop\n"],
    ["flush chain ip t web", "\tchain web {\n\t}\n"],
    ["add element ip t s { 10.0.0.2, 10.0.0.1 }", "elements = { 10.0.0.1, 10.0.0.2 }"],
    ["delete element ip t s { 10.0.0.1 }", "\t\ttype ipv4_addr\n\t}"],
    ["delete element ip t m { 80 }", "\t\ttype inet_service : verdict\n\t}"],
    ["delete element ip t m { 80 : goto web }", "\t\ttype inet_service : verdict\n\t}"],
    [
      "add set ip t n { type inet_service; flags interval; }\nadd element ip t n { 1-5 }",
      "elements = { 1-5 }",
    ],
    ["add chain ip t in { type filter hook input priority 0; policy drop; }", "policy drop;"],
    ["add table inet u", "table inet u {\n}\n"],
    ["add counter ip t c { packets 1 bytes 2; }\nadd rule ip t web counter name c", 'counter name "c"'],
    ["destroy table ip nothing", BASE],
    ["table ip t {\n  chain web { drop; }\n}\n", "\t\taccept\n\t\tdrop\n"],
  ])("%s", (script, expected) => {
    expect(resultOf(script)).toContain(expected);
  });

  it.each([
    ["delete table ip t", ""],
    ["flush ruleset", ""],
    ["flush ruleset inet", BASE],
  ])("%s leaves %j", (script, expected) => {
    expect(resultOf(script)).toBe(expected);
  });

  it.each([
    ["add rule ip u in accept", "there is no table ip u"],
    ["add rule ip t im accept", "table t has no chain im (did you mean"],
    ["add rule ip t in jump nowhere", "table t has no chain nowhere"],
    ["add rule ip t in ip saddr @x drop", "table t has no set x"],
    ["add element ip t m { 81 : goto nowhere }", "table t has no chain nowhere"],
    ["add element ip t m { 80 : drop }", "with another value"],
    ["create element ip t s { 10.0.0.1 }", "has 10.0.0.1 already"],
    ["create chain ip t web", "there is a chain web already"],
    ["delete chain ip t web", "an element of m goes to chain web"],
    ["delete set ip t s", "rule 2 of chain in uses set s"],
    ["delete element ip t s { 10.9.9.9 }", "s has no element 10.9.9.9"],
    ["delete rule ip t in handle 99", "no rule with handle 99"],
    ["add element ip t s { 10.0.0.300 }", "1: a value of ipv4_addr is expected"],
    ["add rule ip t in tcp dprt 80 accept", '1: tcp has no field "dprt"'],
    ["add rule ip t in frobnicate\nadd rule ip t in tcp dport x", "2: a value of inet_service"],
    ["ad rule ip t in accept", "1: a command is one of add, create"],
  ])("%s is refused: %s", (script, message) => {
    expect(resultOf(script)).toContain(message);
  });

  it("nothing is half done", () => {
    const commands = parseNftScript("add rule ip t in accept\nadd rule ip u x accept", base());
    if (commands.kind === "invalid") throw new Error("invalid");
    const host = { ...emptyHost("h", "node"), nft: base() };
    expect(applyOperations(host, [{ kind: "nft", commands: commands.commands }]).kind).toBe("invalid");
    expect(host.nft).toEqual(base());
  });

  it("what a change does not touch is shared with before", () => {
    const nft = base();
    const changed = loaded("add rule ip t in accept", nft);
    expect(changed.tables[0]?.chains[0]).toBe(nft.tables[0]?.chains[0]);
    expect(changed.tables[0]?.sets[0]).toBe(nft.tables[0]?.sets[0]);
  });

  it.each([
    "add rule ip t in tcp dport 22 accept",
    "insert rule ip t in index 1 tcp dport 22 accept",
    "replace rule ip t in handle 6 accept",
    "delete rule ip t in handle 6",
    "add element ip t s { 10.0.0.2, 10.0.0.3 }",
    "delete element ip t m { 80 }",
    "delete chain ip t web",
    "destroy set ip t s",
    "flush ruleset",
    "flush chain ip t in",
    "delete ct helper ip t h",
  ])("%s has that text", (line) => {
    const parsed = parseNftScript(line, base());
    if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.errors));
    const [text] = operationText({ kind: "nft", commands: parsed.commands });
    expect(text).toBe(`nft '${line}'`);
  });

  it("blocks have a text that reads as the same", () => {
    for (const script of [
      BASE,
      "add chain ip t x { type nat hook output priority -100; }",
      "add set ip t q { type ipv4_addr; flags dynamic,timeout; timeout 5m; }",
    ]) {
      const parsed = parseNftScript(script, base());
      if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.errors));
      const text = operationText({ kind: "nft", commands: parsed.commands })
        .map((line) => line.replace(/^nft '([\s\S]*)'$/, "$1"))
        .join("\n");
      expect(formatNftRuleset(loaded(text, base()))).toBe(formatNftRuleset(loaded(script, base())));
    }
  });
});
