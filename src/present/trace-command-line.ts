import { socketAddressText } from "../address/socket-address.ts";
import type { Question } from "../analyze/walker.ts";

/** The command that shows a question's whole way; `source` holds the flags that the source was read by. */
export function traceCommandLine({ from, to }: Question, source: readonly string[]): string {
  return ["hopscope", "trace", from.ref, destinationText(to), ...source].map(shellWord).join(" ");
}

/** TO as `trace` takes it: TCP goes without saying where there is a port, and an echo where there is none. */
export function destinationText({ address, port }: Question["to"]): string {
  if (port === null) return address;
  return `${socketAddressText(address, port.port)}${port.proto === "tcp" ? "" : `/${port.proto}`}`;
}

/** As a POSIX shell reads it back: in single quotes unless it needs none. */
function shellWord(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
