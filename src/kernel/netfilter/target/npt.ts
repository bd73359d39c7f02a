import { formatMasked, lengthOfMasked, type Masked, withoutHostBits } from "../../../address/masked.ts";
import { readMasked } from "../save/address.ts";
import type { Target, TargetModule } from "./target.ts";

/** Exchange the prefix of an IPv6 address, no connection remembered (net/ipv6/netfilter/ip6t_NPT.c, RFC 6296). */
export interface NptTarget extends Target {
  readonly kind: "SNPT" | "DNPT";
  readonly from: Masked;
  readonly to: Masked;
}

const MAX_LENGTH = 64;
const NOTHING: Masked = { address: [0, 0, 0, 0], mask: [0, 0, 0, 0] };

function npt(kind: NptTarget["kind"]): TargetModule<NptTarget> {
  return {
    kind,
    needsConntrack: false,

    parse(reader) {
      let from: Masked | null = null;
      let to: Masked | null = null;
      const prefix = (): Masked => {
        const masked = readMasked(reader);
        const length = lengthOfMasked(masked);
        if (length === undefined || length > MAX_LENGTH)
          reader.failValue(`write a prefix of up to ${MAX_LENGTH} bits`);
        else if (formatMasked(masked) !== formatMasked(withoutHostBits(masked)))
          reader.failValue(`bits are set behind the prefix: write ${formatMasked(withoutHostBits(masked))}`);
        return masked;
      };
      reader.options({
        "--src-pfx": () => {
          from = prefix();
        },
        "--dst-pfx": () => {
          to = prefix();
        },
      });
      if (from === null || to === null) reader.fail("it needs --src-pfx and --dst-pfx");
      return { kind, from: from ?? NOTHING, to: to ?? NOTHING };
    },

    format: ({ from, to }) => `--src-pfx ${formatMasked(from)} --dst-pfx ${formatMasked(to)}`,
  };
}

export const snpt = npt("SNPT");
export const dnpt = npt("DNPT");
