import { readMaskedMark } from "../save/mark.ts";
import { hex } from "../save/number.ts";
import type { Target, TargetModule } from "./target.ts";

/** Change the packet's mark (net/netfilter/xt_mark.c, `mark_tg`): clear the bits of `mask`, then flip those of `value`. */
export interface MarkTarget extends Target {
  readonly kind: "MARK";
  readonly value: number;
  readonly mask: number;
}

export const mark: TargetModule<MarkTarget> = {
  kind: "MARK",
  needsConntrack: false,

  parse(reader) {
    let target: MarkTarget | null = null;
    const set = (value: number, mask: number) => {
      if (target !== null) reader.fail("only one way to change the mark is allowed");
      target = { kind: "MARK", value, mask };
    };
    reader.options({
      "--set-xmark": () => {
        const { value, mask } = readMaskedMark(reader);
        set(value, mask);
      },
      "--set-mark": () => {
        const { value, mask } = readMaskedMark(reader);
        set(value, value | mask);
      },
      "--and-mark": () => {
        set(0, ~reader.uint(0xffffffff));
      },
      "--or-mark": () => {
        const bits = reader.uint(0xffffffff) | 0;
        set(bits, bits);
      },
      "--xor-mark": () => {
        set(reader.uint(0xffffffff) | 0, 0);
      },
    });
    if (target === null) reader.fail("--set-xmark is missing");
    return target ?? { kind: "MARK", value: 0, mask: 0 };
  },

  format: ({ value, mask }) => `--set-xmark ${hex(value)}/${hex(mask)}`,
};
