import { parseIpv4 } from "../../address/ipv4.ts";
import { parseMac } from "../../address/mac.ts";
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  type Packet,
} from "../../packet/packet.ts";
import { encodeIp } from "../../packet/wire/frame.ts";
import type { TcFilter } from "./traffic-control.ts";

/** A filter of traffic control compiled: u32, matchall and flower are read, others are only known to be there. */
export interface CompiledTcFilter {
  readonly plain: TcFilter;
  /** Place among the host's filters. */
  readonly index: number;
  /** EtherType, 0 all. */
  readonly ethType: number;
  /** null: not modelled. */
  readonly test: ((packet: Packet) => boolean) | null;
  readonly actions: readonly TcAction[];
  /** In words, for a trace. */
  readonly name: string;
}

/** What an action ends in (`TC_ACT_*`). */
export type TcControl = "pass" | "drop" | "stolen" | "pipe" | "continue" | "other";

export type TcAction =
  | {
      readonly kind: "mirred";
      readonly redirect: boolean;
      /** Where the frame goes on at the other device: it comes in there, or leaves by it. */
      readonly comesIn: boolean;
      readonly dev: string;
      readonly control: TcControl;
    }
  | { readonly kind: "gact"; readonly control: TcControl }
  | { readonly kind: "unmodelled"; readonly text: string; readonly control: "pipe" };

const PROTOCOLS: Readonly<Record<string, number>> = {
  all: 0,
  ip: ETH_P_IP,
  ipv6: ETH_P_IPV6,
  arp: ETH_P_ARP,
};

/** null: the line is a filter's frame (its chain, a hash table of u32), and no filter. */
export function compileTcFilter(plain: TcFilter, index: number): CompiledTcFilter | null {
  const { head, lines } = plain;
  const [, protocol = "all", pref = "", kind = "", rest = ""] =
    /protocol (\S+) pref (\d+) (\S+)(.*)$/.exec(head) ?? [];
  const isOne =
    kind === "u32"
      ? /\bfh [0-9a-f]+:[0-9a-f]*:[0-9a-f]+\b/.test(rest)
      : /\b(?:handle|fh) /.test(rest) || lines.length > 0;
  if (!isOne || kind === "") return null;
  const ethType = PROTOCOLS[protocol];
  // Other chains are reached by an action that is not modelled.
  const known = ethType !== undefined && /\bchain 0\b/.test(rest);
  const reader = READERS[kind];
  return {
    plain,
    index,
    ethType: ethType ?? 0,
    test: known && reader !== undefined ? reader(rest, lines) : null,
    actions: lines.flatMap(readAction),
    name: `${plain.hook} of ${plain.dev}, pref ${pref} ${kind}`,
  };
}

function readAction(line: string): TcAction[] {
  const text = /^\s+action order \d+: +(.*)$/.exec(line)?.[1];
  if (text === undefined) return [];
  const mirred = /^mirred \((Egress|Ingress) (Redirect|Mirror) to device (\S+)\) (\S+)/.exec(text);
  if (mirred !== null) {
    const [, way, what, dev = "", control = ""] = mirred;
    return [
      {
        kind: "mirred",
        redirect: what === "Redirect",
        comesIn: way === "Ingress",
        dev,
        control: controlOf(control),
      },
    ];
  }
  const gact = /^gact action (\S+)/.exec(text)?.[1];
  return [
    gact === undefined
      ? { kind: "unmodelled", text, control: "pipe" }
      : { kind: "gact", control: controlOf(gact) },
  ];
}

const CONTROLS: readonly TcControl[] = ["pass", "drop", "stolen", "pipe", "continue"];

function controlOf(word: string): TcControl {
  return CONTROLS.find((known) => known === word) ?? "other";
}

type Reader = (rest: string, lines: readonly string[]) => ((packet: Packet) => boolean) | null;

const READERS: Readonly<Record<string, Reader>> = {
  matchall: () => () => true,
  u32: readU32,
  flower: readFlower,
};

/** `match VALUE/MASK at OFFSET`, counted from the IP header: words of the packet as it is on the wire. */
function readU32(rest: string, lines: readonly string[]): ReturnType<Reader> {
  if (/\blink\b/.test(rest)) return null;
  const keys: { value: number; mask: number; at: number }[] = [];
  for (const line of lines) {
    const found = /^\s+match (\S+) at (\S+)/.exec(line);
    if (found === null) {
      if (/^\s+(?:mark|offset|match)\b/.test(line)) return null;
      continue;
    }
    const [value = "", mask = ""] = (found[1] ?? "").split("/");
    const at = Number(found[2]);
    if (!/^[0-9a-f]{8}$/.test(value) || !/^[0-9a-f]{8}$/.test(mask) || !(at >= 0)) return null;
    keys.push({ value: Number.parseInt(value, 16) | 0, mask: Number.parseInt(mask, 16) | 0, at });
  }
  const asked = keys.filter(({ mask }) => mask !== 0);
  if (asked.length === 0) return () => true;
  return (packet) => {
    if (packet.ethType === ETH_P_ARP) return false;
    const bytes = encodeIp(packet);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return asked.every(
      ({ value, mask, at }) => at + 4 <= bytes.length && ((view.getInt32(at) ^ value) & mask) === 0,
    );
  };
}

const IP_PROTOCOLS: Readonly<Record<string, number>> = {
  tcp: IPPROTO_TCP,
  udp: IPPROTO_UDP,
  sctp: IPPROTO_SCTP,
  icmp: IPPROTO_ICMP,
  icmpv6: IPPROTO_ICMPV6,
};

/** Lines of what it looks at; one that is not known makes it unknown. */
function readFlower(_rest: string, lines: readonly string[]): ReturnType<Reader> {
  const tests: ((packet: Packet) => boolean)[] = [];
  for (const line of lines) {
    if (/^\s+action order/.test(line)) break;
    const [word = "", value = ""] = line.trim().split(/\s+/);
    if (word === "" || word === "not_in_hw" || word === "in_hw" || word === "skip_hw" || word === "handle")
      continue;
    const test = flowerTest(word, value);
    if (test === null) return null;
    tests.push(test);
  }
  return (packet) => tests.every((test) => test(packet));
}

function flowerTest(word: string, value: string): ((packet: Packet) => boolean) | null {
  switch (word) {
    case "eth_type": {
      const type = { ipv4: ETH_P_IP, ipv6: ETH_P_IPV6, arp: ETH_P_ARP }[value];
      return type === undefined ? null : (packet) => packet.ethType === type;
    }
    case "ip_proto": {
      const protocol = IP_PROTOCOLS[value] ?? Number(value);
      return Number.isNaN(protocol) ? null : (packet) => packet.protocol === protocol;
    }
    case "src_ip":
    case "dst_ip": {
      const [text = "", bits = "32"] = value.split("/");
      const address = parseIpv4(text);
      const length = Number(bits);
      if (address === undefined || !(length >= 0 && length <= 32)) return null;
      const mask = length === 0 ? 0 : -1 << (32 - length);
      return ({ family, src, dst }) =>
        family !== 6 && (((word === "src_ip" ? src : dst) ^ address) & mask) === 0;
    }
    case "src_port":
    case "dst_port": {
      const port = Number(value);
      if (!Number.isInteger(port)) return null;
      return (packet) => packet.hasTransport && (word === "src_port" ? packet.sport : packet.dport) === port;
    }
    case "src_mac":
    case "dst_mac": {
      const mac = parseMac(value);
      if (mac === undefined) return null;
      return ({ ethSrc, ethDst }) => (word === "src_mac" ? ethSrc : ethDst) === mac;
    }
    default:
      return null;
  }
}

const UNITS: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 * 1024, gb: 1024 ** 3 };

/** The longest frame that a token bucket takes (`tbf_change`: `max_size`), bytes; 0 where nothing says. */
export function longestOfTbf(options: string): number {
  const [, amount = "", unit = "b"] = /\bburst ([\d.]+)([KMG]?b)\b/i.exec(options) ?? [];
  return amount === "" ? 0 : Math.floor(Number(amount) * (UNITS[unit.toLowerCase()] ?? 1));
}

/**
 * Filters of u32 that both hooks of a device list: where both have filters of one preference, `tc filter show` prints those of
 * both for each, and whose they are nothing says.
 */
export function ambiguousFilters(filters: readonly TcFilter[]): ReadonlySet<TcFilter> {
  const byName = new Map<string, TcFilter[]>();
  for (const filter of filters) {
    const handle = /\bu32\b.*\bfh (\S+:\S*:\S+)/.exec(filter.head)?.[1];
    if (handle === undefined) continue;
    const name = `${filter.dev} ${handle} ${filter.lines.join("|")}`;
    byName.set(name, [...(byName.get(name) ?? []), filter]);
  }
  const several = [...byName.values()].filter((same) => new Set(same.map(({ hook }) => hook)).size > 1);
  return new Set(several.flat());
}
