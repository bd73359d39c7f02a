import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fold, hang } from "../../src/present/fold.ts";

describe("a text folded", () => {
  it.each([
    ["one two three", 7, ["one two", "three"]],
    ["one two three", 5, ["one", "two", "three"]],
    ["onetwothree", 5, ["onetwothree"]],
    ["", 5, [""]],
    ["a  b", 10, ["a  b"]],
  ])("%j in %i columns", (text, width, lines) => {
    expect(fold(text, width)).toEqual(lines);
  });

  it("loses nothing, and only a lone word is wider than asked", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 80 }), (text, width) => {
        const lines = fold(text, width);
        expect(lines.join(" ")).toBe(text);
        for (const line of lines) expect(line.length <= width || !line.trim().includes(" ")).toBe(true);
      }),
    );
  });

  it("hangs under what stands before it", () => {
    expect(hang("  fix  ", "a sentence that does not fit into one line", 30, 2)).toEqual([
      "  fix  a sentence that does",
      "         not fit into one line",
    ]);
  });
});
