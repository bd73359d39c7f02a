import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parseFdbEntry } from "../../../src/kernel/device/bridge-fdb.ts";
import { parseBridgePort } from "../../../src/kernel/device/bridge-link.ts";
import { parseBridgeFdbText, parseBridgeLinkText } from "../../../src/kernel/device/bridge-text.ts";
import { isIpv6Address, parseAddress } from "../../../src/kernel/device/ip-addr.ts";
import { parseLink } from "../../../src/kernel/device/ip-link.ts";
import { parseIpLinkText } from "../../../src/kernel/device/ip-link-text.ts";
import { isIpv6Neighbour, parseNeighbour } from "../../../src/kernel/device/ip-neigh.ts";
import { parseIpNeighText } from "../../../src/kernel/device/ip-neigh-text.ts";
import { Faults, type Json, JsonFields } from "../../../src/kernel/json-fields.ts";
import { isIpv6Route, parseRoute } from "../../../src/kernel/route/ip-route.ts";
import { parseIpRouteText } from "../../../src/kernel/route/ip-route-text.ts";
import { isIpv6Rule, parseRule } from "../../../src/kernel/route/ip-rule.ts";
import { parseIpRuleText } from "../../../src/kernel/route/ip-rule-text.ts";
import { linesOf, type TextLine, type ToolText } from "../../../src/kernel/tool-text.ts";

/**
 * What iproute2 6.1 printed of one namespace, for people and as JSON: read from either, the state is the same. The JSON is
 * the second opinion here: it was printed by the tool itself.
 */
interface Pair {
  readonly tool: string;
  readonly command: string;
  readonly text: string;
  readonly json: readonly Json[];
}

const FILE = new URL("../../../fixtures/node-tools/iproute2.json.gz", import.meta.url);
const pairs = JSON.parse(gunzipSync(readFileSync(FILE)).toString("utf8")) as readonly Pair[];

/** One item as the model has it; what is of IPv6 is kept as it is, and only counted. */
type Reading = (fields: JsonFields) => unknown;

const six =
  (isSix: (fields: JsonFields) => boolean, read: Reading): Reading =>
  (fields) =>
    isSix(fields) ? "IPv6" : read(fields);

const READINGS: Readonly<Record<string, { text: (lines: readonly TextLine[]) => ToolText; read: Reading }>> =
  {
    "ip-link": { text: parseIpLinkText, read: readLink },
    "ip-route": { text: parseIpRouteText, read: six(isIpv6Route, (fields) => parseRoute(fields, 0)) },
    "ip-rule": { text: parseIpRuleText, read: six(isIpv6Rule, (fields) => parseRule(fields, 0)) },
    "ip-neigh": { text: parseIpNeighText, read: six(isIpv6Neighbour, (fields) => parseNeighbour(fields, 0)) },
    "bridge-fdb": { text: parseBridgeFdbText, read: (fields) => parseFdbEntry(fields, undefined, 0) },
    "bridge-link": {
      text: parseBridgeLinkText,
      read: (fields) => [fields.text("ifname"), parseBridgePort(fields)],
    },
  };

function readLink(fields: JsonFields): unknown {
  const addresses = fields
    .objects("addr_info")
    .map((info) => (isIpv6Address(info) ? info.text("local") : parseAddress(info, fields.text("ifname"), 0)));
  return { device: parseLink(fields, new Map(), new Set(), 0), addresses };
}

describe.each(pairs)("$command for people", ({ tool, text, json, command }) => {
  const { text: parse, read } = READINGS[tool] as (typeof READINGS)[string];
  const faults = new Faults(100);
  const readAll = (items: readonly Json[]) => items.map((item) => read(new JsonFields(item, "", faults)));

  it("says what its JSON says", () => {
    const parsed = parse(linesOf(text));
    expect(parsed.faults).toEqual([]);
    expect(parsed.odd).toEqual([]);
    const fromText = readAll(parsed.items);
    const fromJson = readAll(json.filter((item) => Object.keys(item).length > 0));
    expect(faults.kept).toEqual([]);
    expect(fromText).toEqual(fromJson);
    if (!command.includes("proxy")) expect(fromText.length).toBeGreaterThan(0);
  });

  it("tells the line of every item", () => {
    const parsed = parse(linesOf(text));
    const lines = text.split("\n");
    for (const item of parsed.items) {
      const { ifname, dst, mac, priority } = item;
      const line = lines[(parsed.lineOf.get(item) ?? 0) - 1];
      expect(line).toContain(String(ifname ?? (dst === "default" ? "default" : dst) ?? mac ?? priority));
    }
  });
});
