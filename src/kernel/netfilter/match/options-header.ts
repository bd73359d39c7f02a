import type { Packet } from "../../../packet/packet.ts";
import type { Negatable } from "../rule.ts";
import type { MatchTest } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { negatableText, optionText } from "../save/option-text.ts";

/** A header of options, for every router or for the destination (net/ipv6/netfilter/ip6t_hbh.c). */
export interface OptionsHeader {
  /** Of the whole header, bytes. */
  readonly length: Negatable<number> | null;
  /** These options, in this order, with these lengths where one is named. */
  readonly options: readonly { readonly type: number; readonly length: number | null }[];
}

/** `IP6T_OPTS_OPTSNR` */
const MAX_OPTIONS = 16;

export function readOptionsHeader(reader: ArgumentReader, name: "hbh" | "dst"): OptionsHeader {
  let length: OptionsHeader["length"] = null;
  let options: OptionsHeader["options"] = [];
  reader.options({
    [`--${name}-len`]: () => {
      length = { invert: reader.negated(), value: reader.uint(0xffffffff) };
    },
    [`--${name}-opts`]: () => {
      const words = reader.word("a list of options such as 1:2,5").split(",");
      if (words.length > MAX_OPTIONS) reader.failValue(`at most ${MAX_OPTIONS} options are allowed`);
      options = words.map((word) => {
        const [type = "", bytes] = word.split(":");
        return {
          type: reader.uintOf(type, 255),
          length: bytes === undefined ? null : reader.uintOf(bytes, 255),
        };
      });
    },
  });
  return { length, options };
}

export function formatOptionsHeader({ length, options }: OptionsHeader, name: "hbh" | "dst"): string {
  const list = options.map((option) =>
    option.length === null ? `${option.type}` : `${option.type}:${option.length}`,
  );
  return optionText(
    negatableText(`--${name}-len`, length, String),
    list.length > 0 && `--${name}-opts ${list.join(",")}`,
  );
}

/** The first header of a kind that a packet has (`ipv6_find_hdr`). */
export function extensionOf({ extensions }: Packet, protocol: number): Uint8Array | undefined {
  return extensions.find((extension) => extension.protocol === protocol)?.bytes;
}

/** What the first header of a kind says is behind it. */
export function nextAfter({ extensions, isFragment, protocol }: Packet, kind: number): number {
  const at = extensions.findIndex((extension) => extension.protocol === kind);
  return extensions[at + 1]?.protocol ?? (isFragment ? IPPROTO_FRAGMENT : protocol);
}

const IPPROTO_FRAGMENT = 44;

/** `hbh_mt6`. Runs per packet. */
export class OptionsHeaderTest implements MatchTest {
  private readonly protocol: number;
  private readonly wanted: OptionsHeader;

  constructor(protocol: number, wanted: OptionsHeader) {
    this.protocol = protocol;
    this.wanted = wanted;
  }

  test(packet: Packet): boolean {
    const header = extensionOf(packet, this.protocol);
    if (header === undefined) return false;
    const { length, options } = this.wanted;
    const fits = length === null || (header.length === length.value) !== length.invert;
    return fits && beginsWith(header.subarray(2), options);
  }
}

/** Do options stand first in a header, in this order? Pad1 alone has no length. */
function beginsWith(header: Uint8Array, options: OptionsHeader["options"]): boolean {
  let at = 0;
  return options.every(({ type, length }, i) => {
    const [found, bytes] = [header[at], header[at + 1]];
    if (found !== type) return false;
    if (type !== 0 && (bytes === undefined || (length !== null && length !== NOT_SAID && length !== bytes)))
      return false;
    at += type === 0 ? 1 : (bytes as number) + 2;
    // One that reaches beyond the header's end is nobody's matter where it is the last.
    return at <= header.length || i === options.length - 1;
  });
}

/** The length that stands for none. */
const NOT_SAID = 255;
