import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect } from "vitest";
import type { Json } from "../../src/kernel/json-fields.ts";
import { DEVICE_SETTINGS, type RecordedCall, type RecordedRun } from "./recorded-run.ts";

/**
 * The real plugins, as Debian packages them, run in namespaces of their own: a node with one card, and pods. What they print
 * and what they leave is written down as the recorded runs are.
 */

/** Several may run at once. */
const OWN = `hscni${process.pid}`;
export const PODS = [`${OWN}-pod1`, `${OWN}-pod2`] as const;
const NODE = `${OWN}-node`;
/** Holds the other end of the node's card. */
const OUTSIDE = `${OWN}-outside`;
const PLUGINS = "/usr/lib/cni";

/** One call of a whole list of plugins. */
export interface Action {
  readonly command: "ADD" | "CHECK" | "DEL";
  /** Index in `PODS`. */
  readonly pod: number;
  readonly args?: string;
  /** `eth0` where it is not said. */
  readonly ifName?: string;
}

export interface Scenario {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly Json[];
  readonly capabilities: Json;
  readonly actions: readonly Action[];
  /** The node has a second card, `spare0`, for `host-device`. */
  readonly spare?: boolean;
  /** A DHCP server beyond the node's card, and the plugin's daemon on the node. */
  readonly dhcp?: RealDhcp;
}

export interface RealDhcp {
  /** In the form of a snapshot's `dhcp.servers[0]`; its device is the outside's eth0. null: nobody answers. */
  readonly server: Json | null;
  /** Does the daemon run? */
  readonly daemon: boolean;
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
  // What tuning remembers of an attachment, for a DEL that never came.
  for (const pod of PODS)
    for (const name of ["eth0", "net1"]) rmSync(`/run/cni/tuning/cid-${pod}_${name}.json`, { force: true });
  for (const name of [...PODS, NODE, OUTSIDE]) spawnSync("ip", ["netns", "del", name]);
}

/** Does this kernel have a kind of device (`ipvlan`, `macvlan`)? */
export function hasKind(kind: string): boolean {
  removeNamespaces();
  run("ip", ["netns", "add", NODE]);
  try {
    inside(NODE, "ip", "link", "add", "a0", "type", "veth", "peer", "name", "b0");
    inside(
      NODE,
      "ip",
      "link",
      "add",
      "link",
      "a0",
      "name",
      "x0",
      "type",
      kind,
      ...(kind === "vlan" ? ["id", "7"] : []),
    );
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
  const programs: ChildProcess[] = [];
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
    if (scenario.spare === true) {
      inside(
        NODE,
        "ip",
        "link",
        "add",
        "name",
        "spare0",
        "type",
        "veth",
        "peer",
        "name",
        "spare1",
        "netns",
        OUTSIDE,
      );
      inside(OUTSIDE, "ip", "link", "set", "spare1", "up");
    }
    programs.push(...startDhcp(scenario, folder));
    return new Recorder(scenario, folder).record();
  } finally {
    for (const program of programs) program.kill("SIGKILL");
    removeNamespaces();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Beyond the node's card, as `dhcp.servers` of a snapshot says it. */
const SERVER_ADDRESS = "10.60.0.1/24";

/** A server of ours (`dhcp-server.ts`) and the real daemon, each in its namespace; both listen when this returns. */
function startDhcp({ dhcp }: Scenario, folder: string): ChildProcess[] {
  if (dhcp === undefined) return [];
  inside(OUTSIDE, "ip", "addr", "add", SERVER_ADDRESS, "brd", "+", "dev", "eth0");
  inside(OUTSIDE, "ip", "route", "add", "default", "dev", "eth0");
  const programs: ChildProcess[] = [];
  const start = (namespace: string, words: readonly string[], isReady: () => boolean): void => {
    programs.push(spawn("ip", ["netns", "exec", namespace, ...words], { stdio: "ignore" }));
    for (let i = 0; i < 100 && !isReady(); i++)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    expect(isReady()).toBe(true);
  };
  if (dhcp.server !== null) {
    const ready = join(folder, "server-is-ready");
    const script = new URL("dhcp-server.ts", import.meta.url).pathname;
    const { execPath } = process;
    const words = [execPath, "--import", "tsx", script, JSON.stringify(dhcp.server), ready];
    start(OUTSIDE, words, () => existsSync(ready));
  }
  if (dhcp.daemon) {
    const socket = join(folder, DHCP_SOCKET);
    const words = [
      join(PLUGINS, "dhcp"),
      "daemon",
      "-socketpath",
      socket,
      "-timeout",
      "1s",
      "-resendmax",
      "1s",
    ];
    start(NODE, words, () => existsSync(socket));
  }
  return programs;
}

const DHCP_SOCKET = "dhcp.sock";

class Recorder {
  readonly #scenario: Scenario;
  readonly #folder: string;
  readonly #steps: Record<string, { calls: RecordedCall[]; ipam: Record<string, string> }> = {};
  readonly #states: Record<string, Record<string, Json>> = {};
  /** By pod and interface: what the last ADD gave. */
  readonly #results = new Map<string, Json>();

  constructor(scenario: Scenario, folder: string) {
    this.#scenario = scenario;
    this.#folder = folder;
  }

  record(): RecordedRun {
    this.#states["0-before"] = this.#before();
    for (const [i, action] of this.#scenario.actions.entries()) {
      const step = `${i + 1}-${action.command.toLowerCase()}-${PODS[action.pod]}-${action.ifName ?? "eth0"}`;
      this.#steps[step] = { calls: this.#calls(action), ipam: this.#ipamFiles() };
      this.#states[step] = {
        node: stateOf(NODE),
        ...Object.fromEntries(PODS.map((pod) => [pod, stateOf(pod)])),
      };
    }
    const { name } = this.#scenario;
    return { name, networks: {}, steps: this.#steps, states: this.#states };
  }

  /** With what of DHCP runs where, which no tool tells. */
  #before(): Record<string, Json> {
    const { dhcp } = this.#scenario;
    const node = stateOf(NODE);
    if (dhcp === undefined) return { node };
    const daemon = dhcp.daemon ? { dhcp: { daemon: join(this.#folder, DHCP_SOCKET) } } : {};
    const servers = dhcp.server === null ? {} : { dhcp: { servers: [{ device: "eth0", ...dhcp.server }] } };
    return { node: { ...node, ...daemon }, outside: { ...stateOf(OUTSIDE), ...servers } };
  }

  #calls(action: Action): RecordedCall[] {
    const { plugins } = this.#scenario;
    const calls: RecordedCall[] = [];
    const key = `${action.pod} ${action.ifName ?? "eth0"}`;
    const cached = this.#results.get(key);
    let previous = action.command === "ADD" ? undefined : cached;
    for (const plugin of action.command === "DEL" ? [...plugins].reverse() : plugins) {
      const call = this.#call(action, plugin, previous);
      calls.push(call);
      if (call.exit !== 0) return calls;
      if (action.command === "ADD") previous = call.stdout as Json;
    }
    if (action.command === "ADD" && previous !== undefined) this.#results.set(key, previous);
    return calls;
  }

  #call(
    { command, pod, args, ifName = "eth0" }: Action,
    plugin: Json,
    previous: Json | undefined,
  ): RecordedCall {
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
      CNI_IFNAME: ifName,
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

  /** host-local's memory goes to the scenario's own folder, and the daemon's socket is in it. */
  #inFolder(config: Json): Json {
    const { ipam } = config as { readonly ipam?: Json };
    if (ipam?.["type"] === "dhcp") {
      return { ...config, ipam: { ...ipam, daemonSocketPath: join(this.#folder, DHCP_SOCKET) } };
    }
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

/** What is asked of a namespace, each with a line of its own in front: one program started instead of ten. */
const ASKED: Readonly<Record<string, string>> = {
  links: "ip -j -d link",
  addrs: "ip -j addr",
  routes: "ip -j route show table all",
  rules: "ip -j rule",
  bridgeLinks: "bridge -j -d link",
  bridgeVlans: "bridge -j vlan show",
  sysctl: `cd /proc/sys && grep -H . net/ipv4/ip_forward net/ipv6/conf/all/forwarding ${DEVICE_SETTINGS.map((name) => `net/ipv4/conf/*/${name}`).join(" ")}`,
  iptablesSave: "iptables-save",
  ip6tablesSave: "ip6tables-save",
  qdiscs: "tc qdisc show",
  bridgeTables: "nft list tables bridge",
};
const SCRIPT = Object.entries(ASKED)
  .map(([name, command]) => `echo '== ${name}'; (${command})`)
  .join("\n");

/** nftables of the family bridge, where there are any: what iptables-nft has is told by iptables-save. */
function bridgeTables(name: string, tables: string): Json {
  const names = tables.match(/^table .*$/gm) ?? [];
  if (names.length === 0) return {};
  return { nftRuleset: names.map((table) => inside(name, "nft", "list", ...table.split(" "))).join("") };
}

/** Queues other than the kernel's own, and the filters of what has an ingress. */
function trafficControl(name: string, shown: string): Json {
  const qdiscs = shown.match(/^qdisc (?!noqueue|pfifo_fast).*$/gm) ?? [];
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
  const told = new Map<string, string>();
  for (const part of inside(name, "sh", "-c", SCRIPT).split(/^== /m).slice(1)) {
    const end = part.indexOf("\n");
    told.set(part.slice(0, end), part.slice(end + 1));
  }
  const text = (field: string): string => told.get(field) ?? "";
  const json = (field: string): unknown => JSON.parse(text(field).trim() || "[]");
  const sysctl = text("sysctl")
    .split("\n")
    .filter((line) => line !== "")
    .map((line): [string, string] => {
      const colon = line.lastIndexOf(":");
      // A device's own dots are written as slashes, as sysctl does.
      const path = line.slice(0, colon).split("/");
      return [path.map((part) => part.replaceAll(".", "/")).join("."), line.slice(colon + 1)];
    });
  return {
    links: json("links"),
    addrs: json("addrs"),
    routes: json("routes"),
    rules: json("rules"),
    bridgeLinks: json("bridgeLinks"),
    bridgeVlans: json("bridgeVlans"),
    sysctl: Object.fromEntries(sysctl),
    iptablesBackend: backendName(),
    iptablesSave: text("iptablesSave"),
    ip6tablesSave: text("ip6tablesSave"),
    ...bridgeTables(name, text("bridgeTables")),
    ...trafficControl(name, text("qdiscs")),
  };
}

let backend: string | null = null;
function backendName(): string {
  backend ??= run("iptables", ["--version"]).includes("nf_tables") ? "nft" : "legacy";
  return backend;
}
