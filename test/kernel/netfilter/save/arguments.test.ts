import { describe, expect, it } from "vitest";
import { ArgumentReader, parseUint } from "../../../../src/kernel/netfilter/save/arguments.ts";
import { quoteString } from "../../../../src/kernel/netfilter/save/quote.ts";
import { splitArguments } from "../../../../src/kernel/netfilter/save/words.ts";

function texts(line: string): string[] {
  const split = splitArguments(line);
  if (split.kind === "invalid") throw new Error(split.message);
  return split.arguments.map(({ text }) => text);
}

function raws(line: string): string[] {
  const split = splitArguments(line);
  if (split.kind === "invalid") throw new Error(split.message);
  return split.arguments.map(({ raw }) => raw);
}

function reader(line: string): ArgumentReader {
  const split = splitArguments(line);
  if (split.kind === "invalid") throw new Error(split.message);
  return new ArgumentReader(split.arguments);
}

describe("splitArguments", () => {
  it.each([
    ["-A INPUT -j ACCEPT", ["-A", "INPUT", "-j", "ACCEPT"]],
    ["  -A\tINPUT  ", ["-A", "INPUT"]],
    ['--comment "a b"', ["--comment", "a b"]],
    ['--comment ""', ["--comment", ""]],
    ['"name: \\"cbr0\\" id: \\"77\\""', ['name: "cbr0" id: "77"']],
    ['"back\\\\slash it\\\'s"', ["back\\slash it's"]],
    ['pre"mid dle"post', ["premid dlepost"]],
    ["back\\slash", ["back\\slash"]],
    ["'single quotes'", ["'single", "quotes'"]],
    ["", []],
    ["   ", []],
  ])("%j is %j", (line, words) => {
    expect(texts(line)).toEqual(words);
  });

  it("is not slow on a line made to be slow", () => {
    const quotes = '"a\\b'.repeat(100_000);
    expect(splitArguments(quotes).kind).toBe("ok");
    expect(splitArguments(`"${"x\\".repeat(100_001)}`).kind).toBe("invalid");
    expect(splitArguments(`"${"x".repeat(1_000_000)}`).kind).toBe("invalid");
  });

  it("keeps a word as it was written, with all blanks before it but one", () => {
    expect(raws('-m  foo --x "a b"   --y')).toEqual(["-m", " foo", "--x", '"a b"', "  --y"]);
  });

  it.each(['--comment "open', '--comment "ends in a backslash\\'])("%j has an open quote", (line) => {
    const split = splitArguments(line);
    expect(split).toEqual({ kind: "invalid", message: "the quote opened at column 11 is not closed" });
  });

  it.each(["plain_-09AZ", "a b", "", "it's", 'say "x"', "back\\slash", "é", "--x"])(
    "reads back %j as it was quoted",
    (text) => {
      expect(texts(`x ${quoteString(text)}`)).toEqual(["x", text]);
    },
  );
});

describe("parseUint", () => {
  it.each([
    ["0", 0],
    ["65535", 65535],
    ["0x1f", 31],
    ["0XFF", 255],
    ["010", undefined],
    ["-1", undefined],
    ["+1", undefined],
    ["1e3", undefined],
    ["1.5", undefined],
    ["0x", undefined],
    ["", undefined],
    [" 1", undefined],
    ["99999999999999999", undefined],
  ])("%j is %j", (text, value) => {
    expect(parseUint(text)).toBe(value);
  });
});

describe("ArgumentReader", () => {
  it("reads options in any order, and stops where a new part of the rule begins", () => {
    const found: Record<string, unknown> = {};
    const from = reader("! --b 7 --a x -j ACCEPT");
    from.options({
      "--a": () => {
        found["a"] = from.word("a word");
      },
      "--b": () => {
        found["b"] = { invert: from.negated(), value: from.uint(9) };
      },
    });
    expect(found).toEqual({ a: "x", b: { invert: true, value: 7 } });
    expect(from.faults).toEqual([]);
    expect(from.peek()).toBe("-j");
  });

  it.each([
    ["--a", "match x: --a needs a number behind it"],
    ["--a x", 'match x: --a: "x" is not a number'],
    ["--a 10", "match x: --a: 10 is not from 1 to 9"],
    ["--a ! 5", 'match x: the ! stands before the option: write "! --a 5"'],
    ["! --a 5", "match x: --a cannot be negated: leave the ! out"],
    ["--a 5 --a 6", "match x: --a is given twice: give it once"],
    ["--z 5", 'match x: unknown option "--z"; it takes --a'],
    ["stray --a 5", 'match x: unexpected word "stray"; it takes --a'],
    ["!", "match x: `!` has no option behind it"],
    ["! -j ACCEPT", "match x: `!` has no option behind it"],
  ])("%j: %s", (line, fault) => {
    const from = reader(line);
    from.subject = "match x";
    from.options({ "--a": () => from.uint(9, 1) });
    expect(from.faults).toEqual([fault]);
  });

  it("is not taken in by names every object has", () => {
    const from = reader("constructor toString");
    from.options({});
    expect(from.faults).toHaveLength(1);
  });
});
