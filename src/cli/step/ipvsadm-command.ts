import { ipvsadmOperations, ipvsadmOutput } from "../../kernel/ipvs/ipvsadm-command.ts";
import { parseIpvsadm } from "../../kernel/ipvs/ipvsadm-line.ts";
import type { Operation } from "../../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../../kernel/origin.ts";
import type { Stack } from "../../kernel/stack.ts";
import { invalid, ok, type Result } from "../result.ts";

/** `ipvsadm -A|-E|-D|-a|-e|-d|-C|--set …`; -L and -S change nothing. */
export function readIpvsadm(words: readonly string[], origin: Origin): Result<Operation[]> {
  const parsed = parseIpvsadm(words, origin);
  return parsed.kind === "ok" ? ok(ipvsadmOperations(parsed.command)) : invalid(`ipvsadm: ${parsed.message}`);
}

/** What it prints, from a session's connections and counts. */
export function printIpvsadm(words: readonly string[], stack: Stack): string {
  const parsed = parseIpvsadm(words, ORIGIN_NONE);
  if (parsed.kind === "invalid") return "";
  return ipvsadmOutput(parsed.command, stack.net.host, stack.ipvs, stack.now);
}
