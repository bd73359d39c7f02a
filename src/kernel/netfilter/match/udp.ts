import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { ANY_PORT, formatPortRange, type PortRange, portMatches, readPorts } from "../save/port-range.ts";
import type { Match, MatchModule } from "./match.ts";

/** Ports of a UDP datagram (net/netfilter/xt_tcpudp.c, `udp_mt`). */
export interface UdpMatch extends Match {
  readonly kind: "udp";
  readonly sport: Negatable<PortRange> | null;
  readonly dport: Negatable<PortRange> | null;
}

export const udp: MatchModule<UdpMatch> = {
  kind: "udp",
  needsConntrack: false,

  parse(reader) {
    let sport: UdpMatch["sport"] = null;
    let dport: UdpMatch["dport"] = null;
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
    });
    return { kind: "udp", sport, dport };
  },

  format: (match) =>
    optionText(
      negatableText("--sport", match.sport, formatPortRange),
      negatableText("--dport", match.dport, formatPortRange),
    ),

  compile: (match) => new PortsTest(match.sport, match.dport),
};

/** Both ports of a transport header that begins with them. Runs per packet. */
export class PortsTest implements MatchTest {
  private readonly sportMin: number;
  private readonly sportMax: number;
  private readonly sportInvert: boolean;
  private readonly dportMin: number;
  private readonly dportMax: number;
  private readonly dportInvert: boolean;

  constructor(source: Negatable<PortRange> | null, destination: Negatable<PortRange> | null) {
    const sport = source ?? ANY_PORT;
    const dport = destination ?? ANY_PORT;
    this.sportMin = sport.value.min;
    this.sportMax = sport.value.max;
    this.sportInvert = sport.invert;
    this.dportMin = dport.value.min;
    this.dportMax = dport.value.max;
    this.dportInvert = dport.invert;
  }

  test(packet: Packet): boolean {
    return (
      packet.hasTransport &&
      portMatches(this.sportMin, this.sportMax, packet.sport, this.sportInvert) &&
      portMatches(this.dportMin, this.dportMax, packet.dport, this.dportInvert)
    );
  }
}
