import type { JsonFields } from "../json-fields.ts";

/** The names that iproute2 has for values of the TOS byte (`/etc/iproute2/rt_dsfield`). */
const NAMES: ReadonlyMap<string, number> = new Map([
  ["default", 0x00],
  ["lowdelay", 0x10],
  ["throughput", 0x08],
  ["reliability", 0x04],
  ["AF11", 0x28],
  ["AF12", 0x30],
  ["AF13", 0x38],
  ["AF21", 0x48],
  ["AF22", 0x50],
  ["AF23", 0x58],
  ["AF31", 0x68],
  ["AF32", 0x70],
  ["AF33", 0x78],
  ["AF41", 0x88],
  ["AF42", 0x90],
  ["AF43", 0x98],
  ["CS1", 0x20],
  ["CS2", 0x40],
  ["CS3", 0x60],
  ["CS4", 0x80],
  ["CS5", 0xa0],
  ["CS6", 0xc0],
  ["CS7", 0xe0],
  ["EF", 0xb8],
]);

/** `tos`: a name, or a number as iproute2 prints it (`0x10`). 0 where there is none. */
export function parseTos(json: JsonFields): number {
  const value = json.get("tos");
  if (value === undefined) return 0;
  const named = typeof value === "string" ? NAMES.get(value) : undefined;
  if (named !== undefined) return named;
  const number = json.number32("tos");
  if (number > 255) json.fault("tos", `${String(value)} does not fit in a byte`);
  return number;
}

export function formatTos(tos: number): string {
  return `0x${tos.toString(16).padStart(2, "0")}`;
}
