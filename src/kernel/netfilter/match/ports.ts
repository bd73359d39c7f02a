import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import { ANY_PORT, formatPortRange, type PortRange, portMatches, readPorts } from "../save/port-range.ts";

/** What a match of a transport asks of its ports; null: nothing. */
export interface Ports {
  readonly sport: Negatable<PortRange> | null;
  readonly dport: Negatable<PortRange> | null;
}

/** `--sport`, `--dport` and their long names: options that fill in what is asked of the ports. */
export function portOptions(
  reader: ArgumentReader,
  ports: { -readonly [Side in keyof Ports]: Ports[Side] },
): Record<string, () => void> {
  const sport = () => {
    ports.sport = readPorts(reader);
  };
  const dport = () => {
    ports.dport = readPorts(reader);
  };
  return { "--sport": sport, "--source-port": sport, "--dport": dport, "--destination-port": dport };
}

export function formatPorts({ sport, dport }: Ports): string {
  return optionText(
    negatableText("--sport", sport, formatPortRange),
    negatableText("--dport", dport, formatPortRange),
  );
}

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
