import { goQuote } from "./chain-name.ts";
import { fail } from "./cni-error.ts";

/**
 * `CNI_ARGS` (`K=V;K=V`) as one plugin reads them: each plugin knows some keys, and another one is an error unless
 * `IgnoreUnknown` is set, which is why kubelet always sets it.
 */
export function readArguments(args: string, known: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (args === "") return found;
  const unknown: string[] = [];
  for (const pair of args.split(";")) {
    const [key, value, ...rest] = pair.split("=");
    if (key === undefined || value === undefined || rest.length > 0) {
      fail(`ARGS: invalid pair ${goQuote(pair)}`);
    }
    if (known.includes(key) || key === "IgnoreUnknown") found.set(key, value);
    else unknown.push(pair);
  }
  const ignores = isTrue(found.get("IgnoreUnknown") ?? "");
  if (unknown.length > 0 && !ignores) {
    fail(`ARGS: unknown args [${unknown.map(goQuote).join(" ")}]`);
  }
  return found;
}

function isTrue(value: string): boolean {
  const lower = value.toLowerCase();
  if (lower === "1" || lower === "true") return true;
  if (lower === "" || lower === "0" || lower === "false") return false;
  return fail(
    `ARGS: error parsing value of pair ${goQuote(`IgnoreUnknown=${value}`)}: boolean unmarshal error: invalid input ${value}`,
  );
}
