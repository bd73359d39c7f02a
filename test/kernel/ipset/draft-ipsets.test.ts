import { describe, expect, it } from "vitest";
import { applyOperations } from "../../../src/kernel/apply-operation.ts";
import { emptyHost } from "../../../src/kernel/host.ts";
import { formatIpsetSave } from "../../../src/kernel/ipset/save.ts";
import type { Operation } from "../../../src/kernel/operation.ts";
import { operationText } from "../../../src/kernel/operation-text.ts";
import { parsedSets } from "./sets.ts";

const CREATE = "create a hash:ip family inet hashsize 64 maxelem 2 comment";
const LIST = "create l list:set size 8";

const restore = (text: string): Operation => ({ kind: "ipset-restore", sets: parsedSets(text) });

/** `add`, `del` with what follows the set's name. */
function change(kind: "ipset-add" | "ipset-delete", set: string, element: string, exist = false): Operation {
  const create = set === "l" ? `${CREATE}\n${LIST}` : CREATE;
  const entry = parsedSets(`${create}\nadd ${set} ${element}`).at(-1)?.entries[0];
  if (entry === undefined) throw new Error(element);
  return kind === "ipset-add" ? { kind, set, entry, exist } : { kind, set, entry };
}

/** The sets after it, or what stands in the way. */
function after(...operations: readonly Operation[]): string {
  const applied = applyOperations(emptyHost("h", "node"), operations);
  if (applied.kind === "ok") return formatIpsetSave(applied.host.ipsets ?? []);
  return applied.errors.map(({ message }) => message).join("; ");
}

const add = (element: string, exist = false) => change("ipset-add", "a", element, exist);
const del = (element: string) => change("ipset-delete", "a", element);

describe("operations on sets", () => {
  it.each<[string, readonly Operation[], string]>([
    ["restore", [restore(`${CREATE}\nadd a 10.0.0.1\n`)], `${CREATE}\nadd a 10.0.0.1\n`],
    ["add", [restore(CREATE), add('10.0.0.1 comment "x"')], `${CREATE}\nadd a 10.0.0.1 comment "x"\n`],
    ["add twice", [restore(CREATE), add("10.0.0.1"), add("10.0.0.1")], "10.0.0.1 is in the set a already"],
    [
      "add twice with -exist",
      [restore(CREATE), add("10.0.0.1"), add('10.0.0.1 comment "y"', true)],
      `${CREATE}\nadd a 10.0.0.1 comment "y"\n`,
    ],
    [
      "more than maxelem",
      [restore(CREATE), add("10.0.0.1"), add("10.0.0.2"), add("10.0.0.3")],
      "the set a is full: it holds 2",
    ],
    ["delete", [restore(`${CREATE}\nadd a 10.0.0.1\n`), del("10.0.0.1")], `${CREATE}\n`],
    ["delete what is not there", [restore(CREATE), del("10.0.0.1")], "10.0.0.1 is not in the set a"],
    ["a set that is not there", [add("10.0.0.1")], 'there is no set "a"'],
    ["the same set again", [restore(CREATE), restore(CREATE)], 'there is a set "a" already'],
    ["destroy", [restore(CREATE), { kind: "ipset-destroy", set: "a" }], ""],
    [
      "destroy what a list holds",
      [restore(`${CREATE}\n${LIST}\nadd l a\n`), { kind: "ipset-destroy", set: "a" }],
      "the set a is in use: the list l holds it",
    ],
    [
      "a list of what is not there",
      [restore(`${LIST}\nadd l b\n`)],
      'there is no set "b" (did you mean "l"?)',
    ],
  ])("%s", (_, operations, result) => {
    expect(after(...operations)).toBe(result);
  });

  it("have the text of the tool", () => {
    expect(operationText(add('10.0.0.1 comment "x y"', true))).toEqual([
      "ipset add a 10.0.0.1 comment 'x y' -exist",
    ]);
    expect(operationText(del("10.0.0.1"))).toEqual(["ipset del a 10.0.0.1"]);
    expect(operationText({ kind: "ipset-destroy", set: "a" })).toEqual(["ipset destroy a"]);
  });
});
