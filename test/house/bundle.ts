import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createContext, Script } from "node:vm";
import { build } from "esbuild";
import { BROWSER_SAFE_ROOMS } from "./rooms.ts";

/**
 * Builds one browser bundle of every module in the browser-safe rooms and loads it where nothing of Node exists.
 * A module of Node fails the build; a global of Node touched while loading fails the load.
 */

const ROOT = join(import.meta.dirname, "../..");

function modulesOf(room: string): string[] {
  try {
    return readdirSync(join(ROOT, "src", room), { recursive: true, encoding: "utf8" })
      .filter((file) => /(?<!\.d)\.tsx?$/.test(file))
      .map((file) => `./src/${room}/${file}`)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

const modules = BROWSER_SAFE_ROOMS.flatMap(modulesOf);
const entry = modules.map((path, i) => `export * as m${i} from ${JSON.stringify(path)};`).join("\n");

const result = await build({
  stdin: { contents: entry, resolveDir: ROOT, sourcefile: "browser-entry.ts", loader: "ts" },
  absWorkingDir: ROOT,
  bundle: true,
  platform: "browser",
  format: "iife",
  globalName: "hopscope",
  target: "es2023",
  minify: true,
  write: false,
  logLevel: "info",
});

const code = result.outputFiles[0]?.text ?? "";
const { TextEncoder, TextDecoder, URL, console, performance, crypto, structuredClone, queueMicrotask } =
  globalThis;
const browser = createContext({
  ...{ TextEncoder, TextDecoder, URL, console, performance, crypto, structuredClone, queueMicrotask },
  ...{ setTimeout, clearTimeout, setInterval, clearInterval },
});
new Script(code, { filename: "hopscope-browser.js" }).runInContext(browser);

console.log(
  `browser bundle: ${modules.length} modules, ${Math.ceil(code.length / 1024)} KB minified, loads without Node`,
);
