import { type IpAddress, inetNtop } from "../../../address/ip.ts";
import { addressRangeOf } from "../save/address.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { optionText } from "../save/option-text.ts";
import { portOf } from "../save/port-range.ts";

/** What NAT may choose from (`struct nf_nat_range2`). */
export interface NatTargetRange {
  /** null: the address stays, or the target finds it itself. */
  readonly min: IpAddress | null;
  readonly max: IpAddress | null;
  /** null: the port stays if it can. */
  readonly portMin: number | null;
  readonly portMax: number | null;
  /** DNAT's shifted port map (`:1000-2000/3000`): the port that `portMin` stands for. */
  readonly portBase: number | null;
  readonly random: boolean;
  readonly randomFully: boolean;
  readonly persistent: boolean;
}

export const ANY_NAT_RANGE: NatTargetRange = {
  min: null,
  max: null,
  portMin: null,
  portMax: null,
  portBase: null,
  random: false,
  randomFully: false,
  persistent: false,
};

/** A range whose options are being read. */
export type NatRangeDraft = { -readonly [key in keyof NatTargetRange]: NatTargetRange[key] };

/** Options that the targets share, by what they say. Each target takes some, the same for every rule: most of an agent's dump are rules with them. */
export const NAT_OPTIONS = {
  bounds: (range: NatRangeDraft, reader: ArgumentReader): void => {
    const { min, max, portMin, portMax, portBase } = readNatBounds(reader);
    range.min = min;
    range.max = max;
    range.portMin = portMin;
    range.portMax = portMax;
    range.portBase = portBase;
  },
  ports: (range: NatRangeDraft, reader: ArgumentReader): void => {
    const { portMin, portMax, portBase } = readNatPorts(reader);
    range.portMin = portMin;
    range.portMax = portMax;
    range.portBase = portBase;
  },
  random: (range: NatRangeDraft): void => {
    range.random = true;
  },
  randomFully: (range: NatRangeDraft): void => {
    range.randomFully = true;
  },
  persistent: (range: NatRangeDraft): void => {
    range.persistent = true;
  },
};

type Bounds = Pick<NatTargetRange, "min" | "max" | "portMin" | "portMax" | "portBase">;
type Ports = Pick<Bounds, "portMin" | "portMax" | "portBase">;

/** `[address[-address]][:port[-port[/base]]]`; of IPv6 the addresses are in brackets before ports (`parse_to`, libxt_NAT.c). */
function readNatBounds(reader: ArgumentReader): Bounds {
  const text = reader.word("an address, a range of addresses, or ports behind a colon");
  const bracketed = text.startsWith("[") ? /^\[([^\]]*)\](?::(.*))?$/.exec(text) : null;
  // One colon sets ports apart; with more it is an IPv6 address, whose fault is told once.
  const colon = text.indexOf(":") === text.lastIndexOf(":") ? text.indexOf(":") : -1;
  const addresses = bracketed?.[1] ?? (colon === -1 ? text : text.slice(0, colon));
  const ports = bracketed === null ? (colon === -1 ? null : text.slice(colon + 1)) : (bracketed[2] ?? null);
  const range =
    addresses === "" && ports !== null ? { min: null, max: null } : addressRangeOf(reader, addresses);
  const { portMin, portMax, portBase } = ports === null ? NO_PORTS : natPortsOf(reader, ports);
  return { min: range.min, max: range.max, portMin, portMax, portBase };
}

const NO_PORTS = { portMin: null, portMax: null, portBase: null } as const;

/** `port[-port]` of `--to-ports` (`parse_ports`). */
function readNatPorts(reader: ArgumentReader): Ports {
  const ports = natPortsOf(reader, reader.word("a port or a range of ports"));
  if (ports.portBase !== null) reader.failValue("a shifted range belongs to DNAT");
  return ports;
}

function natPortsOf(reader: ArgumentReader, text: string): Ports {
  const [range = "", base, ...shiftedTwice] = text.split("/");
  const [first = "", last, ...more] = range.split("-");
  if (more.length > 0 || shiftedTwice.length > 0 || (base !== undefined && last === undefined)) {
    reader.failValue(
      `${JSON.stringify(text)} is not a port, a range such as 80-90, or a shifted one such as 80-90/8080`,
    );
    return NO_PORTS;
  }
  const portMin = portOf(reader, first);
  const portMax = last === undefined ? portMin : portOf(reader, last);
  if (portMax < portMin)
    reader.failValue(`the range ${range} ends before it begins: write ${portMax}-${portMin}`);
  if (base === undefined) return { portMin, portMax, portBase: null };
  const portBase = portOf(reader, base);
  if (portBase === 0) reader.failValue("a range cannot be shifted from port 0");
  return { portMin, portMax, portBase };
}

/** The range as text behind `--to-source` and the like; `""` when it bounds nothing (`sprint_range`). */
export function formatNatBounds(range: NatTargetRange): string {
  let text = "";
  if (range.min !== null) {
    text = inetNtop(range.min);
    const last = range.max === null ? text : inetNtop(range.max);
    if (last !== text) text += `-${last}`;
    if (typeof range.min !== "number" && range.portMin !== null) text = `[${text}]`;
  }
  return range.portMin === null ? text : `${text}:${formatNatPorts(range)}`;
}

function formatNatPorts(range: NatTargetRange): string {
  if (range.portMin === null) return "";
  let text = String(range.portMin);
  if (range.portMax !== null && range.portMax !== range.portMin) text += `-${range.portMax}`;
  if (range.portBase !== null) text += `/${range.portBase}`;
  return text;
}

/** What MASQUERADE and REDIRECT print of theirs (`masquerade_save`, `redir_save`). */
export function formatToPorts(range: NatTargetRange): string {
  const ports = formatNatPorts(range);
  return optionText(ports && `--to-ports ${ports}`, formatNatFlags(range));
}

export function formatNatFlags(range: NatTargetRange): string {
  return optionText(
    range.random && "--random",
    range.randomFully && "--random-fully",
    range.persistent && "--persistent",
  );
}
