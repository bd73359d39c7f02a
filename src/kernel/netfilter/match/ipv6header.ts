import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText, optionText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Which extension headers an IPv6 packet has (net/ipv6/netfilter/ip6t_ipv6header.c). */
export interface Ipv6headerMatch extends Match {
  readonly kind: "ipv6header";
  /** Names as printed; which they are depends on the machine's /etc/protocols. */
  readonly headers: Negatable<readonly string[]>;
  /** At least these, instead of exactly these. */
  readonly soft: boolean;
}

export const ipv6header: MatchModule<Ipv6headerMatch> = {
  kind: "ipv6header",
  needsConntrack: false,

  parse(reader) {
    let headers: Ipv6headerMatch["headers"] | null = null;
    let soft = false;
    reader.options({
      "--header": () => {
        headers = { invert: reader.negated(), value: reader.word("a list of headers").split(",") };
      },
      "--soft": () => {
        soft = true;
      },
    });
    if (headers === null) reader.fail("--header is missing");
    return { kind: "ipv6header", headers: headers ?? { invert: false, value: [] }, soft };
  },

  format: (match) =>
    optionText(
      negatableText("--header", match.headers, (names) => names.join(",")),
      match.soft && "--soft",
    ),

  compile(match) {
    const bits = match.headers.value.map((name) => HEADER_BITS[name]);
    if (bits.some((bit) => bit === undefined)) return null;
    const wanted = bits.reduce<number>((all, bit) => all | (bit as number), 0);
    return new Ipv6headerTest(wanted, match.headers.invert, match.soft);
  },
};

/** `MASK_*`, by every name and number ip6tables takes. */
const HEADER_BITS: Readonly<Record<string, number>> = Object.fromEntries(
  (
    [
      [128, "hop", "hop-by-hop", "0"],
      [64, "dst", "ipv6-opts", "60"],
      [32, "route", "ipv6-route", "43"],
      [16, "frag", "ipv6-frag", "44"],
      [8, "auth", "ah", "51"],
      [4, "esp", "50"],
      [2, "none", "ipv6-nonxt", "59"],
      [1, "prot", "protocol"],
    ] as const
  ).flatMap(([bit, ...names]) => names.map((name) => [name, bit])),
);

const FRAGMENT = 16;
const ESP = 4;
const NONE = 2;
const PROTOCOL = 1;

/** `ipv6header_mt6`. Runs per packet. */
class Ipv6headerTest implements MatchTest {
  private readonly wanted: number;
  private readonly invert: boolean;
  private readonly soft: boolean;

  constructor(wanted: number, invert: boolean, soft: boolean) {
    this.wanted = wanted;
    this.invert = invert;
    this.soft = soft;
  }

  test(packet: Packet): boolean {
    const { protocol } = packet;
    const last = protocol === IPPROTO_ESP ? ESP : protocol === IPPROTO_NONE ? NONE : PROTOCOL;
    let has = (packet.isFragment ? FRAGMENT : 0) | last;
    for (const extension of packet.extensions) has |= EXTENSION_BITS[extension.protocol] ?? 0;
    if (!this.soft) return (has === this.wanted) !== this.invert;
    return ((has ^ this.wanted ^ (this.invert ? 0xff : 0)) & this.wanted) === 0;
  }
}

/** By number. */
const EXTENSION_BITS: Readonly<Record<number, number>> = { 0: 128, 43: 32, 51: 8, 60: 64 };

const IPPROTO_ESP = 50;
const IPPROTO_NONE = 59;
