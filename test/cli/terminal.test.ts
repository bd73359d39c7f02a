import { describe, expect, it } from "vitest";
import { onRecorded, words } from "./cli.ts";

const LINES = [
  "trace laptop 172.18.0.26:31342",
  "trace web-1 10.96.0.76:80 -v",
  "trace --reasons",
  "lab compare fixtures/truth/f-rpf-off.json.gz",
];
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours are what is looked for
const COLOUR = /\x1b\[[\d;]*m/g;

describe.each(LINES)("colours of %s", (line) => {
  it("are there on a terminal", async () => {
    expect((await onRecorded(words(line), { columns: 100 })).out).toMatch(COLOUR);
  });

  it.each([
    ["stdout is no terminal", {}],
    ["NO_COLOR is set", { columns: 100, env: { NO_COLOR: "1" } }],
    ["the terminal is dumb", { columns: 100, env: { TERM: "dumb" } }],
  ])("are not there when %s", async (_, outside) => {
    expect((await onRecorded(words(line), outside)).out).not.toMatch(COLOUR);
  });

  it("change nothing but colour", async () => {
    const coloured = await onRecorded(words(line), { columns: 100 });
    expect(coloured.out.replace(COLOUR, "").replace(/ +$/gm, "")).toBe((await onRecorded(words(line))).out);
  });
});

it("an empty NO_COLOR is none", async () => {
  expect((await onRecorded(words(LINES[0] ?? ""), { columns: 100, env: { NO_COLOR: "" } })).out).toMatch(
    COLOUR,
  );
});

describe("the text keeps to the terminal's width", () => {
  const LONG_WORD = /\S{40}/;
  it.each([60, 80, 100, 160])("%i columns", async (columns) => {
    for (const line of ["trace web-1 10.96.0.76:80 -v", "trace laptop 172.18.0.26:31342"]) {
      const { out } = await onRecorded(words(line), { columns, env: { NO_COLOR: "1" } });
      // The verdict is one line, to be found by grep. A command to be copied is not broken, and neither is a word.
      const broken = out
        .split("\n")
        .slice(1)
        .filter((each) => each.length > columns && !LONG_WORD.test(each) && !/^ +\S*[$#] /.test(each));
      expect(broken).toEqual([]);
    }
  });

  it("and to 100 columns where there is no terminal", async () => {
    const { out } = await onRecorded(words("trace web-1 10.96.0.76:80"));
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});

describe("no output is coloured that a program reads", () => {
  it.each(["-o json", "-o ndjson"])("trace %s", async (form) => {
    const { out } = await onRecorded(words(`trace laptop 172.18.0.26:31342 ${form}`), { columns: 100 });
    expect(out).not.toMatch(COLOUR);
  });
});
