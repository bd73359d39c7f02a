import type { Packet } from "../../../packet/packet.ts";
import { icmpTypeNamed } from "../../icmp/type-names.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Type and code of an ICMP message (net/ipv4/netfilter/ip_tables.c, `icmp_match`). */
export interface IcmpMatch extends Match {
  readonly kind: "icmp";
  readonly type: Negatable<IcmpType>;
}

export interface IcmpType {
  /** 255: any type. */
  readonly type: number;
  /** null: any code. */
  readonly code: number | null;
}

const ANY_TYPE = 255;

export const icmp: MatchModule<IcmpMatch> = {
  kind: "icmp",
  needsConntrack: false,

  parse(reader) {
    let type: IcmpMatch["type"] | null = null;
    reader.options({
      "--icmp-type": () => {
        type = { invert: reader.negated(), value: readType(reader) };
      },
    });
    if (type === null) reader.fail("--icmp-type is missing");
    return { kind: "icmp", type: type ?? { invert: false, value: { type: ANY_TYPE, code: null } } };
  },

  format: (match) =>
    negatableText("--icmp-type", match.type, ({ type, code }) => {
      if (type === ANY_TYPE) return "any";
      return code === null ? String(type) : `${type}/${code}`;
    }) as string,

  compile: (match) => new IcmpTest(match.type, true),
};

function readType(reader: ArgumentReader): IcmpType {
  if (reader.peek() !== "any") return readIcmpType(reader);
  reader.skip();
  return { type: ANY_TYPE, code: null };
}

/** `8` or `3/4`, or a name. */
export function readIcmpType(reader: ArgumentReader): IcmpType {
  const text = reader.word("an ICMP type, such as 8 or 3/4");
  const named = icmpTypeNamed(text, reader.family);
  if (named !== undefined) return named;
  const slash = text.indexOf("/");
  if (slash === -1) {
    const type = reader.uintOf(text, 255);
    return { type, code: null };
  }
  return { type: reader.uintOf(text.slice(0, slash), 255), code: reader.uintOf(text.slice(slash + 1), 255) };
}

/** Runs per packet. */
export class IcmpTest implements MatchTest {
  private readonly type: number;
  private readonly anyType: boolean;
  private readonly codeMin: number;
  private readonly codeMax: number;
  private readonly invert: boolean;

  /** @param hasAny does type 255 stand for all types? Only in IPv4. */
  constructor({ value, invert }: Negatable<IcmpType>, hasAny: boolean) {
    this.type = value.type;
    this.anyType = hasAny && value.type === ANY_TYPE;
    this.codeMin = value.code ?? 0;
    this.codeMax = value.code ?? 255;
    this.invert = invert;
  }

  test(packet: Packet): boolean {
    if (!packet.hasTransport) return false;
    const code = packet.icmpCode;
    const hit =
      this.anyType || (packet.icmpType === this.type && code >= this.codeMin && code <= this.codeMax);
    return hit !== this.invert;
  }
}
