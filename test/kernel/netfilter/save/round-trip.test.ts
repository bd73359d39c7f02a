import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MATCHES } from "../../../../src/kernel/netfilter/match/registry.ts";
import type { Ruleset } from "../../../../src/kernel/netfilter/rule.ts";
import { formatIptablesSave } from "../../../../src/kernel/netfilter/save/format.ts";
import { TARGETS } from "../../../../src/kernel/netfilter/target/registry.ts";
import { readRecording, recordingNames } from "../../../fixtures.ts";
import { MATCH_FIELDS } from "../arbitrary-match.ts";
import { TARGET_FIELDS, table } from "../arbitrary-rule.ts";
import { BUILT_IN_CHAINS } from "../built-in-chains.ts";
import { parsed } from "../parsed.ts";

const withoutComments = (text: string) => text.replace(/^#.*\n/gm, "");

describe("laws", () => {
  it.each(Object.keys(BUILT_IN_CHAINS))("parse ∘ format is the identity on a table %s", (name) => {
    fc.assert(
      fc.property(table(name), (rules) => {
        const ruleset: Ruleset = { backend: "legacy", tables: new Map([[name, rules]]) };
        expect(parsed(formatIptablesSave(ruleset, { counters: true }))).toEqual(ruleset);
      }),
    );
  });

  it("generates every kind of match and target", () => {
    expect(Object.keys(MATCH_FIELDS).sort()).toEqual([...MATCHES.keys()].sort());
    expect(Object.keys(TARGET_FIELDS).sort()).toEqual([...TARGETS.keys()].sort());
  });
});

describe("recordings", () => {
  it.each(recordingNames())("%s is printed as it was read", (name) => {
    for (const text of savesIn(readRecording(name))) {
      expect(formatIptablesSave(parsed(text))).toBe(withoutComments(text));
    }
  });
});

/** Dumps from machines nobody here made; the folder is not part of the repository. */
const WILD = process.env["HOPSCOPE_WILD"] ?? "../shared/wild";

describe.skipIf(!existsSync(WILD))(`dumps in ${WILD}, or skipped when it is absent`, () => {
  it.each(existsSync(WILD) ? wildDumps(WILD) : [])(
    "%s is read, and what is printed reads the same",
    (file) => {
      const rules = parsed(readFileSync(join(WILD, file), "utf8"));
      expect(parsed(formatIptablesSave(rules)).tables).toEqual(rules.tables);
    },
  );
});

/** Every `iptablesSave` in a recording. */
function savesIn(json: unknown): string[] {
  if (typeof json !== "object" || json === null) return [];
  return Object.entries(json).flatMap(([key, value]) =>
    key === "iptablesSave" && typeof value === "string" ? [value] : savesIn(value),
  );
}

function wildDumps(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /(^|\/)iptables[^/]*\.txt$/.test(file.replaceAll("\\", "/")))
    .filter(
      (file) =>
        statSync(join(folder, file)).isFile() && /^:INPUT /m.test(readFileSync(join(folder, file), "utf8")),
    )
    .sort();
}
