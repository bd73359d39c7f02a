import type { Masked } from "../../../address/masked.ts";
import { IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, type Packet, protocolKey } from "../../../packet/packet.ts";
import { ctInfoDirection } from "../../conntrack/status.ts";
import { FORWARD_GATE, FORWARD_MASK, FORWARD_MASQ, FORWARD_TUNNEL } from "../../ipvs/connection-flags.ts";
import { NO_CONNECTION } from "../../ipvs/connection-table.ts";
import { MaskedAddress } from "../masked-address.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
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
  readonly address: Negatable<Masked> | null;
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

  compile: (match) => new IpvsTest(match),
};

/** `ipvs_mt`. The connection is looked for as the client's packet looks once it was sent on: its far end is the server's. */
class IpvsTest implements MatchTest {
  private readonly match: IpvsMatch;
  private readonly address: MaskedAddress | null;

  constructor(match: IpvsMatch) {
    this.match = match;
    this.address = match.address && new MaskedAddress(match.address.value);
  }

  test(packet: Packet, context: RuleContext): boolean {
    const { match } = this;
    if (match.ipvs !== null) return packet.ipvsProperty !== match.ipvs.invert;
    if (!packet.ipvsProperty) return false;
    const { protocol } = packet;
    if (!agrees(match.protocol, match.protocol?.value === protocol)) return false;
    if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_UDP && protocol !== IPPROTO_SCTP) return false;
    const table = context.ipvsConnections;
    const cp = table.findOut(protocolKey(packet), packet.src, packet.sport, packet.dst, packet.dport);
    if (cp === NO_CONNECTION) return false;
    if (!agrees(match.port, table.vport(cp) === match.port?.value)) return false;
    const control = table.control(cp);
    const controlled = control !== NO_CONNECTION && table.vport(control) === match.controlPort?.value;
    if (!agrees(match.controlPort, controlled)) return false;
    if (match.direction !== null) {
      if (packet.ct < 0) return false;
      if ((ctInfoDirection(packet.ctInfo) === 1) !== (match.direction === "REPLY")) return false;
    }
    const method = METHOD_NAMES[table.flags(cp) & FORWARD_MASK];
    if (!agrees(match.method, method === match.method?.value)) return false;
    return this.address === null || agrees(match.address, this.address.holds(table.vaddr(cp)));
  }
}

/** Is an option satisfied, or was it not given? */
function agrees(option: { readonly invert: boolean } | null, holds: boolean): boolean {
  return option === null || holds !== option.invert;
}

const METHOD_NAMES: Readonly<Record<number, (typeof METHODS)[number]>> = {
  [FORWARD_MASQ]: "MASQ",
  [FORWARD_TUNNEL]: "IPIP",
  [FORWARD_GATE]: "GATE",
};
