import { optionText } from "../save/option-text.ts";
import type { Target, TargetModule } from "./target.ts";

/** Change the bits of explicit congestion notification, of TCP and of IP (net/ipv4/netfilter/ipt_ECN.c). */
export interface EcnTarget extends Target {
  readonly kind: "ECN";
  /** null: left as they are. */
  readonly ece: 0 | 1 | null;
  readonly cwr: 0 | 1 | null;
  /** 0 … 3 */
  readonly ipEct: number | null;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const ecn: TargetModule<EcnTarget> = {
  kind: "ECN",
  needsConntrack: false,

  parse(reader) {
    const target: Mutable<EcnTarget> = { kind: "ECN", ece: null, cwr: null, ipEct: null };
    reader.options({
      // Which makes one forget what was said before.
      "--ecn-tcp-remove": () => {
        target.ece = 0;
        target.cwr = 0;
        target.ipEct = null;
      },
      "--ecn-tcp-cwr": () => {
        target.cwr = reader.uint(1) === 0 ? 0 : 1;
      },
      "--ecn-tcp-ece": () => {
        target.ece = reader.uint(1) === 0 ? 0 : 1;
      },
      "--ecn-ip-ect": () => {
        target.ipEct = reader.uint(3);
      },
    });
    if (target.ece === null && target.cwr === null && target.ipEct === null)
      reader.fail("it needs --ecn-tcp-remove, --ecn-tcp-cwr, --ecn-tcp-ece or --ecn-ip-ect");
    return target;
  },

  format: ({ ece, cwr, ipEct }) =>
    optionText(
      ...(ece === 0 && cwr === 0
        ? ["--ecn-tcp-remove"]
        : [ece !== null && `--ecn-tcp-ece ${ece}`, cwr !== null && `--ecn-tcp-cwr ${cwr}`]),
      ipEct !== null && `--ecn-ip-ect ${ipEct}`,
    ),
};
