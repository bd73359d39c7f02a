import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Family } from "../../../../src/address/ip.ts";
import { MATCHES } from "../../../../src/kernel/netfilter/match/registry.ts";
import type { Ruleset } from "../../../../src/kernel/netfilter/rule.ts";
import { formatIptablesSave } from "../../../../src/kernel/netfilter/save/format.ts";
import { TARGETS } from "../../../../src/kernel/netfilter/target/registry.ts";
import { readRecording, recordingNames } from "../../../fixtures.ts";
import { matchFields } from "../arbitrary-match.ts";
import { table, targetFields } from "../arbitrary-rule.ts";
import { BUILT_IN_CHAINS } from "../built-in-chains.ts";
import { parsed } from "../parsed.ts";

const withoutComments = (text: string) => text.replace(/^#.*\n/gm, "");

describe("laws", () => {
  const families = [4, 6] as const;
  it.each(families.flatMap((family) => Object.keys(BUILT_IN_CHAINS).map((name) => [family, name] as const)))(
    "parse ∘ format is the identity on IPv%s's table %s",
    (family, name) => {
      fc.assert(
        fc.property(table(name, family), (rules) => {
          const ruleset: Ruleset = { backend: "legacy", tables: new Map([[name, rules]]) };
          expect(parsed(formatIptablesSave(ruleset, { counters: true }), family)).toEqual(ruleset);
        }),
      );
    },
  );

  it("generates every kind of match and target", () => {
    expect(Object.keys(matchFields(6)).sort()).toEqual([...MATCHES.keys()].sort());
    expect(Object.keys(targetFields(6)).sort()).toEqual([...TARGETS.keys()].sort());
  });
});

describe("recordings", () => {
  it.each(recordingNames())("%s is printed as it was read", (name) => {
    const recording = readRecording(name);
    for (const family of [4, 6] as const) {
      for (const text of savesIn(recording, family)) {
        expect(formatIptablesSave(parsed(text, family))).toBe(withoutComments(text));
      }
    }
  });
});

/** Dumps from machines nobody here made; the folder is not part of the repository. */
const WILD = process.env["HOPSCOPE_WILD"] ?? "../shared/wild";

describe.skipIf(!existsSync(WILD))(`dumps in ${WILD}, or skipped when it is absent`, () => {
  it.each(existsSync(WILD) ? wildDumps(WILD) : [])(
    "%s is read, and what is printed reads the same",
    (file) => {
      const family = /(^|\/)ip6tables/.test(file.replaceAll("\\", "/")) ? 6 : 4;
      const rules = parsed(readFileSync(join(WILD, file), "utf8"), family);
      expect(parsed(formatIptablesSave(rules), family).tables).toEqual(rules.tables);
    },
  );
});

/** Every `iptablesSave`, or `ip6tablesSave`, in a recording. */
function savesIn(json: unknown, family: Family): string[] {
  if (typeof json !== "object" || json === null) return [];
  return Object.entries(json).flatMap(([key, value]) =>
    key === (family === 6 ? "ip6tablesSave" : "iptablesSave") && typeof value === "string"
      ? [value]
      : savesIn(value, family),
  );
}

function wildDumps(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /(^|\/)ip6?tables[^/]*\.txt$/.test(file.replaceAll("\\", "/")))
    .filter(
      (file) =>
        statSync(join(folder, file)).isFile() && /^:INPUT /m.test(readFileSync(join(folder, file), "utf8")),
    )
    .sort();
}
