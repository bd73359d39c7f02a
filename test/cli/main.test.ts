import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

/** The executable as a process: what cannot be seen from inside one. */

const ROOT = join(import.meta.dirname, "../..");
const HOPSCOPE = `"${process.execPath}" --import tsx src/cli/main.ts`;

function sh(line: string, env: Readonly<Record<string, string>> = {}) {
  const { stdout, stderr, status } = spawnSync("sh", ["-c", line], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { out: stdout, err: stderr, code: status };
}

describe("the process", () => {
  it.each([
    ["trace deploy/nginx svc/tomcat:8080 -q", 0],
    ["trace deploy/nginx svc/tomcat:8080 -q -f fixtures/nmt-mistake", 1],
    ["trace web-9 10.0.0.1", 2],
  ])("%s ends with %i", (line, code) => {
    expect(sh(`${HOPSCOPE} ${line}`).code).toBe(code);
  });

  it("reads stdin", () => {
    const { out, code } = sh(
      `zcat fixtures/example/cluster.json.gz | ${HOPSCOPE} trace -f - web-1 host/db-0:8080 -q`,
    );
    expect(out).toMatch(/^DELIVERED/);
    expect(code).toBe(0);
  });

  it("is quiet when its reader has seen enough", () => {
    const { out, err } = sh(`${HOPSCOPE} trace deploy/nginx svc/tomcat:8080 -o json | head -1`);
    expect(out).toBe("{\n");
    expect(err).toBe("");
  });

  it("says so when the mistake is its own, exit code 3, the stack only when asked for", () => {
    const broken = "--import 'data:text/javascript,Math.clz32 = () => { throw new Error(`broken`) }'";
    const hopscope = `"${process.execPath}" --import tsx ${broken} src/cli/main.ts trace deploy/nginx svc/tomcat:8080`;
    expect(sh(hopscope)).toEqual({ out: "", err: "internal error: broken\n", code: 3 });
    expect(sh(hopscope, { HOPSCOPE_DEBUG: "1" }).err).toMatch(
      /^internal error: broken\nError: broken\n {4}at /,
    );
  });
});
