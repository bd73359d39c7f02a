import type { Packet } from "../../../packet/packet.ts";
import { hasTcpOption } from "../../../packet/tcp-options.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { ANY_PORT, formatPortRange, type PortRange, portMatches, readPorts } from "../save/port-range.ts";
import type { Match, MatchModule } from "./match.ts";

/** Ports and flags of a TCP segment (net/netfilter/xt_tcpudp.c, `tcp_mt`). */
export interface TcpMatch extends Match {
  readonly kind: "tcp";
  readonly sport: Negatable<PortRange> | null;
  readonly dport: Negatable<PortRange> | null;
  /** A TCP option's number that must be present. */
  readonly option: Negatable<number> | null;
  readonly flags: Negatable<TcpFlags> | null;
}

/** Of the flags in `mask`, exactly those in `comp` are set. */
export interface TcpFlags {
  readonly mask: number;
  readonly comp: number;
}

/** In the order iptables-save prints them. The two ECN bits have no name there, so no rule can ask for them. */
const FLAG_NAMES = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"] as const;
const ALL_FLAGS = 0x3f;
const SYN_ONLY: TcpFlags = { mask: 0x17, comp: 0x02 };

export const tcp: MatchModule<TcpMatch> = {
  kind: "tcp",
  needsConntrack: false,

  parse(reader) {
    let sport: TcpMatch["sport"] = null;
    let dport: TcpMatch["dport"] = null;
    let option: TcpMatch["option"] = null;
    let flags: TcpMatch["flags"] = null;
    const readSport = () => {
      sport = readPorts(reader);
    };
    const readDport = () => {
      dport = readPorts(reader);
    };
    const readFlag = (text: string): number => {
      let bits = 0;
      for (const name of text.split(",")) {
        const bit = (FLAG_NAMES as readonly string[]).indexOf(name);
        if (bit !== -1) bits |= 1 << bit;
        else if (name === "ALL") bits |= ALL_FLAGS;
        else if (name !== "NONE") {
          reader.failValue(
            `${JSON.stringify(name)} is no TCP flag: write ${FLAG_NAMES.join(", ")}, ALL or NONE`,
          );
        }
      }
      return bits;
    };
    reader.options({
      "--sport": readSport,
      "--source-port": readSport,
      "--dport": readDport,
      "--destination-port": readDport,
      "--tcp-flags": () => {
        const invert = reader.negated();
        const mask = readFlag(reader.word("the flags to look at"));
        const comp = readFlag(reader.word("the flags to be set"));
        flags = { invert, value: { mask, comp } };
      },
      "--syn": () => {
        flags = { invert: reader.negated(), value: SYN_ONLY };
      },
      "--tcp-option": () => {
        option = { invert: reader.negated(), value: reader.uint(255, 1) };
      },
    });
    return { kind: "tcp", sport, dport, option, flags };
  },

  format(match) {
    return optionText(
      negatableText("--sport", match.sport, formatPortRange),
      negatableText("--dport", match.dport, formatPortRange),
      negatableText("--tcp-option", match.option, String),
      negatableText(
        "--tcp-flags",
        match.flags,
        ({ mask, comp }) => `${formatFlags(mask)} ${formatFlags(comp)}`,
      ),
    );
  },

  compile: (match) => (match.option === null ? new TcpTest(match) : new TcpOptionTest(match, match.option)),
};

function formatFlags(bits: number): string {
  return FLAG_NAMES.filter((_, bit) => bits & (1 << bit)).join(",") || "NONE";
}

/** `tcp_find_option`. Runs per packet. */
class TcpOptionTest implements MatchTest {
  private readonly others: TcpTest;
  private readonly option: number;
  private readonly invert: boolean;

  constructor(match: TcpMatch, { value, invert }: NonNullable<TcpMatch["option"]>) {
    this.others = new TcpTest(match);
    this.option = value;
    this.invert = invert;
  }

  test(packet: Packet): boolean {
    if (!this.others.test(packet)) return false;
    return hasTcpOption(packet, this.option) !== this.invert;
  }
}

/** Runs per packet. */
class TcpTest implements MatchTest {
  private readonly sportMin: number;
  private readonly sportMax: number;
  private readonly sportInvert: boolean;
  private readonly dportMin: number;
  private readonly dportMax: number;
  private readonly dportInvert: boolean;
  private readonly mask: number;
  private readonly comp: number;
  private readonly flagsInvert: boolean;

  constructor(match: TcpMatch) {
    const sport = match.sport ?? ANY_PORT;
    const dport = match.dport ?? ANY_PORT;
    this.sportMin = sport.value.min;
    this.sportMax = sport.value.max;
    this.sportInvert = sport.invert;
    this.dportMin = dport.value.min;
    this.dportMax = dport.value.max;
    this.dportInvert = dport.invert;
    this.mask = match.flags?.value.mask ?? 0;
    this.comp = match.flags?.value.comp ?? 0;
    this.flagsInvert = match.flags?.invert ?? false;
  }

  test(packet: Packet): boolean {
    if (!packet.hasTransport) return false;
    if (!portMatches(this.sportMin, this.sportMax, packet.sport, this.sportInvert)) return false;
    if (!portMatches(this.dportMin, this.dportMax, packet.dport, this.dportInvert)) return false;
    return ((packet.tcpFlags & this.mask) === this.comp) !== this.flagsInvert;
  }
}
