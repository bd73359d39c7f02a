import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { formatMac } from "../../address/mac.ts";
import type { Device } from "../../kernel/device/device.ts";
import type { Host } from "../../kernel/host.ts";
import { hostCommands, type Section, STAGES_OF_SECTIONS } from "../../kernel/host-script.ts";
import { formatIpsetSave } from "../../kernel/ipset/save.ts";
import { formatIptablesSave } from "../../kernel/netfilter/save/format.ts";
import { formatNftRuleset } from "../../kernel/nft/text/format.ts";
import { walkedNft } from "../../kernel/nft/walked.ts";
import type { WireEnd, World } from "../../world/world.ts";
import { awaitCarrier, finish } from "./carrier.ts";
import { addNetns, deleteNetns, RealNetns } from "./real-netns.ts";
import { IPTABLES, loadedRules } from "./rule-counters.ts";

/** A World's hosts as real network namespaces. */
export interface RealWorld {
  readonly world: World;
  readonly netns: ReadonlyMap<string, RealNetns>;
  /** Settings that this kernel does not have, or does not let a namespace change, as `HOST: NAME = VALUE`. */
  readonly notSet: readonly string[];
}

/**
 * Builds every host of a World with the very commands that `export` prints: namespaces, cables, devices, settings,
 * addresses, routes, sets and rules. What was made is deleted again when something fails.
 *
 * @param nameOf the namespace of a host
 * @throws Error with what the tool complained of
 */
export function realise(world: World, nameOf: (host: string) => string): RealWorld {
  return finish(realising(world, nameOf));
}

/** The same, yielding while it waits for the kernel, so that several worlds can be built side by side. */
export function* realising(world: World, nameOf: (host: string) => string): Generator<void, RealWorld> {
  const hosts = [...world.hosts.values()];
  const names = hosts.map((host) => nameOf(host.name));
  addNetns(names);
  try {
    const netns = new Map(hosts.map((host) => [host.name, new RealNetns(nameOf(host.name))]));
    const notSet: string[] = [];
    const cables = cablesOf(world, nameOf);
    const plans = hosts.map((host) => ({
      host,
      sections: hostCommands(host, cables.get(host.name) ?? new Map()),
    }));
    for (const { host } of plans) {
      const quiet = quietSettings(host).filter((line) => !host.sysctl.has(line.split(" ")[1] ?? ""));
      (netns.get(host.name) as RealNetns).inside(() => settle(quiet, host, notSet));
    }
    for (const [i, from] of [0, ...STAGES_OF_SECTIONS].entries()) {
      const to = STAGES_OF_SECTIONS[i];
      if (to === undefined) yield* awaitCarrier(world, netns);
      for (const { host, sections } of plans) {
        run(netns.get(host.name) as RealNetns, host, sections.slice(from, to), notSet);
      }
    }
    for (const { host } of plans) load(netns.get(host.name) as RealNetns, host);
    return { world, netns, notSet };
  } catch (error) {
    deleteNetns(names);
    throw error;
  }
}

/** What a host is told before it has devices, where its own settings do not say otherwise. */
function quietSettings({ addresses6 }: Host): string[] {
  const all = (settings: readonly string[]) =>
    settings.flatMap((line) => [
      `setting net.ipv6.conf.all.${line}`,
      `setting net.ipv6.conf.default.${line}`,
    ]);
  if (!addresses6.some(({ dev }) => dev !== "lo")) return all(["disable_ipv6 1"]);
  return all(SPEAKING);
}

/**
 * A host that speaks IPv6 has the addresses that it is said to have, can use them at once, asks for no routers, and tells of
 * its groups once and soon.
 */
const SPEAKING = [
  "disable_ipv6 0",
  "addr_gen_mode 1",
  "accept_dad 0",
  "dad_transmits 0",
  "router_solicitations 0",
  "mldv2_unsolicited_report_interval 1",
];

/** Each cable is made by one of its ends; the other is put into its own host's namespace at once. */
function cablesOf(
  { hosts, wires }: World,
  nameOf: (host: string) => string,
): Map<string, Map<string, string | null>> {
  const all = new Map<string, Map<string, string | null>>();
  const note = (end: WireEnd, words: string | null) => {
    const own = all.get(end.host) ?? new Map<string, string | null>();
    all.set(end.host, own.set(end.device, words));
  };
  for (const { a, b } of wires) {
    const far = hosts.get(b.host)?.devices.find((device) => device.name === b.device);
    if (far === undefined || !hosts.has(a.host)) continue;
    note(a, farEnd(far, nameOf(b.host)));
    note(b, null);
  }
  return all;
}

function farEnd(device: Device, netns: string): string {
  return `name ${device.name} index ${device.ifindex} address ${formatMac(device.mac)} mtu ${device.mtu} netns ${netns}`;
}

function run(within: RealNetns, host: Host, sections: readonly Section[], notSet: string[]): void {
  const lines = sections.flatMap(([, list]) => list).filter((line) => !line.startsWith("#"));
  for (let from = 0; from < lines.length; ) {
    const tool = toolOf(lines[from] as string);
    let to = from;
    while (to < lines.length && toolOf(lines[to] as string) === tool) to++;
    const same = lines.slice(from, to);
    if (tool === "setting") within.inside(() => settle(same, host, notSet));
    else
      batch(
        within,
        host,
        tool,
        same.map((line) => line.slice(tool.length + 1)),
      );
    from = to;
  }
}

/** The program and, since no line of a batch can name it, the family. */
function toolOf(line: string): string {
  return /^\S+(?: -6)?/.exec(line)?.[0] ?? "";
}

/** Settings of the whole machine, that no namespace has of its own (`nf_conntrack_standalone_init_sysctl`). */
const OF_THE_MACHINE: ReadonlySet<string> = new Set(["net.netfilter.nf_conntrack_max"]);

/** `setting NAME VALUE`, written where sysctl(8) writes it. */
function settle(lines: readonly string[], host: Host, notSet: string[]): void {
  for (const line of lines) {
    const [, name = "", quoted = ""] = /^setting (\S+) (.*)$/.exec(line) ?? [];
    if (OF_THE_MACHINE.has(name)) continue;
    const value = quoted.replace(/^'(.*)'$/, "$1");
    // A slash in a device's name stands for a dot: sysctl(8) swaps them.
    const path = name.replaceAll(/[./]/g, (sign) => (sign === "." ? "/" : "."));
    try {
      writeFileSync(`/proc/sys/${path}`, value);
    } catch {
      notSet.push(`${host.name}: ${name} = ${value}`);
    }
  }
}

function batch(within: RealNetns, host: Host, tool: string, lines: readonly string[]): void {
  const [program = "", ...options] = tool.split(" ");
  const input = `${lines.join("\n")}\n`;
  const ran = within.inside(() =>
    spawnSync(program, [...options, "-batch", "-"], { input, encoding: "utf8" }),
  );
  tell(host, ran, tool);
}

/**
 * Sets before the rules that ask them. Of functions of equal priority the kernel runs first what came last
 * (`nf_hook_entries_grow`): iptables' tables, as the walk has them (`netfilter/hooks.ts`).
 */
function load(within: RealNetns, host: Host): void {
  const feed = (tool: string, args: readonly string[], input: string) =>
    tell(
      host,
      within.inside(() => spawnSync(tool, args, { input, encoding: "utf8" })),
      tool,
    );
  if (host.ipsets !== null && host.ipsets.length > 0)
    feed("ipset", ["restore"], formatIpsetSave(host.ipsets));
  const nft = walkedNft(host);
  if (nft.tables.length > 0) feed("nft", ["-f", "-"], formatNftRuleset(nft));
  for (const { family, rules } of loadedRules(host)) {
    feed(`${IPTABLES[family]}-${rules.backend}-restore`, [], formatIptablesSave(rules));
  }
}

function tell(host: Host, ran: ReturnType<typeof spawnSync>, tool: string): void {
  if (ran.status === 0) return;
  const why = ran.error?.message ?? String(ran.stderr).trim().split("\n").slice(0, 3).join("; ");
  throw new Error(`${host.name}: ${tool}: ${why}`);
}
