import { type Ip6, internIpv6, masked6, word6 } from "../../address/ip6-handle.ts";
import { isMasked4, type Masked } from "../../address/masked.ts";
import type { Packet } from "../../packet/packet.ts";
import type { Negatable } from "./rule.ts";
import type { MatchTest } from "./rule-context.ts";

/** An address under a mask as the path asks for it: of IPv4 in bits, of IPv6 in handles. Runs per packet. */
export class MaskedAddress {
  private readonly isIpv6: boolean;
  /** The address without the bits outside the mask. */
  private readonly address: number;
  private readonly mask: number;

  constructor(masked: Masked) {
    this.isIpv6 = !isMasked4(masked);
    if (isMasked4(masked)) {
      this.address = masked.address & masked.mask;
      this.mask = masked.mask;
    } else {
      this.mask = internIpv6(masked.mask);
      this.address = masked6(internIpv6(masked.address), this.mask);
    }
  }

  /** Is this address, of the same family, one of them? */
  holds(address: number): boolean {
    if (!this.isIpv6) return (address & this.mask) === this.address;
    return equalUnder(address, this.address, this.mask);
  }
}

function equalUnder(one: Ip6, other: Ip6, mask: Ip6): boolean {
  for (let i = 0; i < 4; i++) if (((word6(one, i) ^ word6(other, i)) & word6(mask, i)) !== 0) return false;
  return true;
}

/** `-s` or `-d` of IPv6 with a mask shorter than the address, which no integer column can hold. Runs per packet. */
export class AddressTest implements MatchTest {
  private readonly side: "src" | "dst";
  private readonly wanted: MaskedAddress;
  private readonly invert: boolean;

  constructor(side: "src" | "dst", { value, invert }: Negatable<Masked>) {
    this.side = side;
    this.wanted = new MaskedAddress(value);
    this.invert = invert;
  }

  test(packet: Packet): boolean {
    return this.wanted.holds(this.side === "src" ? packet.src : packet.dst) !== this.invert;
  }
}
