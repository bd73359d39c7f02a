import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Json } from "../../src/kernel/json-fields.ts";
import type { RecordedCall, RecordedRun } from "./recorded-run.ts";

/**
 * The real plugins, as Debian packages them, run in namespaces of their own: a node with one card, and pods. What they print
 * and what they leave is written down as the recorded runs are.
 */

export const PODS = ["hscni-pod1", "hscni-pod2"] as const;
const NODE = "hscni-node";
/** Holds the other end of the node's card. */
const OUTSIDE = "hscni-outside";
const PLUGINS = "/usr/lib/cni";

/** One call of a whole list of plugins. */
export interface Action {
  readonly command: "ADD" | "CHECK" | "DEL";
  /** Index in `PODS`. */
  readonly pod: number;
  readonly args?: string;
}

export interface Scenario {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly Json[];
  readonly capabilities: Json;
  readonly actions: readonly Action[];
}

/** Why the real plugins cannot be asked here, null where they can. */
export function whyNoRealPlugins(): string | null {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  if (!existsSync(join(PLUGINS, "bridge"))) return `no plugins in ${PLUGINS} (containernetworking-plugins)`;
  for (const [program, ...args] of [
    ["ip", "-V"],
    ["bridge", "-V"],
    ["iptables", "--version"],
  ]) {
    if (spawnSync(program as string, args).status !== 0) return `no ${program}`;
  }
  try {
    run("ip", ["netns", "add", NODE]);
    run("ip", ["netns", "del", NODE]);
  } catch (error) {
    return `no namespaces (${String(error).split("\n")[0]})`;
  }
  return null;
}

function run(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function inside(namespace: string, ...words: readonly string[]): string {
  return run("ip", ["netns", "exec", namespace, ...words]);
}

export function removeNamespaces(): void {
  for (const name of [...PODS, NODE, OUTSIDE]) spawnSync("ip", ["netns", "del", name]);
}

/** Does this kernel have a kind of device (`ipvlan`, `macvlan`)? */
export function hasKind(kind: string): boolean {
  removeNamespaces();
  run("ip", ["netns", "add", NODE]);
  try {
    inside(NODE, "ip", "link", "add", "a0", "type", "veth", "peer", "name", "b0");
    inside(NODE, "ip", "link", "add", "link", "a0", "name", "x0", "type", kind);
    return true;
  } catch {
    return false;
  } finally {
    removeNamespaces();
  }
}

/** Runs a scenario for real. Everything it made is gone afterwards. */
export function recordReal(scenario: Scenario): RecordedRun {
  removeNamespaces();
  const folder = mkdtempSync(join(tmpdir(), "hopscope-cni-"));
  try {
    for (const name of [NODE, OUTSIDE, ...PODS]) run("ip", ["netns", "add", name]);
    // Duplicate address detection would keep the plugins waiting.
    for (const name of [NODE, ...PODS]) inside(name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0");
    inside(NODE, "ip", "link", "set", "lo", "up");
    inside(NODE, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", OUTSIDE);
    inside(OUTSIDE, "ip", "link", "set", "eth0", "up");
    inside(NODE, "ip", "link", "set", "eth0", "up");
    inside(NODE, "ip", "addr", "add", "192.168.50.11/24", "brd", "+", "dev", "eth0");
    inside(NODE, "ip", "route", "add", "default", "via", "192.168.50.1");
    return new Recorder(scenario, folder).record();
  } finally {
    removeNamespaces();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Recorder {
  readonly #scenario: Scenario;
  readonly #folder: string;
  readonly #steps: Record<string, { calls: RecordedCall[]; ipam: Record<string, string> }> = {};
  readonly #states: Record<string, Record<string, Json>> = {};
  /** By pod: what the last ADD gave. */
  readonly #results = new Map<number, Json>();

  constructor(scenario: Scenario, folder: string) {
    this.#scenario = scenario;
    this.#folder = folder;
  }

  record(): RecordedRun {
    this.#states["0-before"] = { node: stateOf(NODE) };
    for (const [i, action] of this.#scenario.actions.entries()) {
      const step = `${i + 1}-${action.command.toLowerCase()}-${PODS[action.pod]}`;
      this.#steps[step] = { calls: this.#calls(action), ipam: this.#ipamFiles() };
      this.#states[step] = {
        node: stateOf(NODE),
        ...Object.fromEntries(PODS.map((pod) => [pod, stateOf(pod)])),
      };
    }
    const { name } = this.#scenario;
    return { name, networks: {}, steps: this.#steps, states: this.#states };
  }

  #calls(action: Action): RecordedCall[] {
    const { plugins } = this.#scenario;
    const calls: RecordedCall[] = [];
    const cached = this.#results.get(action.pod);
    let previous = action.command === "ADD" ? undefined : cached;
    for (const plugin of action.command === "DEL" ? [...plugins].reverse() : plugins) {
      const call = this.#call(action, plugin, previous);
      calls.push(call);
      if (call.exit !== 0) return calls;
      if (action.command === "ADD") previous = call.stdout as Json;
    }
    if (action.command === "ADD" && previous !== undefined) this.#results.set(action.pod, previous);
    return calls;
  }

  #call({ command, pod, args }: Action, plugin: Json, previous: Json | undefined): RecordedCall {
    const { capabilities: declared, ...own } = plugin;
    const { name, cniVersion, capabilities } = this.#scenario;
    const asked = Object.keys((declared ?? {}) as Json).filter((key) => capabilities[key] !== undefined);
    const stdin = this.#inFolder({
      ...own,
      name,
      cniVersion,
      ...(asked.length === 0
        ? {}
        : { runtimeConfig: Object.fromEntries(asked.map((key) => [key, capabilities[key]])) }),
      ...(previous === undefined ? {} : { prevResult: previous }),
    });
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: `cid-${PODS[pod]}`,
      CNI_NETNS: `/run/netns/${PODS[pod]}`,
      CNI_IFNAME: "eth0",
      ...(args === undefined ? {} : { CNI_ARGS: args }),
    };
    const type = String(own["type"]);
    const done = spawnSync("ip", ["netns", "exec", NODE, join(PLUGINS, type)], {
      input: JSON.stringify(stdin),
      encoding: "utf8",
      env: { ...process.env, ...env, CNI_PATH: PLUGINS },
      timeout: 20_000,
    });
    const text = done.stdout.trim();
    return { plugin: type, env, stdin, exit: done.status ?? -1, stdout: text === "" ? "" : JSON.parse(text) };
  }

  /** host-local's memory goes to the scenario's own folder. */
  #inFolder(config: Json): Json {
    const { ipam } = config as { readonly ipam?: Json };
    if (ipam?.["type"] !== "host-local") return config;
    return { ...config, ipam: { ...ipam, dataDir: this.#folder } };
  }

  #ipamFiles(): Record<string, string> {
    const folder = join(this.#folder, this.#scenario.name);
    if (!existsSync(folder)) return {};
    const files = readdirSync(folder);
    return Object.fromEntries(
      files.map((name) => [
        `${folder}/${name}`,
        readFileSync(join(folder, name), "utf8").replaceAll("\r", ""),
      ]),
    );
  }
}

const SETTINGS = [
  "forwarding",
  "proxy_arp",
  "route_localnet",
  "rp_filter",
  "arp_notify",
  "arp_ignore",
  "arp_announce",
];

/** nftables of the family bridge, where there are any: what iptables-nft has is told by iptables-save. */
function bridgeTables(name: string): Json {
  const names = inside(name, "nft", "list", "tables", "bridge").match(/^table .*$/gm) ?? [];
  if (names.length === 0) return {};
  return { nftRuleset: names.map((table) => inside(name, "nft", "list", ...table.split(" "))).join("") };
}

/** Queues other than the kernel's own, and the filters of what has an ingress. */
function trafficControl(name: string): Json {
  const qdiscs = inside(name, "tc", "qdisc", "show").match(/^qdisc (?!noqueue|pfifo_fast).*$/gm) ?? [];
  const filtered = qdiscs.flatMap((line) => /^qdisc ingress \S+ dev (\S+)/.exec(line)?.[1] ?? []);
  const filters = filtered.map((dev) => [
    `${dev} ingress`,
    inside(name, "tc", "filter", "show", "dev", dev, "ingress"),
  ]);
  return {
    ...(qdiscs.length === 0 ? {} : { qdiscs: qdiscs.join("\n") }),
    ...(filters.length === 0 ? {} : { tcFilters: Object.fromEntries(filters) }),
  };
}

/** A namespace in the form of a snapshot. */
function stateOf(name: string): Json {
  const json = (...words: readonly string[]): unknown => JSON.parse(inside(name, ...words) || "[]");
  const pattern = `^net\\.ipv4\\.(ip_forward|conf\\..*\\.(${SETTINGS.join("|")})) |^net\\.ipv6\\.conf\\.all\\.forwarding `;
  const sysctl = inside(name, "sysctl", "-a", "--pattern", "^net\\.ipv[46]\\.(ip_forward$|conf\\.)")
    .split("\n")
    .filter((line) => new RegExp(pattern).test(line))
    .map((line) => line.split(" = ") as [string, string]);
  const iptablesSave = inside(name, "iptables-save");
  return {
    links: json("ip", "-j", "-d", "link"),
    addrs: json("ip", "-j", "addr"),
    routes: json("ip", "-j", "route", "show", "table", "all"),
    rules: json("ip", "-j", "rule"),
    bridgeLinks: json("bridge", "-j", "-d", "link"),
    sysctl: Object.fromEntries(sysctl),
    iptablesBackend: run("iptables", ["--version"]).includes("nf_tables") ? "nft" : "legacy",
    iptablesSave,
    ip6tablesSave: inside(name, "ip6tables-save"),
    ...bridgeTables(name),
    ...trafficControl(name),
  };
}
