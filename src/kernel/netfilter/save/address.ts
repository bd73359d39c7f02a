/**
 * Addresses in the text of rules. Everything that depends on the family of a rule set goes through here.
 */
import { explainIpv4, formatIpv4, type Ipv4, parseIpv4 } from "../../../address/ipv4.ts";
import { lengthOfMask, type Masked4, parseMasked4 } from "../../../address/prefix.ts";
import type { ArgumentReader } from "./arguments.ts";

export interface AddressRange {
  readonly min: Ipv4;
  readonly max: Ipv4;
}

export function readAddress(reader: ArgumentReader): Ipv4 {
  return addressOf(reader, reader.word("an address"));
}

/** As `readAddress`, of a text that is part of a word. */
export function addressOf(reader: ArgumentReader, text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address === undefined) reader.failValue(explainIpv4(text));
  return address ?? 0;
}

/** An address with an optional length or dotted mask, as written: host bits stay. */
export function readMasked(reader: ArgumentReader): Masked4 {
  const text = reader.word("an address or prefix");
  const masked = parseMasked4(text);
  if (masked === undefined) {
    const address = text.split("/")[0] as string;
    const fault =
      parseIpv4(address) === undefined
        ? explainIpv4(address)
        : `${JSON.stringify(text)} needs a length from 0 to 32 or a dotted mask behind the slash`;
    reader.failValue(fault);
    return { address: 0, mask: 0 };
  }
  return masked;
}

/** The same with the host bits cleared, as iptables does to what `-s` and `-d` are given. */
export function withoutHostBits({ address, mask }: Masked4): Masked4 {
  return { address: address & mask, mask };
}

/** `/24`, `/255.0.255.0` for a mask with holes, and nothing for a single address (`xtables_ipmask_to_numeric`). */
export function formatMaskedBrief({ address, mask }: Masked4): string {
  const length = lengthOfMask(mask);
  return `${formatIpv4(address)}${length === 32 ? "" : `/${length ?? formatIpv4(mask)}`}`;
}

/** `min-max`, or a single address standing for both. */
export function addressRangeOf(reader: ArgumentReader, text: string): AddressRange {
  const [first = "", last, ...more] = text.split("-");
  if (more.length > 0) {
    reader.failValue(`${JSON.stringify(text)} is not a range of addresses such as 10.0.0.1-10.0.0.9`);
    return { min: 0, max: 0 };
  }
  const min = addressOf(reader, first);
  return { min, max: last === undefined ? min : addressOf(reader, last) };
}
