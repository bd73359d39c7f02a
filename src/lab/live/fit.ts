import { spawnSync } from "node:child_process";
import { walkedNft } from "../../kernel/nft/walked.ts";
import type { World } from "../../world/world.ts";
import { libc } from "./libc.ts";
import { IPTABLES, loadedRules } from "./rule-counters.ts";

/** More namespaces than this are not built in one go: each takes memory of the kernel that nothing can swap out. */
const MOST_HOSTS = 200;

const KINDS_NOT_BUILT: ReadonlySet<string> = new Set(["unmodelled", "openvswitch", "external"]);

/** Why a World cannot be built on this machine, found before anything is built; empty where it can. */
export function whyUnfit(world: World): string[] {
  const messages: string[] = [];
  const { hosts } = world;
  if (process.getuid?.() !== 0) messages.push("the lab makes network namespaces: run it as root");
  if (hosts.size > MOST_HOSTS) {
    messages.push(
      `the source has ${hosts.size} hosts, and ${MOST_HOSTS} are the most that a lab takes: name some with --only`,
    );
  }
  try {
    libc();
  } catch (error) {
    messages.push((error as Error).message);
  }
  for (const tool of toolsOf(world)) {
    if (spawnSync(tool, ["--version"]).error !== undefined)
      messages.push(`the lab needs ${tool}: install it`);
  }
  for (const host of hosts.values()) {
    for (const { name, detail } of host.devices) {
      const kind = KINDS_NOT_BUILT.has(detail.kind) ? ("type" in detail ? detail.type : detail.kind) : null;
      if (kind !== null)
        messages.push(`${host.name}: ${name} is of the kind ${kind}, which the lab cannot build`);
    }
    if (host.ovs !== null) messages.push(`${host.name}: its Open vSwitch cannot be built`);
    if (host.ipvs !== null) messages.push(`${host.name}: its IPVS services cannot be built yet`);
  }
  return messages;
}

function toolsOf({ hosts }: World): Set<string> {
  const tools = new Set(["ip", "bridge", "conntrack"]);
  for (const host of hosts.values()) {
    const { ipsets } = host;
    if (walkedNft(host).tables.length > 0) tools.add("nft");
    for (const { family, rules } of loadedRules(host))
      tools.add(`${IPTABLES[family]}-${rules.backend}-restore`);
    if (ipsets !== null && ipsets.length > 0) tools.add("ipset");
  }
  return tools;
}
