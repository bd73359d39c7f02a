/**
 * Addresses in the text of rules. Everything that depends on the family of a rule set goes through here.
 */
import { explainIp, type Family, type IpAddress, inetNtop, parseIp } from "../../../address/ip.ts";
import { explainIpv4, parseIpv4 } from "../../../address/ipv4.ts";
import { explainIpv6, type Ipv6Words, parseIpv6 } from "../../../address/ipv6.ts";
import { formatMasked, type Masked, parseMasked, singleAddress } from "../../../address/masked.ts";
import type { ArgumentReader } from "./arguments.ts";

export interface AddressRange {
  readonly min: IpAddress;
  readonly max: IpAddress;
}

const ANY6: Ipv6Words = [0, 0, 0, 0];

/** `0.0.0.0` or `::`. */
export function anyAddress(family: Family): IpAddress {
  return family === 6 ? ANY6 : 0;
}

/** The mask of a single address, as an address. */
export function fullMask(family: Family): IpAddress {
  return family === 6 ? [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff] : -1;
}

/** Length of the mask of a single address. */
export function addressBits(family: Family): 32 | 128 {
  return family === 6 ? 128 : 32;
}

export function readAddress(reader: ArgumentReader): IpAddress {
  return addressOf(reader, reader.word("an address"));
}

/** As `readAddress`, of a text that is part of a word. */
export function addressOf(reader: ArgumentReader, text: string): IpAddress {
  const address = reader.family === 6 ? parseIpv6(text) : parseIpv4(text);
  if (address === undefined) reader.failValue(explainAddress(reader.family, text));
  return address ?? anyAddress(reader.family);
}

function explainAddress(family: Family, text: string): string {
  const other = parseIp(text) !== undefined;
  if (other) return `${explainIp(text)}: ${family === 6 ? "ip6tables" : "iptables"} takes IPv${family}`;
  return family === 6 ? explainIpv6(text) : explainIpv4(text);
}

/** An address with an optional length or mask, as written: host bits stay. */
export function readMasked(reader: ArgumentReader): Masked {
  const { family } = reader;
  const text = reader.word("an address or prefix");
  const masked = parseMasked(text, family);
  if (masked !== undefined) return masked;
  const address = text.split("/")[0] as string;
  const bad = (family === 6 ? parseIpv6(address) : parseIpv4(address)) === undefined;
  const mask = family === 6 ? "a mask written as an address" : "a dotted mask";
  reader.failValue(
    bad
      ? explainAddress(family, address)
      : `${JSON.stringify(text)} needs a length from 0 to ${addressBits(family)} or ${mask} behind the slash`,
  );
  return family === 6 ? { address: ANY6, mask: ANY6 } : { address: 0, mask: 0 };
}

/** `/24`, `/255.0.255.0` for a mask with holes, and nothing for a single address (`xtables_ipmask_to_numeric`). */
export function formatMaskedBrief(masked: Masked): string {
  const single = singleAddress(masked);
  return single === null ? formatMasked(masked) : inetNtop(single);
}

/** `min-max`, or a single address standing for both. */
export function addressRangeOf(reader: ArgumentReader, text: string): AddressRange {
  const [first = "", last, ...more] = text.split("-");
  if (more.length > 0) {
    const example = reader.family === 6 ? "fd00::1-fd00::9" : "10.0.0.1-10.0.0.9";
    reader.failValue(`${JSON.stringify(text)} is not a range of addresses such as ${example}`);
    return { min: anyAddress(reader.family), max: anyAddress(reader.family) };
  }
  const min = addressOf(reader, first);
  return { min, max: last === undefined ? min : addressOf(reader, last) };
}
