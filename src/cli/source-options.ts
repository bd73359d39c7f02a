import { type Command, Option } from "commander";
import { explainPrefix4, type Prefix4, parsePrefix4 } from "../address/prefix.ts";
import { explainPrefix6, type Prefix6, parsePrefix6 } from "../address/prefix6.ts";
import { CNIS } from "../cluster/configuration.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import { PROXY_MODES } from "../proxy/configuration.ts";
import type { ObjectFlags } from "./cluster-source.ts";
import { notBuiltYet, OPTIONS_NOT_BUILT_YET } from "./not-built-yet.ts";
import { parseWhole } from "./number-text.ts";
import { invalid, ok, type Result } from "./result.ts";

export interface SourceOptions {
  readonly filename?: readonly string[];
  readonly nodes?: string;
  readonly cni?: string;
  readonly proxyMode?: string;
  readonly podCidr?: string;
  readonly serviceCidr?: string;
}

const NODES_AT_MOST = 5000;

/** The overrides of what the objects show, checked. */
export function objectFlags(options: SourceOptions & { readonly namespace?: string }): Result<ObjectFlags> {
  const messages: string[] = [];
  const take = <T>(result: Result<T>, prefix: string): T | undefined => {
    if (result.kind === "ok") return result.value;
    messages.push(...result.messages.map((message) => prefix + message));
    return undefined;
  };
  const given = <T>(
    flag: string,
    text: string | undefined,
    read: (text: string) => Result<T>,
  ): T | undefined => (text === undefined ? undefined : take(read(text), `${flag}: `));
  const { nodes } = options;
  const flags = {
    nodes: nodes === undefined ? undefined : take(parseWhole(nodes, "--nodes", 1, NODES_AT_MOST), ""),
    cni: given("--cni", options.cni, (text) => oneOf(text, CNIS)),
    proxyMode: given("--proxy-mode", options.proxyMode, (text) => oneOf(text, PROXY_MODES)),
    namespace: options.namespace,
  };
  const pods = given("--pod-cidr", options.podCidr, rangesOf);
  const services = given("--service-cidr", options.serviceCidr, rangesOf);
  const ranges = {
    ...{ clusterCidr: pods?.four, clusterCidr6: pods?.six },
    ...{ serviceCidr: services?.four, serviceCidr6: services?.six },
  };
  return messages.length === 0 ? ok({ ...flags, ...ranges }) : invalid(...messages);
}

/** A range, or one of each family with a comma between. */
interface Ranges {
  readonly four: Prefix4 | undefined;
  readonly six: Prefix6 | undefined;
}

function rangesOf(text: string): Result<Ranges> {
  const parts = text.split(",");
  const sixes = parts.filter((part) => part.includes(":"));
  const fours = parts.filter((part) => !part.includes(":"));
  if (parts.length > 2 || sixes.length > 1 || fours.length > 1) {
    return invalid(`${JSON.stringify(text)} is more than one range of a family`);
  }
  const [four] = fours;
  const [six] = sixes;
  const read4 = four === undefined ? undefined : parsePrefix4(four);
  const read6 = six === undefined ? undefined : parsePrefix6(six);
  if (four !== undefined && read4 === undefined) return invalid(explainPrefix4(four));
  if (six !== undefined && read6 === undefined) return invalid(explainPrefix6(six));
  return ok({ four: read4, six: read6 });
}

function oneOf<T extends string>(text: string, words: readonly T[]): Result<T> {
  const found = words.find((word) => word === text);
  return found === undefined
    ? invalid(`${JSON.stringify(text)} is none of ${words.join(", ")}${suggestion(text, words)}`)
    : ok(found);
}

/** `-f`, the same for every command that reads a source; what is not built yet is known, to be named. */
export function addSourceOptions(command: Command): Command {
  command.option(
    "-f, --filename <path>",
    "manifests, kubectl dumps, snapshots of real hosts or outputs of their own tools: a file, a folder with all below it, or - for stdin; repeatable; default: the bundled example",
    (path: string, before: string[] = []) => [...before, path],
  );
  command
    .option("--nodes <n>", "so many nodes, where the objects hold fewer")
    .option("--cni <name>", "flannel, calico, canal, weave, bridge or docker0, whatever the objects show")
    .option("--proxy-mode <mode>", "iptables, ipvs or nftables, whatever the objects show")
    .option("--pod-cidr <cidr>", "pod addresses of the whole cluster; with a comma, one range of each family")
    .option("--service-cidr <cidr>", "addresses of Services, likewise");
  for (const flags of OPTIONS_NOT_BUILT_YET) command.addOption(new Option(flags).hideHelp());
  return command;
}

/** The options of a source as they were typed, for a command line that reads the same one. */
export function sourceWords(options: SourceOptions): string[] {
  const { filename = [], nodes, cni, proxyMode, podCidr, serviceCidr } = options;
  const flags = {
    "--nodes": nodes,
    "--cni": cni,
    "--proxy-mode": proxyMode,
    "--pod-cidr": podCidr,
    "--service-cidr": serviceCidr,
  };
  return [
    ...filename.flatMap((path) => ["-f", path]),
    ...Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [flag, value])),
  ];
}

/** One line for each option given that is not built yet. */
export function unbuiltOptions(options: Readonly<Record<string, unknown>>): string[] {
  return OPTIONS_NOT_BUILT_YET.filter(
    (flags) => options[new Option(flags).attributeName()] !== undefined,
  ).map((flags) => notBuiltYet(flags.split(" ")[0] ?? flags));
}
