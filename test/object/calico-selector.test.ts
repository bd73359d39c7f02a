import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CalicoSelector,
  calicoSelector,
  formatCalicoSelector,
  parseCalicoSelector,
  selects,
} from "../../src/object/calico-selector.ts";

const LABELS = { app: "web", tier: "front", "a.b/c": "x-1", empty: "" };

describe("what a selector chooses", () => {
  it.each([
    ["", true],
    ["all()", true],
    ["global()", true],
    ["has(app)", true],
    ["!has(app)", false],
    ["has(nothing)", false],
    ["has(empty)", true],
    ["app == 'web'", true],
    ['app == "web"', true],
    ["app=='web'", true],
    ["app != 'web'", false],
    // A label that is not there is no value, so it is none of them.
    ["nothing != 'web'", true],
    ["nothing == ''", false],
    ["empty == ''", true],
    ["app in {'web', 'api'}", true],
    ["app in {'api'}", false],
    ["app in {}", false],
    ["app not in {'api'}", true],
    ["nothing not in {'api'}", true],
    ["nothing in {'api'}", false],
    ["app contains 'e'", true],
    ["app starts with 'we'", true],
    ["app ends with 'we'", false],
    ["a.b/c == 'x-1'", true],
    ["!(app == 'web')", false],
    ["!!has(app)", true],
    // `&&` binds closer than `||`.
    ["has(app) || has(nothing) && has(never)", true],
    ["(has(app) || has(nothing)) && has(never)", false],
    ["! has(nothing) && tier == 'front'", true],
    ["has == 'x'", false],
  ])("%s: %s", (text, isChosen) => {
    expect(selects(calicoSelector(text), LABELS)).toBe(isChosen);
  });
});

describe("the canonical text, which Calico hashes", () => {
  it.each([
    ["  ", "all()"],
    ["app=='web'", 'app == "web"'],
    [`app == 'say "x"'`, `app == 'say "x"'`],
    ["a in {'z','b'}", 'a in {"b", "z"}'],
    ["a not in { 'z' }", 'a not in {"z"}'],
    ["! has( a )", "!has(a)"],
    ["has(a)&&has(b)||has(c)", "((has(a) && has(b)) || has(c))"],
  ])("%s", (text, canonical) => {
    expect(formatCalicoSelector(calicoSelector(text))).toBe(canonical);
  });
});

describe("what is no selector is told", () => {
  it.each([
    ["app = 'web'", "= has no meaning there"],
    ["app == web", "web where a value in quotes is expected"],
    ["app ==", "it ends where a value in quotes is expected"],
    ["app", "it ends where ==, !=, in, not in, contains, starts with or ends with behind app is expected"],
    [
      "app is 'web'",
      "is is none of ==, !=, in, not in, contains, starts with, ends with (values stand in quotes)",
    ],
    ["has(app", "it ends where ) is expected"],
    ["app in 'web'", '"web" where { is expected'],
    ["app in {'web'", "it ends where } is expected"],
    ["app == 'web' tier == 'x'", "tier stands behind its end"],
    ["app starts 'x'", '"x" where with is expected'],
    ["&& has(app)", "&& where a label, all(), global(), has(), ! or ( is expected"],
    ["app == 'web", "' has no meaning there"],
  ])("%s", (text, message) => {
    const parsed = parseCalicoSelector(text);
    expect(parsed).toEqual({
      kind: "invalid",
      message: `${JSON.stringify(text)} is no selector: ${message}`,
    });
  });
});

const key = fc.constantFrom("app", "tier", "a.b/c", "has", "in", "x_y");
const value = fc.stringMatching(/^[a-z0-9 .-]{0,6}$/);
const { selector } = fc.letrec<{ selector: CalicoSelector }>((tie) => ({
  selector: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom<CalicoSelector>({ kind: "all" }, { kind: "global" }),
    fc.record({ kind: fc.constant("has" as const), key }),
    fc.record({ kind: fc.constantFrom("==", "!=", "contains", "starts with", "ends with"), key, value }),
    fc.record({
      kind: fc.constantFrom("in", "not in"),
      key,
      values: fc.uniqueArray(value, { maxLength: 3 }).map((values) => values.sort()),
    }),
    fc.record({ kind: fc.constant("!" as const), of: tie("selector") }),
    fc.record({
      kind: fc.constantFrom("&&", "||"),
      of: fc.array(tie("selector"), { minLength: 2, maxLength: 3 }),
    }),
  ),
}));

describe("laws", () => {
  it("format and parse are inverse", () => {
    fc.assert(
      fc.property(selector, (made) => {
        expect(calicoSelector(formatCalicoSelector(made))).toEqual(made);
      }),
    );
  });

  it("a negation chooses the others", () => {
    fc.assert(
      fc.property(selector, (made) => {
        expect(selects({ kind: "!", of: made }, LABELS)).toBe(!selects(made, LABELS));
      }),
    );
  });
});
