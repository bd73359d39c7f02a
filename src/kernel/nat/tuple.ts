import * as PACKET from "../../packet/packet.ts";
import { hasPorts } from "../../packet/ports.ts";
import { inverseType } from "../conntrack/icmp.ts";
import type { ConntrackTable } from "../conntrack/table.ts";

// A module's own constants are folded into its code; imported ones are read, and checked, at every use.
const { IPPROTO_ICMP, IPPROTO_ICMPV6, KEY_IPV6 } = PACKET;

/**
 * A connection's tuple (`struct nf_conntrack_tuple`) while a translation chooses it, as its original packets will look. Filled anew for every
 * translation: this runs per packet, and nothing is allocated. Of ICMP `sport` is the id, `dport` type << 8 | code.
 */
export class NatTuple {
  src = 0;
  dst = 0;
  sport = 0;
  dport = 0;
  /** Protocol and family (`protocolKey`). */
  proto = 0;
  /** Of ICMP or ICMPv6. */
  isIcmp = false;
  hasPorts = false;

  /** What an entry looks like now, seen from the original direction: its reply tuple inverted (`nf_ct_invert_tuple`). */
  invertReply(table: ConntrackTable, ct: number): this {
    const proto = table.protoKey(ct);
    this.isIcmp = proto === IPPROTO_ICMP || proto === (IPPROTO_ICMPV6 | KEY_IPV6);
    this.hasPorts = hasPorts(proto & 0xff);
    this.proto = proto;
    this.src = table.replyDst(ct);
    this.dst = table.replySrc(ct);
    this.sport = this.isIcmp ? table.replySport(ct) : table.replyDport(ct);
    this.dport = this.isIcmp ? table.origDport(ct) : table.replySport(ct);
    return this;
  }

  /** `nf_nat_used_tuple`: would the answers to this tuple, as `self`'s, be taken for another connection's? */
  isUsed(table: ConntrackTable, self: number): boolean {
    const { src, dst, sport, dport, proto } = this;
    return this.isIcmp
      ? table.isTakenFor(self, dst, src, sport, inverseCode(dport, proto), proto)
      : table.isTakenFor(self, dst, src, dport, sport, proto);
  }
}

/** Type and code of the answer to a message. */
function inverseCode(typeAndCode: number, key: number): number {
  return (inverseType(typeAndCode >> 8, (key & KEY_IPV6) === 0 ? 4 : 6) << 8) | (typeAndCode & 0xff);
}
