import type { Masked4 } from "../../../address/prefix.ts";
import type { Negatable } from "../rule.ts";
import { formatMaskedBrief, readMasked } from "../save/address.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { portOf } from "../save/port-range.ts";
import { parseProtocol } from "../save/protocol.ts";
import type { Match, MatchModule } from "./match.ts";

/** What IPVS knows of the packet's connection (net/netfilter/xt_ipvs.c). */
export interface IpvsMatch extends Match {
  readonly kind: "ipvs";
  /** `--ipvs`: does it belong to IPVS at all? Implied by every other option. */
  readonly ipvs: Negatable<true> | null;
  readonly protocol: Negatable<number> | null;
  readonly address: Negatable<Masked4> | null;
  readonly port: Negatable<number> | null;
  readonly direction: (typeof DIRECTIONS)[number] | null;
  readonly method: Negatable<(typeof METHODS)[number]> | null;
  readonly controlPort: Negatable<number> | null;
}

const DIRECTIONS = ["ORIGINAL", "REPLY"] as const;
const METHODS = ["GATE", "IPIP", "MASQ"] as const;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const ipvs: MatchModule<IpvsMatch> = {
  kind: "ipvs",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<IpvsMatch> = {
      kind: "ipvs",
      ipvs: null,
      protocol: null,
      address: null,
      port: null,
      direction: null,
      method: null,
      controlPort: null,
    };
    const port = (field: "port" | "controlPort") => () => {
      match[field] = { invert: reader.negated(), value: portOf(reader, reader.word("a port")) };
    };
    reader.options({
      "--ipvs": () => {
        match.ipvs = { invert: reader.negated(), value: true };
      },
      "--vproto": () => {
        const invert = reader.negated();
        const text = reader.word("a protocol");
        const value = parseProtocol(text);
        if (value === undefined) reader.failValue(`${JSON.stringify(text)} is no protocol`);
        match.protocol = { invert, value: value ?? 0 };
      },
      "--vaddr": () => {
        match.address = { invert: reader.negated(), value: readMasked(reader) };
      },
      "--vport": port("port"),
      "--vdir": () => {
        match.direction = reader.oneOf(DIRECTIONS);
      },
      "--vmethod": () => {
        match.method = { invert: reader.negated(), value: reader.oneOf(METHODS) };
      },
      "--vportctl": port("controlPort"),
    });
    const { kind: _, ipvs: property, ...rest } = match;
    const others = Object.values(rest).some((option) => option !== null);
    if (property === null && !others) reader.fail("it needs at least one option, such as --ipvs");
    if (property?.invert && others) reader.fail("! --ipvs stands alone");
    return others ? { ...match, ipvs: null } : match;
  },

  format: (match) =>
    optionText(
      match.ipvs && `${match.ipvs.invert ? "! " : ""}--ipvs`,
      negatableText("--vproto", match.protocol, String),
      negatableText("--vaddr", match.address, formatMaskedBrief),
      negatableText("--vport", match.port, String),
      match.direction && `--vdir ${match.direction}`,
      negatableText("--vmethod", match.method, String),
      negatableText("--vportctl", match.controlPort, String),
    ),

  /** A rule's context offers no IPVS connections. */
  compile: null,
};
