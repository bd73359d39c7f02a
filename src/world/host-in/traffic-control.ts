import { fieldOf } from "../../kernel/json-fields.ts";
import { filterTextOfRead } from "../../kernel/tc/tc-json.ts";
import { parseQdiscs, parseTcFilters } from "../../kernel/tc/tc-text.ts";
import type { HostReading } from "./reading.ts";

/** `tc qdisc show`, and under `DEV ingress` and `DEV egress` what `tc filter show` prints of each: text, or JSON of `tc -j`. */
export function readTrafficControl(reading: HostReading): void {
  const { json } = reading;
  const { qdiscs: given } = json.json;
  const text = Array.isArray(given) ? JSON.stringify(given) : json.optionalText("qdiscs");
  if (text !== null) {
    const field = fieldOf(json.path, "qdiscs");
    const { qdiscs, errors } = parseQdiscs(text, (line) => reading.originOfLine(field, line));
    for (const { line, message } of errors) json.faults.add(`${field}:${line}`, message);
    for (const qdisc of qdiscs) reading.add({ kind: "qdisc-add", qdisc });
  }
  const filters = json.object("tcFilters");
  for (const name of Object.keys(filters?.json ?? {})) {
    const [, dev, hook] = /^(\S+) (ingress|egress)$/.exec(name) ?? [];
    const { [name]: value } = filters?.json ?? {};
    const own = Array.isArray(value) ? filterTextOfRead(value) : (filters?.text(name) ?? "");
    if (dev === undefined) {
      filters?.fault(name, 'is no place of filters: "DEV ingress" or "DEV egress" is expected');
      continue;
    }
    if (own === null) {
      filters?.fault(name, 'is no output of "tc -j filter show"');
      continue;
    }
    const field = `${fieldOf(json.path, "tcFilters")}.${name}`;
    const read = parseTcFilters(own, dev, hook === "ingress" ? "ingress" : "egress", (line) =>
      reading.originOfLine(field, line),
    );
    for (const { line, message } of read.errors) json.faults.add(`${field}:${line}`, message);
    for (const filter of read.filters) reading.add({ kind: "tc-filter-add", filter });
  }
}
