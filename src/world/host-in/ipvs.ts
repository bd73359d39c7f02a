import { parseIpvsadmList, parseTimeouts } from "../../kernel/ipvs/ipvsadm-list.ts";
import { type IpvsadmText, parseIpvsadmSave } from "../../kernel/ipvs/ipvsadm-save.ts";
import { mergeVirtualServices } from "../../kernel/ipvs/merge-services.ts";
import type { VirtualService } from "../../kernel/ipvs/virtual-service.ts";
import { fieldOf } from "../../kernel/json-fields.ts";
import type { Origin } from "../../kernel/origin.ts";
import { type HostReading, shortened } from "./reading.ts";

/** `ipvsadm -Sn` says all but the order of the servers, `-Ln --nosort` the order and the connections there were. */
export function readIpvs(reading: HostReading): void {
  const saved = readIpvsText(reading, "ipvs", parseIpvsadmSave);
  const listed = readIpvsText(reading, "ipvsOrder", (list, origin) => parseIpvsadmList(list, false, origin));
  if (saved !== null || listed !== null) {
    reading.add({ kind: "ipvs-restore", services: mergeVirtualServices(saved, listed) });
  }
  const text = reading.json.optionalText("ipvsTimeouts");
  if (text === null || text === "") return;
  const timeouts = parseTimeouts(text);
  if (timeouts !== null) reading.add({ kind: "ipvs-timeouts", timeouts });
  else reading.json.fault("ipvsTimeouts", 'is not what "ipvsadm -L --timeout" prints');
}

function readIpvsText(
  reading: HostReading,
  name: "ipvs" | "ipvsOrder",
  parse: (text: string, origin: (line: number) => Origin) => IpvsadmText,
): readonly VirtualService[] | null {
  const text = reading.json.optionalText(name);
  if (text === null) return null;
  const field = fieldOf(reading.json.path, name);
  const parsed = parse(text, (line) => reading.originOfLine(field, line));
  if (parsed.kind === "ok") return parsed.services;
  for (const { line, message, text: words } of parsed.errors) {
    reading.json.faults.add(`${field}:${line}`, `${message}: ${shortened(words)}`);
  }
  return null;
}
