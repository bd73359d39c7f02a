import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

/** Every example of the README prints what the README says it prints. */

const ROOT = join(import.meta.dirname, "../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");

interface Example {
  readonly command: string;
  readonly output: string;
}

/** Blocks marked `console`: `$ command`, and the output behind it. */
function examples(): Example[] {
  return [...README.matchAll(/^```console\n(.*?)^```$/gms)].flatMap(([, block = ""]) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const end = part.indexOf("\n");
        return { command: part.slice(0, end), output: part.slice(end + 1) };
      }),
  );
}

/** The commands of blocks marked `sh`, without their comments. */
function commands(): string[] {
  return [...README.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = ""]) =>
    block
      .trim()
      .split("\n")
      .map((line) => line.replace(/ +#.*$/, "")),
  );
}

/** What is set up already is not set up again; `hopscope` is run from its sources. */
function sh(command: string): {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
} {
  const line = command
    .replace(/^npm ci && /, "")
    .replaceAll("npx hopscope", `"${process.execPath}" --import tsx src/cli/main.ts`);
  return spawnSync("sh", ["-c", line], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
}

describe("the README's examples", () => {
  it("are there", () => {
    expect(examples().length).toBeGreaterThan(5);
  });

  it.each(examples())("$command", ({ command, output }) => {
    const { stdout, stderr } = sh(command);
    expect(stderr.replace(/^npm warn .*\n/gm, "")).toBe("");
    expect(stdout).toBe(output);
  });
});

describe("the first screen", () => {
  it("has two commands: one that does the main thing, one that runs the tests", () => {
    const [main = "", tests] = commands();
    expect(commands()).toHaveLength(2);
    expect(main).toMatch(/^npm ci && npx hopscope trace /);
    expect(tests).toBe("npm ci && npm test");
    expect(sh(main)).toMatchObject({ status: 0, stdout: examples()[0]?.output });
  });
});
