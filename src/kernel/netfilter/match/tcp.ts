import type { Packet } from "../../../packet/packet.ts";
import { hasTcpOption } from "../../../packet/tcp-options.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";
import { formatPorts, type Ports, PortsTest, portOptions } from "./ports.ts";

/** Ports and flags of a TCP segment (net/netfilter/xt_tcpudp.c, `tcp_mt`). */
export interface TcpMatch extends Match, Ports {
  readonly kind: "tcp";
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
    const ports: Ports = { sport: null, dport: null };
    let option: TcpMatch["option"] = null;
    let flags: TcpMatch["flags"] = null;
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
      ...portOptions(reader, ports),
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
    return { kind: "tcp", ...ports, option, flags };
  },

  format(match) {
    return optionText(
      formatPorts(match),
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
  private readonly ports: PortsTest;
  private readonly mask: number;
  private readonly comp: number;
  private readonly flagsInvert: boolean;

  constructor({ sport, dport, flags }: TcpMatch) {
    this.ports = new PortsTest(sport, dport);
    this.mask = flags?.value.mask ?? 0;
    this.comp = flags?.value.comp ?? 0;
    this.flagsInvert = flags?.invert ?? false;
  }

  test(packet: Packet): boolean {
    return this.ports.test(packet) && ((packet.tcpFlags & this.mask) === this.comp) !== this.flagsInvert;
  }
}
