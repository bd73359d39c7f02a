import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { describe, expect, it } from "vitest";
import { checkSource } from "./layers.ts";
import { BROWSER_SAFE_ROOMS } from "./rooms.ts";

const ROOT = join(import.meta.dirname, "../..");

function sourceFiles(): string[] {
  return readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => `src/${file.split(sep).join("/")}`)
    .sort();
}

describe("the order of rooms", () => {
  it.each(sourceFiles())("%s", (path) => {
    expect(checkSource(path, readFileSync(join(ROOT, path), "utf8"))).toEqual([]);
  });

  it("the browser's type check covers exactly the browser-safe rooms", () => {
    const config = JSON.parse(readFileSync(join(ROOT, "tsconfig.browser.json"), "utf8"));
    expect(config.include).toEqual(BROWSER_SAFE_ROOMS.map((room) => `src/${room}`));
    expect(config.compilerOptions).toEqual({ types: [], lib: ["ES2023"] });
  });
});

describe("a planted violation is found", () => {
  it.each([
    ["src/kernel/a.ts", 'import { x } from "../walk/loop.ts";', "kernel may not import walk, a lower room"],
    [
      "src/kernel/a.ts",
      'import type { X } from "../world/x.ts";',
      "kernel may not import world, a lower room",
    ],
    ["src/walk/a.ts", 'export { x } from "../cli/x.ts";', "walk may not import cli, a lower room"],
    ["src/walk/a.ts", 'const x = await import("../cli/x.ts");', "walk may not import cli, a lower room"],
    ["src/kernel/route/a.ts", 'import "../../present/x.ts";', "kernel may not import present, a lower room"],
    [
      "src/cni/a.ts",
      'import { x } from "../proxy/x.ts";',
      "cni and proxy are peers and may not import one another",
    ],
    ["src/proxy/a.ts", 'import { x } from "../nowhere/x.ts";', "nowhere is no room of the order"],
    ["src/proxy/a.ts", 'import { x } from "../../test/x.ts";', "../../test/x.ts leaves src"],
    [
      "src/present/a.ts",
      'import fs from "node:fs";',
      "present must run in a browser and may not import node:fs",
    ],
    [
      "src/present/a.ts",
      'import fs from "fs/promises";',
      "present must run in a browser and may not import fs/promises",
    ],
    ["src/loose.ts", "export {};", "every file under src is in a room of the order"],
    ["src/attic/a.ts", "export {};", "every file under src is in a room of the order"],
    ["src/kernel/a.ts", "type Service = 1;", 'kernel knows no Kubernetes: "Service"'],
    ["src/kernel/a.ts", "const podAddress = 1;", 'kernel knows no Kubernetes: "pod"'],
    ["src/world/a.ts", "const hostPods = 1;", 'world knows no Kubernetes: "Pods"'],
    ["src/walk/a.ts", 'const chain = "KUBE-SERVICES";', 'walk knows no Kubernetes: "KUBE"'],
    ["src/walk/a.ts", "const text = `ask the kubelet`;", 'walk knows no Kubernetes: "kube"'],
    ["src/walk/a.ts", "let endpointSlice;", 'walk knows no Kubernetes: "endpoint"'],
  ])("%s: %s", (path, text, rule) => {
    expect(checkSource(path, `\n${text}\n`)).toContainEqual({
      path,
      line: text === "export {};" ? 1 : 2,
      rule,
    });
  });
});

describe("what is allowed is not reported", () => {
  it.each([
    ["src/walk/a.ts", 'import { x } from "../kernel/x.ts";'],
    ["src/kernel/route/a.ts", 'import { x } from "../netfilter/x.ts";'],
    ["src/proxy/a.ts", 'import { x } from "../object/x.ts";'],
    ["src/control/a.ts", 'import { x } from "../proxy/x.ts";'],
    ["src/store/a.ts", 'import fs from "node:fs";'],
    ["src/kernel/a.ts", '// a Service of the kubelet\nconst s = "../walk/loop.ts";'],
    ["src/kernel/a.ts", "/* from \"../walk/loop.ts\" */ const text = 'from here';"],
    ["src/kernel/a.ts", "const networkNamespace = 1, tripod = 2, podium = 3;"],
    ["src/kernel/a.ts", "type VirtualService = 1; const service = 2;"],
    ["src/proxy/a.ts", "type Service = 1;"],
  ])("%s: %s", (path, text) => {
    expect(checkSource(path, text)).toEqual([]);
  });
});
