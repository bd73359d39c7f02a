import { describe, expect, it } from "vitest";
import { hopscope, words } from "./cli.ts";

/** Every example that a help shows works as typed. */

async function examplesOf(command: readonly string[]): Promise<string[]> {
  const { out } = await hopscope([...command, "--help"]);
  return [...out.matchAll(/^ {2}\$ (.*)$/gm)].map(([, line = ""]) => line);
}

/** `hopscope … | hopscope …` */
async function runPipe(line: string): Promise<number> {
  let stdin: string | undefined;
  let code = 0;
  for (const part of line.split(" | ")) {
    const [program, ...args] = words(part);
    expect(program).toBe("hopscope");
    const ran = await hopscope(args, stdin === undefined ? {} : { stdin });
    expect(ran.err).toBe("");
    stdin = ran.out;
    code = ran.code;
  }
  return code;
}

const COMMANDS = [[], ["trace"], ["verify"], ["export"], ["lab", "compare"]];

describe.each(COMMANDS.map((command) => ({ name: ["hopscope", ...command].join(" "), command })))(
  "$name --help",
  ({ command }) => {
    it("has examples, and each works as typed", async () => {
      const lines = await examplesOf(command);
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect([0, 1]).toContain(await runPipe(line));
    });

    it("fits into 100 columns", async () => {
      const { out, code } = await hopscope([...command, "--help"]);
      expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
      expect(code).toBe(0);
    });
  },
);

it("lists the commands that work, and no others", async () => {
  const { out } = await hopscope(["--help"]);
  const commands = [...(out.split("Commands:")[1]?.split("Examples:")[0] ?? "").matchAll(/^ {2}(\S+)/gm)];
  expect(commands.map(([, name]) => name)).toEqual(["trace", "verify", "export", "lab", "cni", "collect"]);
});

it("prints the version of the package", async () => {
  expect((await hopscope(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});
