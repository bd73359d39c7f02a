import { addressBits } from "../save/address.ts";
import { optionText } from "../save/option-text.ts";
import type { Target, TargetModule } from "./target.ts";

/** Mark a packet with a hash of whom it is from and to, the same both ways (net/netfilter/xt_HMARK.c). */
export interface HmarkTarget extends Target {
  readonly kind: "HMARK";
  /** Lengths of the prefixes that are hashed; null: none of it. */
  readonly srcPrefix: number | null;
  readonly dstPrefix: number | null;
  /** Bits of the ports, both 16; of an SPI, all 32. */
  readonly sportMask: number | null;
  readonly dportMask: number | null;
  readonly spiMask: number | null;
  /** Set in their place. */
  readonly sport: number | null;
  readonly dport: number | null;
  readonly spi: number | null;
  readonly protocolMask: number | null;
  readonly seed: number;
  readonly modulus: number;
  /** null: not said, 0. */
  readonly offset: number | null;
  /** As the connection was before translation. */
  readonly ofConnection: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const TUPLE = ["src", "dst", "sport", "dport", "spi", "proto", "ct"] as const;

export const hmark: TargetModule<HmarkTarget> = {
  kind: "HMARK",
  needsConntrack: false,

  parse(reader) {
    const bits = addressBits(reader.family);
    const target: Mutable<HmarkTarget> = {
      kind: "HMARK",
      srcPrefix: null,
      dstPrefix: null,
      sportMask: null,
      dportMask: null,
      spiMask: null,
      sport: null,
      dport: null,
      spi: null,
      protocolMask: null,
      seed: 0,
      modulus: 0,
      offset: null,
      ofConnection: false,
    };
    let seeded = false;
    type Numbers = Exclude<keyof HmarkTarget, "kind" | "ofConnection">;
    const number = (field: Numbers, max: number) => () => {
      target[field] = reader.uint(max);
    };
    reader.options({
      "--hmark-tuple": () => {
        for (const part of reader.word("a list of fields").split(",")) {
          switch (part) {
            case "src":
              target.srcPrefix = bits;
              break;
            case "dst":
              target.dstPrefix = bits;
              break;
            case "sport":
              target.sportMask = 0xffff;
              break;
            case "dport":
              target.dportMask = 0xffff;
              break;
            case "spi":
              target.spiMask = 0xffffffff;
              break;
            case "proto":
              target.protocolMask = 0xffff;
              break;
            case "ct":
              target.ofConnection = true;
              break;
            default:
              reader.failValue(`${JSON.stringify(part)} is none of ${TUPLE.join(", ")}`);
          }
        }
      },
      "--hmark-src-prefix": number("srcPrefix", bits),
      "--hmark-dst-prefix": number("dstPrefix", bits),
      "--hmark-sport-mask": number("sportMask", 0xffff),
      "--hmark-dport-mask": number("dportMask", 0xffff),
      "--hmark-spi-mask": number("spiMask", 0xffffffff),
      "--hmark-sport": number("sport", 0xffff),
      "--hmark-dport": number("dport", 0xffff),
      "--hmark-spi": number("spi", 0xffffffff),
      "--hmark-proto-mask": number("protocolMask", 0xffff),
      "--hmark-rnd": () => {
        seeded = true;
        target.seed = reader.uint(0xffffffff);
      },
      "--hmark-mod": () => {
        target.modulus = reader.uint(0xffffffff, 1);
      },
      "--hmark-offset": number("offset", 0xffffffff),
    });
    if (target.modulus === 0 || !seeded) reader.fail("it needs --hmark-mod and --hmark-rnd");
    const { seed, modulus, offset, ofConnection, kind, ...hashed } = target;
    if (!ofConnection && Object.values(hashed).every((value) => value === null))
      reader.fail("it needs --hmark-tuple, or a prefix, mask or port to hash");
    const ports = [target.sportMask, target.dportMask, target.sport, target.dport];
    if ((target.spiMask !== null || target.spi !== null) && ports.some((value) => value !== null))
      reader.fail("ports and an SPI stand in one place: hash one of them");
    return target;
  },

  format: (target) =>
    optionText(
      target.srcPrefix !== null && `--hmark-src-prefix ${target.srcPrefix}`,
      target.dstPrefix !== null && `--hmark-dst-prefix ${target.dstPrefix}`,
      target.sportMask !== null && `--hmark-sport-mask ${padded(target.sportMask, 4)}`,
      target.dportMask !== null && `--hmark-dport-mask ${padded(target.dportMask, 4)}`,
      target.spiMask !== null && `--hmark-spi-mask ${padded(target.spiMask, 8)}`,
      target.sport !== null && `--hmark-sport ${padded(target.sport, 4)}`,
      target.dport !== null && `--hmark-dport ${padded(target.dport, 4)}`,
      target.spi !== null && `--hmark-spi ${padded(target.spi, 8)}`,
      target.protocolMask !== null && `--hmark-proto-mask ${padded(target.protocolMask, 2)}`,
      `--hmark-rnd ${padded(target.seed, 8)}`,
      `--hmark-mod ${target.modulus}`,
      target.offset !== null && `--hmark-offset ${target.offset}`,
      target.ofConnection && "--hmark-tuple ct",
    ),
};

function padded(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}
