import {
  PACKET_BROADCAST,
  PACKET_HOST,
  PACKET_LOOPBACK,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  type Packet,
} from "../../../packet/packet.ts";
import { isMulticast } from "../../route/output-route.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import { negatableText } from "../save/option-text.ts";
import type { Match, MatchModule } from "./match.ts";

/** Whom the frame was addressed to (net/netfilter/xt_pkttype.c). */
export interface PkttypeMatch extends Match {
  readonly kind: "pkttype";
  readonly type: Negatable<PacketTypeName>;
}

const TYPES = {
  unicast: PACKET_HOST,
  broadcast: PACKET_BROADCAST,
  multicast: PACKET_MULTICAST,
  otherhost: PACKET_OTHERHOST,
} as const;

export type PacketTypeName = keyof typeof TYPES;

export const pkttype: MatchModule<PkttypeMatch> = {
  kind: "pkttype",
  needsConntrack: false,

  parse(reader) {
    let type: PkttypeMatch["type"] | null = null;
    reader.options({
      "--pkt-type": () => {
        type = { invert: reader.negated(), value: reader.oneOf(Object.keys(TYPES) as PacketTypeName[]) };
      },
    });
    if (type === null) reader.fail("--pkt-type is missing");
    return { kind: "pkttype", type: type ?? { invert: false, value: "unicast" } };
  },

  format: (match) => negatableText("--pkt-type", match.type, String) as string,

  compile: (match) => new PkttypeTest(match.type),
};

/** Runs per packet. */
class PkttypeTest implements MatchTest {
  private readonly type: number;
  private readonly invert: boolean;

  constructor({ value, invert }: Negatable<PacketTypeName>) {
    this.type = TYPES[value];
    this.invert = invert;
  }

  test(packet: Packet): boolean {
    return (shownPktType(packet) === this.type) !== this.invert;
  }
}

/** What the host said to many, and hears itself, was for many (`pkttype_mt`, `nft_meta_get_eval_pkttype_lo`). */
export function shownPktType({ pktType, family, dst }: Packet): number {
  if (pktType !== PACKET_LOOPBACK) return pktType;
  return family === 6 || isMulticast(dst) ? PACKET_MULTICAST : PACKET_BROADCAST;
}
