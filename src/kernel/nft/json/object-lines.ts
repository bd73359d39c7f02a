import { isJsonObject, type Json } from "../../json-fields.ts";
import type { NftObjectType } from "../ruleset.ts";
import { formatTime, parseTime } from "../text/time.ts";
import { listOf } from "./parse-expression.ts";

/** Objects that the walk does not read: the lines nft prints them in, and the fields its JSON has instead. */

const word = (json: Json, name: string): string => String(json[name] ?? "");

/** The lines of an object's block in nft's text. */
export function objectLines(type: NftObjectType, json: Json): string[] {
  const family = json["l3proto"] === undefined ? [] : [`l3proto ${word(json, "l3proto")}`];
  switch (type) {
    case "ct helper":
      return [`type "${word(json, "type")}" protocol ${word(json, "protocol")}`, ...family];
    case "ct timeout": {
      const policy = isJsonObject(json["policy"]) ? Object.entries(json["policy"]) : [];
      const values = policy.map(([state, seconds]) => `${state} : ${String(seconds)}`).join(", ");
      return [
        `protocol ${word(json, "protocol")}`,
        ...family,
        ...(values === "" ? [] : [`policy = { ${values} }`]),
      ];
    }
    case "ct expectation":
      return [
        `protocol ${word(json, "protocol")}`,
        `dport ${word(json, "dport")}`,
        `timeout ${formatTime(Number(json["timeout"] ?? 0))}`,
        `size ${word(json, "size")}`,
        ...family,
      ];
    case "synproxy": {
      const flags = json["flags"] === undefined ? [] : listOf(json["flags"]);
      return [
        `mss ${word(json, "mss")}`,
        `wscale ${word(json, "wscale")}`,
        ...(flags.length === 0 ? [] : [flags.join(" ")]),
      ];
    }
    case "secmark":
      return [`"${word(json, "context")}"`];
    default:
      return [];
  }
}

/** What JSON says of an object's lines. */
export function linesJson(type: NftObjectType, lines: readonly string[]): Json {
  const said = new Map<string, string>();
  for (const line of lines) {
    const [name = "", ...rest] = line.split(" ");
    said.set(name, rest.join(" "));
  }
  const family = said.has("l3proto") ? { l3proto: said.get("l3proto") } : {};
  switch (type) {
    case "ct helper": {
      const [, name = "", protocol = ""] = /^"?([^"\s]+)"? protocol (\S+)/.exec(said.get("type") ?? "") ?? [];
      return { type: name, protocol, ...family };
    }
    case "ct timeout": {
      const pairs = [...(said.get("policy") ?? "").matchAll(/([\w-]+) : (\d+)/g)];
      const policy = Object.fromEntries(pairs.map(([, state = "", seconds]) => [state, Number(seconds)]));
      return { protocol: said.get("protocol"), ...family, ...(pairs.length === 0 ? {} : { policy }) };
    }
    case "ct expectation":
      return {
        protocol: said.get("protocol"),
        dport: Number(said.get("dport")),
        timeout: parseTime(said.get("timeout") ?? "") ?? 0,
        size: Number(said.get("size")),
        ...family,
      };
    case "synproxy": {
      const flags = lines.flatMap((line) => (/^(timestamp|sack-perm)/.test(line) ? line.split(" ") : []));
      const [only] = flags;
      return {
        mss: Number(said.get("mss")),
        wscale: Number(said.get("wscale")),
        ...(flags.length === 0 ? {} : { flags: flags.length === 1 ? only : flags }),
      };
    }
    case "secmark":
      return { context: (lines[0] ?? "").replaceAll('"', "") };
    default:
      return { lines };
  }
}
