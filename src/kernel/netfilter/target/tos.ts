import { hexByte } from "../save/number.ts";
import { readTos } from "../save/tos-value.ts";
import type { Target, TargetModule } from "./target.ts";

/** Change the TOS byte (net/netfilter/xt_DSCP.c, `tos_tg`): clear the bits of `mask`, then flip those of `value`. */
export interface TosTarget extends Target {
  readonly kind: "TOS";
  readonly value: number;
  readonly mask: number;
}

export const tos: TargetModule<TosTarget> = {
  kind: "TOS",
  needsConntrack: false,

  parse(reader) {
    let target: TosTarget | null = null;
    const set = (value: number, mask: number) => {
      if (target !== null) reader.fail("only one way to change the TOS is allowed");
      target = { kind: "TOS", value, mask };
    };
    reader.options({
      "--set-tos": () => {
        const { value, mask } = readTos(reader, 0xff);
        set(value, mask);
      },
      "--and-tos": () => set(0, ~reader.uint(255) & 0xff),
      "--or-tos": () => {
        const bits = reader.uint(255);
        set(bits, bits);
      },
      "--xor-tos": () => set(reader.uint(255), 0),
    });
    if (target === null) reader.fail("--set-tos is missing");
    return target ?? { kind: "TOS", value: 0, mask: 0 };
  },

  format: ({ value, mask }) => `--set-tos ${hexByte(value)}/${hexByte(mask)}`,
};
