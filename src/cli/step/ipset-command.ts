import type { Host } from "../../kernel/host.ts";
import { readAdd } from "../../kernel/ipset/add-line.ts";
import { readCreate } from "../../kernel/ipset/create-line.ts";
import { elementKey } from "../../kernel/ipset/element-text.ts";
import { Words } from "../../kernel/ipset/line-words.ts";
import { suggestion } from "../../kernel/nearest-word.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { invalid, ok, type Result } from "../result.ts";

/** By any of its names what a command is called. */
const COMMANDS: Readonly<Record<string, string>> = {
  ...{ create: "create", new: "create", "-N": "create", add: "add", "-A": "add" },
  ...{ del: "del", "-D": "del", flush: "flush", "-F": "flush", destroy: "destroy", "-X": "destroy" },
};
const EXIST = new Set(["-exist", "-!", "--exist"]);

/** `ipset [-exist] create|add|del|flush|destroy …`: on what the host is configured with, not what its rules added since. */
export function readIpset(host: Host, given: readonly string[], origin: Origin): Result<Operation[]> {
  const exist = given.some((word) => EXIST.has(word));
  const [word = "", ...words] = given.filter((each) => !EXIST.has(each));
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  if (command === undefined)
    return invalid(`ipset ${word}: is not built yet: create, add, del, flush and destroy are`);
  const sets = host.ipsets ?? [];
  const [name = ""] = words;
  if (command === "create") {
    const set = readCreate(reader(words), origin);
    if (typeof set === "string") return invalid(`ipset create: ${set}`);
    const isThere = sets.some((other) => other.name === set.name);
    return ok(isThere && exist ? [] : [{ kind: "ipset-restore", sets: [set] }]);
  }
  if (name === "" && (command === "flush" || command === "destroy")) {
    return ok(
      command === "destroy"
        ? // Lists first: what they hold is in use until then.
          [...sets]
            .sort((a, b) => Number(b.type === "list:set") - Number(a.type === "list:set"))
            .map((set): Operation => ({ kind: "ipset-destroy", set: set.name }))
        : sets.flatMap((set) =>
            set.entries.map((entry): Operation => ({ kind: "ipset-delete", set: set.name, entry })),
          ),
    );
  }
  const set = sets.find((other) => other.name === name);
  if (set === undefined) {
    const near = suggestion(
      name,
      sets.map((other) => other.name),
    );
    return invalid(`ipset ${command}: there is no set ${JSON.stringify(name)}${near}`);
  }
  if (command === "destroy") return ok([{ kind: "ipset-destroy", set: name }]);
  if (command === "flush")
    return ok(set.entries.map((entry): Operation => ({ kind: "ipset-delete", set: name, entry })));
  const entry = readAdd(reader(words.slice(1)), set, origin);
  if (typeof entry === "string") return invalid(`ipset ${command}: ${entry}`);
  if (command === "add") return ok([{ kind: "ipset-add", set: name, entry, exist }]);
  const key = elementKey(entry.parts, set.type);
  const isThere = set.entries.some((other) => elementKey(other.parts, set.type) === key);
  return ok(exist && !isThere ? [] : [{ kind: "ipset-delete", set: name, entry }]);
}

/** The shell took the quotes from a comment; the reader of lines wants them. */
function reader(words: readonly string[]): Words {
  return new Words(words.map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(" "));
}
