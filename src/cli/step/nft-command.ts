import type { Host } from "../../kernel/host.ts";
import { parseNftScript } from "../../kernel/nft/text/parse-script.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import { invalid, ok, type Result } from "../result.ts";

/** `nft COMMAND…`: the words joined by blanks are one line of what `nft -f` takes, as with the tool itself. */
export function readNft(host: Host, words: readonly string[], origin: Origin): Result<Operation[]> {
  const option = words.find((word) => word.startsWith("-") && !/^-\d/.test(word));
  if (words.length === 0)
    return invalid("nft: a command is expected, such as: nft flush chain ip filter input");
  if (words[0]?.startsWith("-") && option !== undefined) {
    return invalid(`nft: the option ${option} is not built yet: give the command itself`);
  }
  const parsed = parseNftScript(words.join(" "), host.nft, () => origin);
  if (parsed.kind === "invalid") return invalid(...parsed.errors.map(({ message }) => `nft: ${message}`));
  return ok([{ kind: "nft", commands: parsed.commands }]);
}
