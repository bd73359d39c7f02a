import type { Negatable } from "../rule.ts";
import type { ArgumentReader } from "./arguments.ts";

export interface PortRange {
  readonly min: number;
  readonly max: number;
}

/** `80`, `80:90`, `:1023` or `1024:` (`parse_tcp_ports`). */
export function readPortRange(reader: ArgumentReader): PortRange {
  const text = reader.word("a port or a range of ports");
  const colon = text.indexOf(":");
  if (colon === -1) {
    const port = portOf(reader, text);
    return { min: port, max: port };
  }
  const low = text.slice(0, colon);
  const high = text.slice(colon + 1);
  const min = low === "" ? 0 : portOf(reader, low);
  const max = high === "" ? 65535 : portOf(reader, high);
  if (min > max) reader.failValue(`the range ${text} ends before it begins: write ${max}:${min}`);
  return { min, max };
}

export const ANY_PORT: Negatable<PortRange> = { invert: false, value: { min: 0, max: 65535 } };

/** As `readPortRange`, with the `!`. All ports are no condition (null): iptables-save does not print them. */
export function readPorts(reader: ArgumentReader): Negatable<PortRange> | null {
  const invert = reader.negated();
  const value = readPortRange(reader);
  return !invert && value.min === 0 && value.max === 65535 ? null : { invert, value };
}

export function formatPortRange({ min, max }: PortRange): string {
  return min === max ? String(min) : `${min}:${max}`;
}

/** A port by number. Names of services are refused: a dump has none, and their meaning depends on the machine. */
export function portOf(reader: ArgumentReader, text: string): number {
  if (/^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535) return Number(text);
  reader.failValue(`${JSON.stringify(text)} is not a port: write a number from 0 to 65535`);
  return Number.NaN;
}

/** Is the port in the range, or outside if inverted? (`port_match`, xt_tcpudp.c) Runs per packet. */
export function portMatches(min: number, max: number, port: number, invert: boolean): boolean {
  return (port >= min && port <= max) !== invert;
}
