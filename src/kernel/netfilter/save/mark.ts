import type { ArgumentReader } from "./arguments.ts";
import { hex } from "./number.ts";

/** A mark and the bits of it that count, both signed int32. */
export interface MaskedMark {
  readonly value: number;
  readonly mask: number;
}

const ALL = -1;

/** `value` or `value/mask` (`xtables_parse_mark_mask`). */
export function readMaskedMark(reader: ArgumentReader): MaskedMark {
  const text = reader.word("a mark");
  const slash = text.indexOf("/");
  if (slash === -1) return { value: reader.uintOf(text, 0xffffffff) | 0, mask: ALL };
  return {
    value: reader.uintOf(text.slice(0, slash), 0xffffffff) | 0,
    mask: reader.uintOf(text.slice(slash + 1), 0xffffffff) | 0,
  };
}

/** `0x1`, with `/0xff` behind it unless all bits count (`xtables_print_mark_mask`). */
export function formatMaskedMark({ value, mask }: MaskedMark): string {
  return mask === ALL ? hex(value) : `${hex(value)}/${hex(mask)}`;
}
