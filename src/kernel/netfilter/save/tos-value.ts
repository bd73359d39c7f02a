import type { ArgumentReader } from "./arguments.ts";

export interface MaskedTos {
  readonly value: number;
  readonly mask: number;
}

/** `value` or `value/mask` (`XTTYPE_TOSMASK`); a dump has numbers only. */
export function readTos(reader: ArgumentReader, maskIfNone: number): MaskedTos {
  const text = reader.word("a TOS value, such as 0x10/0x3f");
  const slash = text.indexOf("/");
  if (slash === -1) return { value: reader.uintOf(text, 255), mask: maskIfNone };
  return { value: reader.uintOf(text.slice(0, slash), 255), mask: reader.uintOf(text.slice(slash + 1), 255) };
}
