import type { Family } from "../../address/ip.ts";
import { formatOnPath } from "../../address/ip6-handle.ts";
import { formatMasked, type Masked, singleAddress } from "../../address/masked.ts";
import { Packet } from "../../packet/packet.ts";
import { internInterfaceName } from "../device/interface-name.ts";
import { RTN_LOCAL } from "../route/types.ts";
import { InterfacePattern } from "./interface-pattern.ts";
import { MaskedAddress } from "./masked-address.ts";
import type { ConntrackMatch } from "./match/conntrack.ts";
import { CT_STATE } from "./match/conntrack-state.ts";
import type { Match } from "./match/match.ts";
import { compileMatch, isAlwaysTrue } from "./match/registry.ts";
import type { StateMatch } from "./match/state.ts";
import type { TcpMatch } from "./match/tcp.ts";
import type { UdpMatch } from "./match/udp.ts";
import type { Negatable, Rule } from "./rule.ts";
import type { RuleContext } from "./rule-context.ts";
import { formatMatch } from "./save/format.ts";
import { formatPortRange, type PortRange } from "./save/port-range.ts";
import { formatProtocol } from "./save/protocol.ts";

/** A packet at a hook, as far as rules look at it and a trace still knows it. */
export interface PacketAtHook {
  readonly family: Family;
  /** Addresses as the path holds them. */
  readonly src: number;
  readonly dst: number;
  readonly protocol: number;
  /** null: the protocol has none. */
  readonly sport: number | null;
  readonly dport: number | null;
  readonly tcpFlags: number;
  readonly icmpType: number;
  readonly icmpCode: number;
  readonly ttl: number;
  readonly length: number;
  readonly isFragment: boolean;
  readonly mark: number;
  /** Empty: the hook has none. */
  readonly inDevice: string;
  readonly outDevice: string;
  /** Bit of `CT_STATE`; null where it is not known any more. */
  readonly ctState: number | null;
  /** `RTN_*` of an address, as `-m addrtype` asks. */
  readonly addressType: (address: number) => number;
}

/** What a rule asks for that the packet has not. */
export interface FailedCondition {
  /** `state`: of the connection or a mark, which programs use among themselves. */
  readonly kind: "destination" | "state" | "other";
  /** As `iptables-save` writes it: `--dport 8080`. */
  readonly text: string;
  /** What the packet has instead, empty where one word does not say it. */
  readonly has: string;
  /** The rule asks for one exact address. */
  readonly isExact: boolean;
}

/** What programs note and ask among themselves. */
const STATES: ReadonlySet<string> = new Set(["conntrack", "mark", "state"]);
/** Matches that look at nothing but the packet, and so can be asked again. */
const STATELESS: ReadonlySet<string> = new Set([
  "addrtype",
  "hl",
  "icmp",
  "icmp6",
  "iprange",
  "length",
  "mark",
  "multiport",
  "ttl",
]);

/**
 * The conditions of a rule that a packet fails, one by one: the literal reading of a rule, for explanations and never in a
 * packet's path. None: the rule matches. null: it asks for something that is not known any more (a limit, a set, chance).
 */
export function failedConditions(rule: Rule, packet: PacketAtHook): FailedCondition[] | null {
  const failed: FailedCondition[] = [];
  const other = (text: string, has: string): void => {
    failed.push({ kind: "other", text, has, isExact: false });
  };
  checkAddress("-s", rule.src, packet, packet.src, "other", failed);
  checkAddress("-d", rule.dst, packet, packet.dst, "destination", failed);
  if (rule.protocol !== null && rule.protocol.value !== 0) {
    const { value, invert } = rule.protocol;
    if ((packet.protocol === value) === invert)
      other(`${not(invert)}-p ${formatProtocol(value)}`, formatProtocol(packet.protocol));
  }
  const sides = [
    ["-i", "in", rule.inInterface, packet.inDevice],
    ["-o", "out", rule.outInterface, packet.outDevice],
  ] as const;
  for (const [flag, side, asked, device] of sides) {
    if (asked !== null && !deviceFits(side, asked, device))
      other(`${not(asked.invert)}${flag} ${asked.value}`, device === "" ? "none" : device);
  }
  if (rule.fragment !== null && packet.isFragment === rule.fragment.invert)
    other(`${not(rule.fragment.invert)}-f`, packet.isFragment ? "a fragment" : "no fragment");
  const probe = probeOf(packet);
  for (const match of rule.matches) {
    if (isAlwaysTrue(match)) continue;
    const answer = checkMatch(match, packet, probe, rule.protocol);
    if (answer === null) return null;
    failed.push(...answer);
  }
  return failed;
}

function checkMatch(
  match: Match,
  packet: PacketAtHook,
  probe: Packet,
  protocol: Rule["protocol"],
): FailedCondition[] | null {
  const kind = STATES.has(match.kind) ? "state" : "other";
  const failed = (text: string, has = ""): FailedCondition[] => [{ kind, text, has, isExact: false }];
  switch (match.kind) {
    case "tcp":
    case "udp": {
      const { sport, dport, ...more } = match as TcpMatch | UdpMatch;
      const flags = "flags" in more ? more.flags : null;
      if ("option" in more && more.option !== null) return null;
      // With the wrong protocol there are no ports to look at, and one condition that says so.
      const number = match.kind === "tcp" ? 6 : 17;
      if (packet.protocol !== number) return protocol === null ? failed(`-m ${match.kind}`) : [];
      return [
        ...checkPort("--sport", sport, packet.sport),
        ...checkPort("--dport", dport, packet.dport),
        ...(flags !== null && ((packet.tcpFlags & flags.value.mask) === flags.value.comp) === flags.invert
          ? failed("--tcp-flags")
          : []),
      ];
    }
    case "state": {
      const { value, invert } = (match as StateMatch).states;
      if (packet.ctState === null) return null;
      return ((value & packet.ctState) !== 0) === invert
        ? failed(formatMatch(match), stateName(packet.ctState))
        : [];
    }
    case "conntrack": {
      const { state, ...more } = match as ConntrackMatch;
      const asksMore = Object.entries(more).some(([key, value]) => key !== "kind" && value !== null);
      if (asksMore || state === null || packet.ctState === null) return null;
      // SNAT and DNAT are not states of the packet but of its connection.
      if ((state.value & (CT_STATE.SNAT | CT_STATE.DNAT)) !== 0) return null;
      return ((state.value & packet.ctState) !== 0) === state.invert
        ? failed(formatMatch(match).replace("-m conntrack ", ""), stateName(packet.ctState))
        : [];
    }
    default: {
      const test = STATELESS.has(match.kind) ? compileMatch(match) : null;
      if (test === null) return null;
      const { addressType } = packet;
      const routedAs6 = (address: number) => (1 << addressType(address)) & (1 << RTN_LOCAL);
      const context = { addressType, routedAs6, inIf: 0, outIf: 0 };
      const has = match.kind === "mark" ? `0x${packet.mark.toString(16)}` : "";
      return test.test(probe, context as unknown as RuleContext)
        ? []
        : failed(
            formatMatch(match).replace(/^-m (?:addrtype|mark|multiport|ttl|hl|length|iprange) /, ""),
            has,
          );
    }
  }
}

function checkAddress(
  flag: string,
  asked: Negatable<Masked> | null,
  { family }: PacketAtHook,
  address: number,
  kind: FailedCondition["kind"],
  failed: FailedCondition[],
): void {
  if (asked === null) return;
  const { value, invert } = asked;
  if (new MaskedAddress(value).holds(address) !== invert) return;
  failed.push({
    kind,
    text: `${not(invert)}${flag} ${formatMasked(value)}`,
    has: formatOnPath(family, address),
    isExact: singleAddress(value) !== null && !invert,
  });
}

function checkPort(flag: string, asked: Negatable<PortRange> | null, port: number | null): FailedCondition[] {
  if (asked === null) return [];
  const { value, invert } = asked;
  const fits = port !== null && (port >= value.min && port <= value.max) !== invert;
  if (fits) return [];
  return [
    {
      kind: "other",
      text: `${not(invert)}${flag} ${formatPortRange(value)}`,
      has: port === null ? "" : String(port),
      isExact: false,
    },
  ];
}

function deviceFits(side: "in" | "out", asked: Negatable<string>, device: string): boolean {
  if (!asked.value.endsWith("+")) return (asked.value === device) !== asked.invert;
  const name = device === "" ? -1 : internInterfaceName(device);
  const context = { inName: name, outName: name } as unknown as RuleContext;
  return new InterfacePattern(side, asked).test(new Packet(), context);
}

function probeOf(at: PacketAtHook): Packet {
  const packet = new Packet();
  packet.family = at.family;
  packet.src = at.src;
  packet.dst = at.dst;
  packet.protocol = at.protocol;
  packet.sport = at.sport ?? 0;
  packet.dport = at.dport ?? 0;
  packet.tcpFlags = at.tcpFlags;
  packet.icmpType = at.icmpType;
  packet.icmpCode = at.icmpCode;
  packet.ttl = at.ttl;
  packet.length = at.length;
  packet.mark = at.mark | 0;
  packet.fragOffset = at.isFragment ? 1 : 0;
  return packet;
}

function stateName(state: number): string {
  return Object.entries(CT_STATE).find(([, bit]) => bit === state)?.[0] ?? "";
}

function not(invert: boolean): string {
  return invert ? "! " : "";
}
