import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatSelector,
  matches,
  parseSelector,
  type Requirement,
  selectorOf,
} from "../../src/object/selector.ts";

describe("matchExpressions", () => {
  it.each([
    ["In", ["a", "b"], { x: "b" }, true],
    ["In", ["a", "b"], { x: "c" }, false],
    ["In", ["a"], {}, false],
    ["NotIn", ["a"], { x: "b" }, true],
    ["NotIn", ["a"], { x: "a" }, false],
    ["NotIn", ["a"], {}, true],
    ["Exists", undefined, { x: "" }, true],
    ["Exists", undefined, { y: "1" }, false],
    ["DoesNotExist", undefined, { y: "1" }, true],
    ["DoesNotExist", undefined, { x: "1" }, false],
    ["Exists", undefined, Object.create({ x: "inherited" }), false],
  ])("x %s %j on %j: %s", (operator, values, labels, expected) => {
    const expression = { key: "x", operator, ...(values === undefined ? {} : { values }) };
    expect(matches(selectorOf({ matchExpressions: [expression] }), labels)).toBe(expected);
  });

  it("all of matchLabels and matchExpressions must hold; an empty selector matches everything", () => {
    const selector = selectorOf({
      matchLabels: { a: "1" },
      matchExpressions: [{ key: "b", operator: "Exists" }],
    });
    expect(matches(selector, { a: "1", b: "2" })).toBe(true);
    expect(matches(selector, { a: "1" })).toBe(false);
    expect(matches([], undefined)).toBe(true);
  });
});

describe("selector strings", () => {
  it.each([
    ["app=web", { app: "web" }, true],
    ["app==web,tier!=db", { app: "web" }, true],
    ["app in (web, api),!canary", { app: "api" }, true],
    ["app notin (web,api)", { app: "db" }, true],
    ["app", { app: "" }, true],
    ["!app", { app: "" }, false],
    ["cpu>4,cpu<9", { cpu: "5" }, true],
    ["cpu>4", { cpu: "x" }, false],
    ["app.kubernetes.io/name=web", { "app.kubernetes.io/name": "web" }, true],
    ["", { a: "b" }, true],
  ])("%s on %j: %s", (text, labels, expected) => {
    const parsed = parseSelector(text);
    expect(parsed.kind === "ok" && matches(parsed.selector, labels)).toBe(expected);
  });

  it.each(["app=we b", "=web", "app in web", "app in (a b)", "app=a,,b=c", "-app=x", "a>b"])(
    "%s is refused",
    (text) => {
      expect(parseSelector(text).kind).toBe("invalid");
    },
  );

  it("format and parse are inverse", () => {
    const word = fc.stringMatching(/^[a-z]([-a-z0-9]{0,5}[a-z0-9])?$/);
    const requirement: fc.Arbitrary<Requirement> = fc.oneof(
      fc.record({
        kind: fc.constantFrom("in" as const, "not-in" as const),
        key: word,
        values: fc.array(word, { minLength: 1, maxLength: 3 }),
      }),
      fc.record({ kind: fc.constantFrom("exists" as const, "does-not-exist" as const), key: word }),
      fc.record({
        kind: fc.constantFrom("greater" as const, "less" as const),
        key: word,
        than: fc.integer({ min: -99, max: 99 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(requirement, { maxLength: 4 }), (selector) => {
        expect(parseSelector(formatSelector(selector))).toEqual({ kind: "ok", selector });
      }),
    );
  });
});
