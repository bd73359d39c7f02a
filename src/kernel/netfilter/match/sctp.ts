import type { Negatable } from "../rule.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { formatPortRange, type PortRange, readPorts } from "../save/port-range.ts";
import type { Match, MatchModule } from "./match.ts";
import { PortsTest } from "./udp.ts";

/** Ports and chunks of an SCTP packet (net/netfilter/xt_sctp.c). */
export interface SctpMatch extends Match {
  readonly kind: "sctp";
  readonly sport: Negatable<PortRange> | null;
  readonly dport: Negatable<PortRange> | null;
  readonly chunks: Negatable<SctpChunks> | null;
}

export interface SctpChunks {
  readonly scope: (typeof SCOPES)[number];
  /** `DATA:bE`, `INIT`, …, or the one word ALL or NONE: as printed, flags and all. */
  readonly types: readonly string[];
}

const SCOPES = ["any", "all", "only"] as const;

/** With the letters of their flags, from bit 7 to bit 0. */
const CHUNK_TYPES: Readonly<Record<string, string>> = {
  DATA: "----IUBE",
  INIT: "--------",
  INIT_ACK: "--------",
  SACK: "--------",
  HEARTBEAT: "--------",
  HEARTBEAT_ACK: "--------",
  ABORT: "-------T",
  SHUTDOWN: "--------",
  SHUTDOWN_ACK: "--------",
  ERROR: "--------",
  COOKIE_ECHO: "--------",
  COOKIE_ACK: "--------",
  ECN_ECNE: "--------",
  ECN_CWR: "--------",
  SHUTDOWN_COMPLETE: "-------T",
  I_DATA: "----IUBE",
  RE_CONFIG: "--------",
  PAD: "--------",
  ASCONF: "--------",
  ASCONF_ACK: "--------",
  FORWARD_TSN: "--------",
  I_FORWARD_TSN: "--------",
};

export const sctp: MatchModule<SctpMatch> = {
  kind: "sctp",
  needsConntrack: false,

  parse(reader) {
    let sport: SctpMatch["sport"] = null;
    let dport: SctpMatch["dport"] = null;
    let chunks: SctpMatch["chunks"] = null;
    const readSport = () => {
      sport = readPorts(reader);
    };
    const readDport = () => {
      dport = readPorts(reader);
    };
    reader.options({
      "--sport": readSport,
      "--source-port": readSport,
      "--dport": readDport,
      "--destination-port": readDport,
      "--chunk-types": () => {
        chunks = { invert: reader.negated(), value: readChunks(reader) };
      },
    });
    return { kind: "sctp", sport, dport, chunks };
  },

  format: (match) =>
    optionText(
      negatableText("--sport", match.sport, formatPortRange),
      negatableText("--dport", match.dport, formatPortRange),
      negatableText("--chunk-types", match.chunks, ({ scope, types }) => `${scope} ${types.join(",")}`),
    ),

  /** A packet carries no list of chunks, so a rule that asks for them is not modelled. */
  compile: (match) => (match.chunks === null ? new PortsTest(match.sport, match.dport) : null),
};

function readChunks(reader: ArgumentReader): SctpChunks {
  const scope = reader.oneOf(SCOPES);
  const types = reader.word("a list of chunk types").split(",");
  for (const type of types) {
    const [name = "", flags = "", ...more] = type.split(":");
    const letters = Object.hasOwn(CHUNK_TYPES, name) ? CHUNK_TYPES[name] : undefined;
    if (letters === undefined ? !isAllOrNone(types) : more.length > 0 || !flagsFit(flags, letters)) {
      reader.failValue(
        `${JSON.stringify(type)} is no chunk type: write ${Object.keys(CHUNK_TYPES).join(", ")}, ALL or NONE`,
      );
    }
  }
  return { scope, types };
}

function isAllOrNone(types: readonly string[]): boolean {
  return types.length === 1 && (types[0] === "ALL" || types[0] === "NONE");
}

function flagsFit(flags: string, letters: string): boolean {
  return [...flags].every((flag) => flag !== "-" && letters.includes(flag.toUpperCase()));
}
