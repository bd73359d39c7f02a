import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SourceFile } from "../../src/source/read-source.ts";

const { HOPSCOPE_WILD } = process.env;

/**
 * Dumps and manifests of real clusters, which are not part of the project: the folder that HOPSCOPE_WILD names, or
 * `../shared/wild` beside the project. Tests that need it are left out, and say so, where it is missing.
 */
export const WILD = HOPSCOPE_WILD ?? join(import.meta.dirname, "../../../shared/wild");

export const hasWild = existsSync(join(WILD, "manifests"));

if (!hasWild) console.log(`real-world inputs left out: ${WILD} is not there (set HOPSCOPE_WILD)`);

/** Every YAML and JSON file of a folder, those in folders below included. */
export function wildFiles(folder: string): SourceFile[] {
  return readdirSync(join(WILD, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ya?ml|json|conflist)$/.test(name))
    .sort()
    .map((name) => ({ name: `${folder}/${name}`, text: readFileSync(join(WILD, folder, name), "utf8") }));
}

export function wildFile(name: string): SourceFile {
  return { name, text: readFileSync(join(WILD, name), "utf8") };
}
