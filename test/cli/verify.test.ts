import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hopscope, words } from "./cli.ts";

/** What people see of a verification, whole: `fixtures/golden/verify`. After a wanted change: `vitest run -u test/cli/verify`. */

const GOLDEN = "../../fixtures/golden/verify";

describe("verify in text", () => {
  it.each([
    ["snapshot", ["-f", "fixtures/example/cluster.json.gz"], 0],
    ["nmt", [], 0],
    ["bridge-on-three-nodes", ["-f", "fixtures/nmt", "--cni", "bridge"], 1],
    ["no-forwarding-entry", ["-f", "fixtures/truth/c-vxlan-fault-nofdb.json.gz"], 1],
    ["routed-pods", ["-f", "fixtures/truth/b-redirect-off.json.gz"], 1],
    ["no-pods", ["-f", "fixtures/truth/f-fabric.json.gz"], 0],
  ] as const)("%s", async (name, args, code) => {
    const ran = await hopscope(["verify", ...args]);
    expect({ err: ran.err, code: ran.code }).toEqual({ err: "", code });
    await expect(ran.out).toMatchFileSnapshot(`${GOLDEN}/${name}.txt`);
  });

  it("fits a narrow terminal, but for the commands to copy", async () => {
    const outside = { columns: 70, env: { NO_COLOR: "1" } };
    const { out } = await hopscope(["verify", "-f", "fixtures/nmt", "--cni", "bridge"], outside);
    const lines = out.split("\n");
    const prose = lines.filter((line) => !line.includes("shown by"));
    expect(Math.max(...prose.map((line) => line.length))).toBeLessThanOrEqual(70);
  });

  it("says how far it is on a terminal, and wipes that out", async () => {
    const { err } = await hopscope(["verify", "-f", "fixtures/nmt"], { warnsOnTerminal: true });
    expect(err.startsWith("\rverifying: principle ")).toBe(true);
    expect(err).toContain(" of 9, 100 packets walked\x1b[K");
    expect(err.endsWith("\r\x1b[K")).toBe(true);
  });
});

it("what a network policy stops is left out, and counted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hopscope-verify-"));
  try {
    const policy = join(folder, "policy.yaml");
    writeFileSync(
      policy,
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed}\nspec: {podSelector: {matchLabels: {app: mysql}}, policyTypes: [Ingress]}\n",
    );
    const args = ["verify", "-f", "fixtures/nmt", "-f", policy, "--cni"];
    const enforced = await hopscope([...args, "calico"]);
    expect(enforced.code).toBe(0);
    expect(enforced.out).toContain("network policies stop 12 of 42 walks: those are left out");
    const ignored = await hopscope([...args, "flannel"]);
    expect(ignored.code).toBe(0);
    expect(ignored.out).not.toContain("network policies stop");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it("the command under a counterexample shows what happened", async () => {
  const { out } = await hopscope(["verify", "-f", "fixtures/nmt", "--cni", "bridge"]);
  const commands = [...out.matchAll(/happened\s+(\S+) [\s\S]*?shown by {2}hopscope (.*)$/gm)];
  expect(commands).toHaveLength(3);
  for (const [, disposition, command = ""] of commands) {
    const traced = await hopscope(words(command));
    expect(traced.err).toBe("");
    expect(traced.out.split(" ")[0], command).toBe(disposition);
  }
});

describe("verify as data", () => {
  it("is hopscope.verify/v1", async () => {
    const { out, code } = await hopscope(["verify", "-f", "fixtures/nmt", "--cni", "bridge", "-o", "json"]);
    expect(code).toBe(1);
    const report = JSON.parse(out) as {
      readonly schema: string;
      readonly principles: readonly {
        readonly number: number;
        readonly name: string;
        readonly result: string;
        readonly checked?: unknown;
      }[];
      readonly assumptions: readonly string[];
    };
    expect(report.schema).toBe("hopscope.verify/v1");
    expect(report.principles.map(({ number, result }) => `${number} ${result}`)).toEqual(
      [..."123456789"].map((n) => `${n} ${"569".includes(n) ? "broken" : "passed"}`),
    );
    expect(report.principles[4]).toMatchObject({
      name: "container-to-container",
      result: "broken",
      counterexample: {
        nodes: ["node1", "node2"],
        to: "10.244.1.2:3306",
        happened: expect.stringMatching(/^UNREACHABLE \(no-route\) at gateway/),
        trace: expect.stringMatching(
          /^hopscope trace pod\/default\/mysql-\S+ 10\.244\.1\.2:3306 -f fixtures\/nmt --cni bridge$/,
        ),
      },
    });
    expect(report.assumptions.length).toBeGreaterThan(0);
  });

  it("is a JUnit report that a build server counts", async () => {
    const { out, code } = await hopscope(["verify", "-f", "fixtures/nmt", "--cni", "bridge", "-o", "junit"]);
    expect(code).toBe(1);
    expect(out).toMatch(/<testsuite name="hopscope verify" tests="9" failures="3" skipped="0">/);
    expect(out.match(/<testcase /g)).toHaveLength(9);
    expect(out.match(/<failure /g)).toHaveLength(3);
    expect(out.match(/shown by: hopscope trace /g)).toHaveLength(3);
  });
});

describe("what is wrong is one line", () => {
  it.each([
    [["verify", "-f", "nowhere.yaml"], "error: nowhere.yaml: there is no such file or folder\n"],
    [
      ["verify", "--cni", "flanel"],
      'error: --cni: "flanel" is none of flannel, calico, canal, weave, bridge, docker0 (did you mean "flannel"?)\n',
    ],
    [["verify", "extra"], "error: too many arguments for 'verify'. Expected 0 arguments but got 1.\n"],
  ])("%j", async (args, err) => {
    expect(await hopscope(args)).toEqual({ out: "", err, code: 2 });
  });
});
