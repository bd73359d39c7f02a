import type { Family } from "../../address/ip.ts";
import { parseIpsetSave } from "../../kernel/ipset/save.ts";
import { fieldOf } from "../../kernel/json-fields.ts";
import { parseIptablesSave } from "../../kernel/netfilter/save/parse.ts";
import { parseNftJson } from "../../kernel/nft/json/parse.ts";
import { parseNftRuleset } from "../../kernel/nft/text/parse.ts";
import { DUMP } from "../../kernel/nft/text/parse-settings.ts";
import { type HostReading, shortened } from "./reading.ts";

export function readIptables(reading: HostReading): void {
  const { json } = reading;
  const backend = json.has("iptablesBackend") ? json.word("iptablesBackend", ["legacy", "nft"]) : undefined;
  readRulesOf(reading, "iptablesSave", 4, backend);
  readRulesOf(reading, "ip6tablesSave", 6, backend);
}

function readRulesOf(
  reading: HostReading,
  name: "iptablesSave" | "ip6tablesSave",
  family: Family,
  backend: "legacy" | "nft" | undefined,
): void {
  const { json } = reading;
  const text = json.optionalText(name);
  if (text === null) return;
  const field = fieldOf(json.path, name);
  const origin = (line: number) => reading.originOfLine(field, line);
  const parsed = parseIptablesSave(text, { origin, family, ...(backend === undefined ? {} : { backend }) });
  if (parsed.kind === "ok") {
    const { ruleset } = parsed;
    reading.add(
      family === 6
        ? { kind: "iptables-restore", family, ruleset, noflush: false }
        : { kind: "iptables-restore", ruleset, noflush: false },
    );
    return;
  }
  for (const { line, message, text: rule } of parsed.errors) {
    json.faults.add(`${field}:${line}`, `${message}: ${shortened(rule)}`);
  }
}

export function readIpsets(reading: HostReading): void {
  const { json } = reading;
  const text = json.optionalText("ipsetSave");
  if (text === null) return;
  const field = fieldOf(json.path, "ipsetSave");
  const parsed = parseIpsetSave(text, (line) => reading.originOfLine(field, line));
  if (parsed.kind === "ok") {
    reading.add({ kind: "ipset-restore", sets: parsed.sets });
    return;
  }
  for (const { line, message, text: set } of parsed.errors) {
    json.faults.add(`${field}:${line}`, `${message}: ${shortened(set)}`);
  }
}

/** `nft -a list ruleset`. */
export function readNft(reading: HostReading): void {
  const { json } = reading;
  const text = json.optionalText("nftRuleset");
  if (text === null) {
    readNftJson(reading);
    return;
  }
  const field = fieldOf(json.path, "nftRuleset");
  const origin = (line: number) => reading.originOfLine(field, line);
  const parsed = parseNftRuleset(text, { ...DUMP, origin });
  if (parsed.kind === "ok") {
    reading.add({ kind: "nft-restore", ruleset: parsed.ruleset });
    return;
  }
  for (const { line, message } of parsed.errors) json.faults.add(`${field}:${line}`, message);
}

/** `nft -j list ruleset`, where the text was not dumped as well. */
function readNftJson(reading: HostReading): void {
  const { json } = reading;
  if (!json.has("nftRulesetJson")) return;
  const field = fieldOf(json.path, "nftRulesetJson");
  const origin = (at: number) =>
    reading.origins.add({ file: reading.file, field: `${field}.nftables[${at}]`, line: null });
  const parsed = parseNftJson(json.get("nftRulesetJson"), origin);
  if (parsed.kind === "ok") reading.add({ kind: "nft-restore", ruleset: parsed.ruleset });
  else for (const { at, message } of parsed.errors) json.faults.add(`${field}.nftables[${at}]`, message);
}
