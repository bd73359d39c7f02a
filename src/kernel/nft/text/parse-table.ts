import {
  IPTABLES_TABLES,
  type NftChain,
  type NftFamily,
  type NftFlowtable,
  type NftObject,
  type NftSet,
  type NftTable,
} from "../ruleset.ts";
import { parseChain, parseDevices, parsePriority } from "./parse-chain.ts";
import { OBJECT_WORDS, parseObject } from "./parse-object.ts";
import { parseSet } from "./parse-set.ts";
import type { ParseSettings } from "./parse-settings.ts";
import type { NftReader } from "./reader.ts";

/** The blocks of a table: its sets, objects, flowtables, chains. */

/** From behind the table's name. */
export function parseTableBody(
  reader: NftReader,
  family: NftFamily,
  name: string,
  given: ParseSettings,
): NftTable {
  const isIptables = (family === "ip" || family === "ip6") && IPTABLES_TABLES.has(name);
  const settings = given.dump && isIptables ? { ...given, verbatim: true } : given;
  const origin = settings.origin(reader.token.line);
  const flags: string[] = [];
  const objects: NftObject[] = [];
  const sets: NftSet[] = [];
  const flowtables: NftFlowtable[] = [];
  const chains: NftChain[] = [];
  let comment: string | null = null;
  const part = (): void => {
    if (reader.take("comment")) comment = reader.word("a comment");
    else if (reader.take("flags")) flags.push(...parseFlags(reader));
    else if (reader.take("chain")) chains.push(parseChain(reader, family, settings));
    else if (reader.is("set") || reader.is("map")) {
      sets.push(parseSet(reader, settings, reader.next().text === "map"));
    } else if (reader.take("flowtable")) flowtables.push(parseFlowtable(reader, family, settings));
    else if (reader.isAny(OBJECT_WORDS)) objects.push(parseTypedObject(reader, settings));
    else reader.fail("a chain, set, map, object or flowtable is expected");
  };
  const handle = reader.block(part, () => settings.dump && isCutShort(reader));
  return { family, name, handle, comment, flags, objects, sets, flowtables, chains, origin };
}

/** Do dots follow, as people write where they left the rest of a table out? */
function isCutShort(reader: NftReader): boolean {
  if (!reader.is(".")) return false;
  while (reader.take(".")) reader.skipEnds();
  if (!reader.atEnd && !reader.is("table")) reader.fail("the end, or a table, is expected behind dots");
  return true;
}

function parseTypedObject(reader: NftReader, settings: ParseSettings): NftObject {
  const origin = settings.origin(reader.token.line);
  const head = reader.next().text;
  return parseObject(reader, head === "ct" ? `ct ${reader.word("an object's type")}` : head, origin);
}

function parseFlags(reader: NftReader): string[] {
  const flags: string[] = [];
  do flags.push(reader.word("a flag"));
  while (reader.take(","));
  return flags;
}

/** From behind `flowtable`. */
export function parseFlowtable(reader: NftReader, family: NftFamily, settings: ParseSettings): NftFlowtable {
  const origin = settings.origin(reader.token.line);
  const name = reader.word("a flowtable's name");
  const flags: string[] = [];
  let priority = 0;
  let devices: string[] = [];
  let counter = false;
  const handle = reader.block(() => {
    if (reader.take("hook")) {
      reader.expect("ingress");
      reader.expect("priority");
      priority = parsePriority(
        reader,
        family === "inet" || family === "ip" || family === "ip6" ? "netdev" : family,
        "ingress",
      );
    } else if (reader.take("devices")) {
      reader.expect("=");
      devices = parseDevices(reader);
    } else if (reader.take("flags")) flags.push(...parseFlags(reader));
    else if (reader.take("counter")) counter = true;
    else reader.fail("a flowtable's hook, devices, flags or counter are expected");
  });
  return { name, handle, priority, devices, flags, counter, origin };
}
