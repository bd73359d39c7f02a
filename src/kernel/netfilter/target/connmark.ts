import { readMaskedMark } from "../save/mark.ts";
import { hex } from "../save/number.ts";
import { optionText } from "../save/option-text.ts";
import type { Target, TargetModule } from "./target.ts";

/** Change the connection's mark, or carry marks between packet and connection (net/netfilter/xt_connmark.c, `connmark_tg`). */
export type ConnmarkTarget = SetConnmark | MoveConnmark;

export interface SetConnmark extends Target {
  readonly kind: "CONNMARK";
  readonly mode: "set";
  /** Clear the bits of `ctMask`, then flip those of `ctMark`. */
  readonly ctMark: number;
  readonly ctMask: number;
  readonly shift: MarkShift | null;
}

export interface MoveConnmark extends Target {
  readonly kind: "CONNMARK";
  /** `save`: packet to connection; `restore`: connection to packet. */
  readonly mode: "save" | "restore";
  readonly nfMask: number;
  readonly ctMask: number;
  readonly shift: MarkShift | null;
}

/** Shift the mark on its way (`--left-shift-mark`). */
export interface MarkShift {
  readonly direction: "left" | "right";
  readonly bits: number;
}

type Operation =
  | { readonly mode: "set"; readonly ctMark: number; readonly ctMask: number }
  | { readonly mode: "save" | "restore" };

export const connmark: TargetModule<ConnmarkTarget> = {
  kind: "CONNMARK",
  needsConntrack: true,

  parse(reader) {
    // Boxed, so that what the handlers assign is not taken for constant.
    const found: { operation: Operation | null; nfMask: number; ctMask: number; shift: MarkShift | null } = {
      operation: null,
      nfMask: -1,
      ctMask: -1,
      shift: null,
    };
    const operate = (operation: Operation) => {
      if (found.operation !== null) reader.fail("only one of setting, saving and restoring is allowed");
      found.operation = operation;
    };
    const readMask = () => reader.uint(0xffffffff) | 0;
    const shift = (direction: MarkShift["direction"]) => () => {
      const bits = reader.uint(32);
      found.shift = bits === 0 ? null : { direction, bits };
    };
    reader.options({
      "--set-xmark": () => {
        const { value, mask } = readMaskedMark(reader);
        operate({ mode: "set", ctMark: value, ctMask: mask });
      },
      "--set-mark": () => {
        const { value, mask } = readMaskedMark(reader);
        operate({ mode: "set", ctMark: value, ctMask: value | mask });
      },
      "--and-mark": () => operate({ mode: "set", ctMark: 0, ctMask: ~readMask() }),
      "--or-mark": () => {
        const bits = readMask();
        operate({ mode: "set", ctMark: bits, ctMask: bits });
      },
      "--xor-mark": () => operate({ mode: "set", ctMark: readMask(), ctMask: 0 }),
      "--save-mark": () => operate({ mode: "save" }),
      "--restore-mark": () => operate({ mode: "restore" }),
      "--nfmask": () => {
        found.nfMask = readMask();
      },
      "--ctmask": () => {
        found.ctMask = readMask();
      },
      "--mask": () => {
        found.nfMask = readMask();
        found.ctMask = found.nfMask;
      },
      "--left-shift-mark": shift("left"),
      "--right-shift-mark": shift("right"),
    });
    const { operation, nfMask, ctMask, shift: by } = found;
    if (operation === null) reader.fail("it needs --set-xmark, --save-mark or --restore-mark");
    else if (operation.mode !== "set")
      return { kind: "CONNMARK", mode: operation.mode, nfMask, ctMask, shift: by };
    return { kind: "CONNMARK", ...(operation ?? { mode: "set", ctMark: 0, ctMask: 0 }), shift: by };
  },

  format(target) {
    const { shift } = target;
    return optionText(
      target.mode === "set"
        ? `--set-xmark ${hex(target.ctMark)}/${hex(target.ctMask)}`
        : `--${target.mode}-mark --nfmask ${hex(target.nfMask)} --ctmask ${hex(target.ctMask)}`,
      shift && `--${shift.direction}-shift-mark ${shift.bits}`,
    );
  },
};
