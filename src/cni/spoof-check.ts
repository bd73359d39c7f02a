import type { NftRuleset, NftTable } from "../kernel/nft/ruleset.ts";
import { parseNftScript } from "../kernel/nft/text/parse-script.ts";
import type { Netns } from "./netns.ts";

/**
 * `macspoofchk` of the bridge plugin: what comes by a container's port with another source MAC than the container's is dropped,
 * by a chain of its own in nftables' `bridge nat`.
 */

const TABLE = "nat";
const BASE = "PREROUTING";

/** The chain reached by the port, and the one that knows the MAC; the rules' comment. */
function namesOf(containerId: string, ifName: string): readonly [string, string, string] {
  const chain = `cni-br-iface-${containerId}-${ifName}`;
  return [chain, `${chain}-mac`, `macspoofchk-${containerId}-${ifName}`];
}

/** @param port name of the node's end of the container's cable */
export function checkSpoofing(
  node: Netns,
  containerId: string,
  ifName: string,
  port: string,
  mac: string,
): void {
  const [chain, macChain, comment] = namesOf(containerId, ifName);
  const said = `comment "${comment}"`;
  run(
    node,
    `add table bridge ${TABLE}`,
    `add chain bridge ${TABLE} ${BASE} { type filter hook prerouting priority -300; }`,
    `add chain bridge ${TABLE} ${chain}`,
    `add chain bridge ${TABLE} ${macChain}`,
    `flush chain bridge ${TABLE} ${chain}`,
    `flush chain bridge ${TABLE} ${macChain}`,
  );
  run(
    node,
    `add rule bridge ${TABLE} ${BASE} iifname "${port}" jump ${chain} ${said}`,
    `add rule bridge ${TABLE} ${chain} jump ${macChain} ${said}`,
    `add rule bridge ${TABLE} ${macChain} ether saddr ${mac} return ${said}`,
    `add rule bridge ${TABLE} ${macChain} drop ${said}`,
  );
}

/** Taken back but for the table and its base chain, which stay. What is not there any more is only complained of. */
export function uncheckSpoofing(node: Netns, containerId: string, ifName: string): void {
  const [chain, macChain, comment] = namesOf(containerId, ifName);
  const table = tableOf(node.host.nft);
  const rules = table?.chains.find(({ name }) => name === BASE)?.rules ?? [];
  const jump = rules.find((rule) => rule.comment === comment);
  if (jump?.handle != null) run(node, `delete rule bridge ${TABLE} ${BASE} handle ${jump.handle}`);
  const isThere = (wanted: string): boolean => table?.chains.some(({ name }) => name === wanted) ?? false;
  if (!isThere(chain) || !isThere(macChain)) return;
  run(node, `delete chain bridge ${TABLE} ${chain}`, `delete chain bridge ${TABLE} ${macChain}`);
}

function tableOf(ruleset: NftRuleset | null): NftTable | undefined {
  return ruleset?.tables.find(({ family, name }) => family === "bridge" && name === TABLE);
}

/** One transaction. */
function run(node: Netns, ...commands: readonly string[]): void {
  const { origin } = node;
  const parsed = parseNftScript(`${commands.join("\n")}\n`, node.host.nft, () => origin);
  if (parsed.kind === "invalid") throw new Error(parsed.errors.map(({ message }) => message).join("; "));
  node.do({ kind: "nft", commands: parsed.commands });
}
