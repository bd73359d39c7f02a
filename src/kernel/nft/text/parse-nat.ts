import type { NftConstant, NftExpression } from "../expression.ts";
import type { NftFamily } from "../ruleset.ts";
import { NAT_FLAGS, type NatFlag, type NftStatement } from "../statement.ts";
import { parseValue } from "./parse-elements.ts";
import { takeConstant } from "./parse-expression.ts";
import type { NftReader } from "./reader.ts";

/** Statements that send a packet elsewhere than it is addressed to, from behind their names: to an address, a port, a map's answer. */

export function parseNat(
  reader: NftReader,
  type: "dnat" | "snat" | "masquerade" | "redirect",
  family: NftFamily,
): NftStatement {
  let natFamily: "ip" | "ip6" | null = null;
  let prefix = false;
  let address: NftExpression | null = null;
  let port: NftExpression | null = null;
  if (
    (reader.is("ip") || reader.is("ip6")) &&
    ["to", "prefix", "addr", "interval"].includes(reader.peek().text)
  ) {
    natFamily = reader.next().text as "ip" | "ip6";
  }
  // What older versions write of a map to addresses and ports, or to ranges.
  if (reader.take("addr")) {
    reader.expect(".");
    reader.expect("port");
  } else if (reader.take("prefix")) prefix = true;
  else reader.take("interval");
  if (reader.take("to")) {
    const six = natFamily === "ip6" || (natFamily === null && family === "ip6");
    if (!reader.is(":")) address = parseNatAddress(reader, six ? "ipv6_addr" : "ipv4_addr");
    if (reader.take(":")) port = parseValue(reader, ["inet_service"]);
  }
  const flags: NatFlag[] = [];
  while (reader.is("random") || reader.is("fully-random") || reader.is("persistent")) {
    flags.push(reader.next().text as NatFlag);
    reader.take(",");
  }
  flags.sort((a, b) => NAT_FLAGS.indexOf(a) - NAT_FLAGS.indexOf(b));
  return { kind: "nat", type, family: natFamily, prefix, address, port, flags };
}

function parseNatAddress(reader: NftReader, type: string): NftExpression {
  if (!reader.take("[")) return parseValue(reader, [type, "inet_service"]);
  const from = takeConstant(reader, type);
  if (from === null) return reader.fail("an address is expected");
  let address: NftExpression = from;
  if (reader.take("-")) {
    const bracketed = reader.take("[");
    const to = takeConstant(reader, type);
    if (to === null) return reader.fail("the range's end is expected");
    address = { kind: "range", from, to: to as NftConstant };
    if (bracketed) reader.take("]");
  }
  reader.expect("]");
  return address;
}

export function parseTproxy(reader: NftReader, family: NftFamily): NftStatement {
  let own: "ip" | "ip6" | null = null;
  if (reader.is("ip") || reader.is("ip6")) own = reader.next().text as "ip" | "ip6";
  reader.expect("to");
  const six = own === "ip6" || (own === null && family === "ip6");
  const address = reader.is(":") ? null : parseNatAddress(reader, six ? "ipv6_addr" : "ipv4_addr");
  const port = reader.take(":") ? parseValue(reader, ["inet_service"]) : null;
  return { kind: "tproxy", family: own, address, port };
}
