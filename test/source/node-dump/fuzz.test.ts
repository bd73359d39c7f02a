import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readNodeDump } from "../../../src/source/node-dump/node-dump.ts";
import { takeApart } from "../../../src/source/node-dump/take-apart.ts";
import { kindOfText } from "../../../src/source/text-kind.ts";
import { SAMPLES } from "./samples.ts";

const { HOPSCOPE_SEED, HOPSCOPE_RUNS } = process.env;
const SEED = Number(HOPSCOPE_SEED ?? Date.now() % 1_000_000);
const RUNS = Number(HOPSCOPE_RUNS ?? 60);
console.log(`dump fuzz: seed ${SEED} (HOPSCOPE_SEED), ${RUNS} runs a sample (HOPSCOPE_RUNS)`);

/** A text damaged as pastes are: cut off, a piece missing, a piece twice, characters changed, blanks gone, other ends of line. */
const damage = (text: string): fc.Arbitrary<string> => {
  const place = fc.nat({ max: text.length });
  return fc.oneof(
    place.map((at) => text.slice(0, at)),
    place.map((at) => text.slice(at)),
    fc.tuple(place, fc.nat({ max: 40 })).map(([at, length]) => text.slice(0, at) + text.slice(at + length)),
    fc.tuple(place, fc.nat({ max: 80 })).map(([at, length]) => text.slice(0, at + length) + text.slice(at)),
    fc
      .tuple(
        place,
        fc.constantFrom(
          "\u0000",
          "\t",
          " ",
          "\n",
          '"',
          "-",
          "!",
          "/",
          "9999999999",
          "::",
          "{",
          "[",
          "@",
          "<",
          "é",
        ),
      )
      .map(([at, piece]) => text.slice(0, at) + piece + text.slice(at + 1)),
    fc.constant(text.replace(/\n/g, "\r\n")),
    fc.constant(text.replace(/ +/g, " ")),
    fc.constant(text.replace(/^/gm, "    ")),
  );
};

const parsed = (text: string) => {
  const taken = takeApart(text);
  return { taken, dump: readNodeDump([{ name: "x.txt", folder: null, taken }]) };
};

/** Lines that are remarks of their own in an output: nobody is told of them. */
const HOLDS_SOMETHING = /[^\s]/;

describe.each(Object.entries(SAMPLES))("%s", (command, text) => {
  it("is recognised by what it holds, whole, without a mistake", () => {
    if (!text.startsWith("[")) expect(kindOfText(text)).toBe("tools");
    const { taken, dump } = parsed(text);
    expect(taken.others).toEqual([]);
    expect(dump.errors).toEqual([]);
    expect(dump.warnings).toEqual([]);
    expect(dump.world.hosts.size).toBe(1);
  });

  // Behind a prompt with -6 routes are IPv6's, which no device is taken from.
  if (!command.includes("-6"))
    it("is the same with other ends of line, indented, and behind a prompt", () => {
      const plain = JSON.stringify(
        [...(parsed(text).dump.world.hosts.get("x")?.devices ?? [])].map(({ name }) => name),
      );
      for (const other of [
        text.replace(/\n/g, "\r\n"),
        text.replace(/^(?=.)/gm, "    "),
        `$ ${command}\n${text}`,
      ]) {
        const { dump } = parsed(other);
        expect(dump.errors).toEqual([]);
        expect(JSON.stringify([...(dump.world.hosts.get("x")?.devices ?? [])].map(({ name }) => name))).toBe(
          plain,
        );
      }
    });

  it("damaged, gives a host, or lines that say what and where; never a crash, never nothing", () => {
    fc.assert(
      fc.property(damage(text), (damaged) => {
        const { taken, dump } = parsed(damaged);
        const said = dump.errors.length + dump.warnings.length + taken.others.length + dump.world.hosts.size;
        if (HOLDS_SOMETHING.test(damaged.replace(/^\ufeff/, ""))) expect(said).toBeGreaterThan(0);
        for (const { file, line, message } of [...dump.errors, ...dump.warnings]) {
          expect(message).not.toMatch(/\n|undefined|NaN|\[object/);
          expect(file).not.toBe("");
          if (line !== null) expect(line).toBeLessThanOrEqual(damaged.split("\n").length);
        }
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});

describe("a file of several outputs", () => {
  it("is taken apart into what each is alone, in any order", () => {
    const entries = Object.entries(SAMPLES).filter(([command]) => !/^ip -s|-6|proxy/.test(command));
    fc.assert(
      fc.property(fc.shuffledSubarray(entries, { minLength: 2, maxLength: 5 }), (some) => {
        const taken = takeApart(
          some.map(([command, text]) => `root@node7:~# ${command}\n${text}`).join("\n"),
        );
        expect(taken.others).toEqual([]);
        for (const [command, text] of some) {
          const alone = takeApart(text).outputs.map(({ tool, lines }) => [
            tool,
            lines.map((line) => line.text),
          ]);
          const within = taken.outputs
            .filter((output) => output.command === command)
            .map(({ tool, lines }) => [tool, lines.map((line) => line.text)]);
          expect(within).toEqual(alone);
        }
        expect(new Set(taken.outputs.map(({ host }) => host))).toEqual(new Set(["node7"]));
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});
