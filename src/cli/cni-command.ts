import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { keepLeases } from "../cni/ipam/dhcp.ts";
import { Machine, type MachineState, netnsName, newNetns } from "../cni/machine.ts";
import { HASHED_NAMES } from "../cni/names.ts";
import { Netns } from "../cni/netns.ts";
import { type NetworkList, parseNetwork } from "../cni/network-config.ts";
import type { Outcome } from "../cni/run-plugin.ts";
import { type Attachment, Runtime } from "../cni/runtime.ts";
import { type Release, releaseFor } from "../cni/version.ts";
import { applyOperations } from "../kernel/apply-operation.ts";
import type { Host } from "../kernel/host.ts";
import { isJsonObject, type Json } from "../kernel/json-fields.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import type { Chain } from "../kernel/netfilter/rule.ts";
import { ORIGIN_NONE } from "../kernel/origin.ts";
import { WALKED_DHCP } from "../walk/dhcp.ts";
import { formatInputError } from "../world/input-error.ts";
import { explainJsonText } from "../world/json-text.ts";
import { NO_ORIGINS } from "../world/origins.ts";
import { readSnapshot } from "../world/snapshot-in.ts";
import { writeSnapshot } from "../world/snapshot-out.ts";
import type { World } from "../world/world.ts";
import { CLOCK_FILE, CniDirectory, WORLD_FILE } from "./cni-directory.ts";
import { type Context, fail } from "./context.ts";
import { EXIT } from "./exit-code.ts";
import { invalid, ok, type Result } from "./result.ts";
import { loadSource } from "./source.ts";
import { readText } from "./source-files.ts";

interface CniOptions {
  readonly conf: string;
  readonly state: string;
  readonly container?: string;
  readonly netns?: string;
  readonly ifname?: string;
  readonly args?: string;
  readonly capArgs?: string;
  readonly valid?: readonly string[];
  readonly filename?: readonly string[];
  readonly node?: string;
  readonly plugins?: Release;
  readonly time?: string;
}

type Verb = "add" | "del" | "check" | "gc" | "status";

const VERBS: readonly (readonly [verb: Verb, does: string])[] = [
  ["add", "join a container to a network; prints the result"],
  ["del", "take a container out of a network; may be repeated"],
  ["check", "whether a container is still as ADD left it; prints nothing when it is"],
  ["gc", "take out every container of a network but those named by --valid"],
  ["status", "whether a network can take containers"],
];

/** What the node is called where the source does not say which of several hosts it is. */
const NODE = "node";

/** Where `ip netns` keeps the namespaces that are given by their name. */
const NETNS_FOLDER = "/run/netns/";

/** `cni add|del|check|gc|status`: a conflist run against a modelled node, as a container runtime would run it. */
export function cniCommand(context: Context): Command {
  const cni = new Command("cni").description(
    "run CNI plugins against a modelled node, as a container runtime does",
  );
  for (const [verb, does] of VERBS) cni.addCommand(verbCommand(context, verb, does));
  return cni;
}

function verbCommand(context: Context, verb: Verb, does: string): Command {
  const command = new Command(verb)
    .description(does)
    .requiredOption(
      "--conf <file>",
      "network configuration (.conflist, .conf), a folder of them (the first counts), or -",
    )
    .requiredOption("--state <dir>", "where the node is kept between calls; a source itself (-f DIR)");
  if (verb === "add" || verb === "del" || verb === "check") {
    command
      .requiredOption("--container <id>", "the container's id")
      .requiredOption("--netns <pod>", "the container's network namespace: a name, or a path")
      .option("--ifname <name>", "the interface in the container", "eth0")
      .option("--args <K=V;…>", "CNI_ARGS")
      .option("--cap-args <json>", 'values of capabilities, such as {"portMappings":[…]}');
  }
  if (verb === "gc") {
    command.option(
      "--valid <id/ifname>",
      "an attachment to keep; repeatable",
      (value: string, before: string[] = []) => [...before, value],
    );
  }
  return command
    .option(
      "-f, --filename <path>",
      "snapshot of the node to begin with, on the first call; default: a node with nothing but lo",
      (path: string, before: string[] = []) => [...before, path],
    )
    .option("--node <name>", "which host of the snapshot is the node")
    .addOption(
      new Option(
        "--plugins <release>",
        "release of the plugins; default: the oldest that speaks the configuration's version",
      ).choices(["1.1", "1.6"]),
    )
    .option(
      "--time <seconds>",
      "instant of the virtual clock, from 0: what ends by the clock, such as a lease; default: that of the last call",
    )
    .addHelpText("after", exampleOf(verb))
    .action((options: CniOptions) => run(context, verb, options));
}

/** Not run by a test as they stand: they need a configuration of your own. */
function exampleOf(verb: Verb): string {
  const who = verb === "gc" || verb === "status" ? "" : " --container c1 --netns pod1";
  return `\nFor example, with a configuration of your own:\n  hopscope cni ${verb} --conf /etc/cni/net.d/10-my.conflist${who} --state my-node/`;
}

async function run(context: Context, verb: Verb, options: CniOptions): Promise<void> {
  const prepared = await prepare(context, options);
  if (prepared.kind === "invalid") return fail(context, prepared.messages);
  const { list, attachment, directory, state, now } = prepared.value;
  const around = { now, dhcp: WALKED_DHCP };
  const machine = new Machine(
    withNetns(state, attachment, verb),
    directory,
    HASHED_NAMES,
    ORIGIN_NONE,
    around,
  );
  keepLeases(machine);
  const runtime = new Runtime(machine, list, options.plugins ?? releaseFor(list.cniVersion));
  const outcome = call(runtime, verb, attachment, options.valid);
  const { hosts, wires } = machine.finish();
  const sorted = new Map([...hosts].map(([name, host]) => [name, withSortedChains(host)]));
  directory.save(writeSnapshot({ hosts: sorted, wires, origins: NO_ORIGINS }));
  directory.write(CLOCK_FILE, String(now));
  print(context, outcome);
}

function call(
  runtime: Runtime,
  verb: Verb,
  attachment: Attachment,
  valid: readonly string[] | undefined,
): Outcome {
  switch (verb) {
    case "add":
      return runtime.add(attachment);
    case "del":
      return runtime.del(attachment);
    case "check":
      return runtime.check(attachment);
    case "gc":
      return valid === undefined ? runtime.gc() : runtime.gc(valid.map(holderOf));
    case "status":
      return runtime.status();
    default:
      verb satisfies never;
      throw new Error("unknown verb");
  }
}

function holderOf(text: string): { readonly containerId: string; readonly ifName: string } {
  const [containerId = "", ifName = "eth0"] = text.split("/");
  return { containerId, ifName };
}

/** As the plugins print: the result, or the error with exit code 1. */
function print(context: Context, outcome: Outcome): void {
  const value = outcome.kind === "error" ? outcome.error : outcome.result;
  if (value !== null) context.io.write(`${JSON.stringify(value, null, 4)}\n`);
  if (outcome.kind === "error") context.exitCode = EXIT.negative;
}

interface Prepared {
  readonly list: NetworkList;
  readonly attachment: Attachment;
  readonly directory: CniDirectory;
  readonly state: MachineState;
  /** Seconds of the virtual clock. */
  readonly now: number;
}

async function prepare(context: Context, options: CniOptions): Promise<Result<Prepared>> {
  const list = await readConf(context, options.conf);
  if (list.kind === "invalid") return list;
  const capabilities = readCapabilities(options.capArgs);
  if (capabilities.kind === "invalid") return capabilities;
  const directory = new CniDirectory(options.state);
  const now = instantOf(options.time, Number(directory.read(CLOCK_FILE) ?? 0));
  if (now.kind === "invalid") return now;
  const state = await openState(context, options, directory);
  if (state.kind === "invalid") return state;
  const netns = options.netns ?? "";
  const path = netns === "" || netns.includes("/") ? netns : NETNS_FOLDER + netns;
  if (netnsName(path) === state.value.node) {
    return invalid(
      `--netns: ${JSON.stringify(netns)} is the node's own name: a container has a namespace of its own`,
    );
  }
  const attachment: Attachment = {
    containerId: options.container ?? "",
    netns: path,
    ifName: options.ifname ?? "",
    args: options.args ?? "",
    capabilities: capabilities.value,
  };
  return ok({ list: list.value, attachment, directory, state: state.value, now: now.value });
}

/** The clock goes on only. */
function instantOf(text: string | undefined, last: number): Result<number> {
  if (text === undefined) return ok(last);
  const seconds = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (seconds < 0) return invalid(`--time: ${JSON.stringify(text)} is no number of seconds`);
  return seconds >= last
    ? ok(seconds)
    : invalid(`--time: ${seconds} is before the last call, at ${last}: the clock goes on only`);
}

async function readConf(context: Context, path: string): Promise<Result<NetworkList>> {
  const file = await confFile(path);
  if (file.kind === "invalid") return file;
  const content = await readText(file.value, file.value, context.io);
  if (content.kind === "invalid") return content;
  const network = parseNetwork(content.value);
  if (network.kind === "unreadable") {
    const { line, message } = explainJsonText(content.value, "a configuration of CNI");
    return invalid(`--conf ${file.value}:${line}: ${message}`);
  }
  return network.kind === "ok" ? ok(network.value) : invalid(`--conf ${file.value}: ${network.message}`);
}

/** Of a folder the first configuration by name counts, as it does for kubelet and containerd. */
async function confFile(path: string): Promise<Result<string>> {
  const isFolder = path !== "-" && (await stat(path).catch(() => null))?.isDirectory() === true;
  if (!isFolder) return ok(path);
  const [first] = (await readdir(path)).filter((name) => /\.(conflist|conf|json)$/.test(name)).sort();
  return first === undefined
    ? invalid(`--conf ${path}: the folder holds no configuration (*.conflist, *.conf, *.json)`)
    : ok(join(path, first));
}

function readCapabilities(text: string | undefined): Result<Json> {
  if (text === undefined) return ok({});
  try {
    const json: unknown = JSON.parse(text);
    if (isJsonObject(json)) return ok(json);
    return invalid('--cap-args: an object such as {"portMappings":[…]} is expected');
  } catch (error) {
    return invalid(`--cap-args: is no JSON: ${(error as Error).message}`);
  }
}

/** The node as the last call left it, or on the first call as the source has it. */
async function openState(
  context: Context,
  options: CniOptions,
  directory: CniDirectory,
): Promise<Result<MachineState>> {
  const { filename, node } = options;
  const kept = directory.readWorld();
  if (kept !== null) {
    if (filename !== undefined)
      context.io.warn(`note: ${options.state} holds a node already: -f is left aside\n`);
    const snapshot = readSnapshot(join(options.state, WORLD_FILE), kept);
    if (snapshot.kind === "invalid") return invalid(...snapshot.errors.map(formatInputError));
    return machineOf(snapshot.world, node);
  }
  if (filename === undefined) return ok({ node: NODE, hosts: new Map([[NODE, bareNode()]]), wires: [] });
  const source = await loadSource(filename, context.io);
  return source.kind === "invalid" ? source : machineOf(source.value.world, node);
}

/** A host alone is the node, and is called so; among several the node is named, or called `node`. */
function machineOf({ hosts, wires }: World, named: string | undefined): Result<MachineState> {
  const wanted = named ?? NODE;
  if (hosts.has(wanted)) return ok({ node: wanted, hosts, wires });
  const names = [...hosts.keys()];
  if (named !== undefined) {
    return invalid(`--node: there is no host ${JSON.stringify(named)}${suggestion(named, names)}`);
  }
  const [only] = hosts.values();
  if (only !== undefined && names.length === 1) {
    const ends = wires.map(({ a, b }) => ({ a: { ...a, host: NODE }, b: { ...b, host: NODE } }));
    return ok({ node: NODE, hosts: new Map([[NODE, { ...only, name: NODE }]]), wires: ends });
  }
  return invalid(`the source has ${names.length} hosts: say which is the node, --node ${names[0]}`);
}

function bareNode(): Host {
  const netns = new Netns(newNetns(NODE, "node"));
  netns.setUp("lo");
  return netns.host;
}

/** The runtime makes the container's namespace before it calls the first plugin. */
function withNetns(state: MachineState, { netns }: Attachment, verb: Verb): MachineState {
  const name = netnsName(netns);
  if (verb !== "add" || name === "" || state.hosts.has(name)) return state;
  return { ...state, hosts: new Map(state.hosts).set(name, newNetns(name, "pod")) };
}

/** Chains in the order that iptables-save prints them: the built-in ones, then the others by the alphabet. */
function withSortedChains(host: Host): Host {
  if (host.iptables === null) return host;
  const tables = [...host.iptables.tables].map(([name, table]) => {
    const chains = [...table.chains.values()];
    const isBuiltIn = ({ policy }: Chain) => policy !== null;
    const others = chains.filter((chain) => !isBuiltIn(chain)).sort((a, b) => (a.name < b.name ? -1 : 1));
    const all = [...chains.filter(isBuiltIn), ...others];
    return [name, { name, chains: new Map(all.map((chain) => [chain.name, chain])) }] as const;
  });
  const ruleset = { ...host.iptables, tables: new Map(tables) };
  const applied = applyOperations(host, [{ kind: "iptables-restore", ruleset, noflush: false }]);
  return applied.kind === "ok" ? applied.host : host;
}
