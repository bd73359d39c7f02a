import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText } from "../save/option-text.ts";
import { formatPortRange, type PortRange, portOf } from "../save/port-range.ts";
import type { Match, MatchModule } from "./match.ts";

/** Up to 15 ports, a range counting twice (net/netfilter/xt_multiport.c, revision 1). */
export interface MultiportMatch extends Match {
  readonly kind: "multiport";
  readonly side: MultiportSide;
  readonly ports: Negatable<readonly PortRange[]>;
}

export type MultiportSide = "sports" | "dports" | "ports";

/** `XT_MULTI_PORTS`. */
const MAX_PORTS = 15;

export const multiport: MatchModule<MultiportMatch> = {
  kind: "multiport",
  needsConntrack: false,

  parse(reader) {
    let found: { side: MultiportSide; ports: MultiportMatch["ports"] } | null = null;
    const read = (side: MultiportSide) => () => {
      if (found !== null) reader.fail("only one of --sports, --dports and --ports is allowed");
      found = { side, ports: { invert: reader.negated(), value: readPorts(reader) } };
    };
    const sports = read("sports");
    const dports = read("dports");
    reader.options({
      "--sports": sports,
      "--source-ports": sports,
      "--dports": dports,
      "--destination-ports": dports,
      "--ports": read("ports"),
    });
    if (found === null) reader.fail("it needs --sports, --dports or --ports");
    return { kind: "multiport", ...(found ?? { side: "ports", ports: { invert: false, value: [] } }) };
  },

  format: (match) =>
    negatableText(`--${match.side}`, match.ports, (ports) => ports.map(formatPortRange).join(",")) as string,

  compile: (match) => new MultiportTest(match),
};

function readPorts(reader: ArgumentReader): PortRange[] {
  const ports: PortRange[] = [];
  let slots = 0;
  for (const item of reader.word("a list of ports").split(",")) {
    const colon = item.indexOf(":");
    const min = portOf(reader, colon === -1 ? item : item.slice(0, colon));
    const max = colon === -1 ? min : portOf(reader, item.slice(colon + 1));
    if (colon !== -1 && min >= max) reader.failValue(`the range ${item} must rise`);
    ports.push({ min, max });
    slots += colon === -1 ? 1 : 2;
  }
  if (slots > MAX_PORTS) {
    reader.failValue(`${slots} ports, a range counting two, are more than ${MAX_PORTS}: use a second rule`);
  }
  return ports;
}

/** Runs per packet. */
class MultiportTest implements MatchTest {
  /** min and max in turn */
  private readonly bounds: Uint16Array;
  private readonly asksSource: boolean;
  private readonly asksDestination: boolean;
  private readonly invert: boolean;

  constructor(match: MultiportMatch) {
    this.bounds = Uint16Array.from(match.ports.value.flatMap(({ min, max }) => [min, max]));
    this.asksSource = match.side !== "dports";
    this.asksDestination = match.side !== "sports";
    this.invert = match.ports.invert;
  }

  test(packet: Packet): boolean {
    if (!packet.hasTransport) return false;
    const hit =
      (this.asksSource && this.contains(packet.sport)) ||
      (this.asksDestination && this.contains(packet.dport));
    return hit !== this.invert;
  }

  private contains(port: number): boolean {
    const bounds = this.bounds;
    for (let i = 0; i < bounds.length; i += 2) {
      if (port >= (bounds[i] as number) && port <= (bounds[i + 1] as number)) return true;
    }
    return false;
  }
}
