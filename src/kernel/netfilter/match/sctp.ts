import type { Packet } from "../../../packet/packet.ts";
import { CHUNK_NAMES, chunkFlags } from "../../../packet/sctp-chunk.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";
import { formatPorts, type Ports, PortsTest, portOptions } from "./ports.ts";

/** Ports and chunks of an SCTP packet (net/netfilter/xt_sctp.c). */
export interface SctpMatch extends Match, Ports {
  readonly kind: "sctp";
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

const CHUNK_NUMBERS: ReadonlyMap<string, number> = new Map(
  [...CHUNK_NAMES].map(([number, name]) => [name, number]),
);

export const sctp: MatchModule<SctpMatch> = {
  kind: "sctp",
  needsConntrack: false,

  parse(reader) {
    const ports: Ports = { sport: null, dport: null };
    let chunks: SctpMatch["chunks"] = null;
    reader.options({
      ...portOptions(reader, ports),
      "--chunk-types": () => {
        chunks = { invert: reader.negated(), value: readChunks(reader) };
      },
    });
    return { kind: "sctp", ...ports, chunks };
  },

  format: (match) =>
    optionText(
      formatPorts(match),
      negatableText("--chunk-types", match.chunks, ({ scope, types }) => `${scope} ${types.join(",")}`),
    ),

  compile({ sport, dport, chunks }) {
    const ports = new PortsTest(sport, dport);
    return chunks === null ? ports : new ChunksTest(ports, chunks);
  },
};

/** Bits of a chunk's flags that must be set, and that must not. */
interface WantedFlags {
  readonly set: number;
  readonly clear: number;
}

/** `match_packet` for packets of one chunk, which all of the walk's are. Runs per packet. */
class ChunksTest implements MatchTest {
  private readonly ports: PortsTest;
  private readonly invert: boolean;
  private readonly any: boolean;
  private readonly all: boolean;
  /** No type at all, and the whole list of 256. */
  private readonly none: boolean;
  private readonly every: boolean;
  private readonly alone: boolean;
  private readonly wanted = new Map<number, WantedFlags>();

  constructor(ports: PortsTest, { invert, value: { scope, types } }: Negatable<SctpChunks>) {
    this.ports = ports;
    this.invert = invert;
    this.any = scope === "any";
    this.all = scope === "all";
    this.none = types[0] === "NONE";
    this.every = types[0] === "ALL";
    // What has to be there and to be listed to the last type, only a list of one can be by one chunk.
    this.alone = types.length === 1 && !this.every && !this.none;
    for (const type of types) {
      const [name = "", flags = ""] = type.split(":");
      const letters = CHUNK_TYPES[name];
      if (letters === undefined) continue;
      let set = 0;
      let clear = 0;
      for (const flag of flags) {
        const bit = 0x80 >> letters.indexOf(flag.toUpperCase());
        if (flag === flag.toUpperCase()) set |= bit;
        else clear |= bit;
      }
      this.wanted.set(CHUNK_NUMBERS.get(name) ?? -1, { set, clear });
    }
  }

  test(packet: Packet): boolean {
    return this.ports.test(packet) && this.holds(packet) !== this.invert;
  }

  private holds(packet: Packet): boolean {
    if (this.every) return this.any;
    if (this.none) return this.all;
    if (!this.any && !this.alone) return false;
    const wanted = this.wanted.get(packet.chunk);
    if (wanted === undefined) return false;
    const flags = chunkFlags(packet);
    return (flags & wanted.set) === wanted.set && (flags & wanted.clear) === 0;
  }
}

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
