import type { Match, MatchModule } from "./match.ts";
import { formatPorts, type Ports, PortsTest, portOptions } from "./ports.ts";

/** Ports of a UDP datagram (net/netfilter/xt_tcpudp.c, `udp_mt`). */
export interface UdpMatch extends Match, Ports {
  readonly kind: "udp";
}

export const udp: MatchModule<UdpMatch> = {
  kind: "udp",
  needsConntrack: false,

  parse(reader) {
    const ports: Ports = { sport: null, dport: null };
    reader.options(portOptions(reader, ports));
    return { kind: "udp", ...ports };
  },

  format: formatPorts,

  compile: (match) => new PortsTest(match.sport, match.dport),
};
