import { applyOperations } from "../../kernel/apply-operation.ts";
import type { Host } from "../../kernel/host.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { Stack } from "../../kernel/stack.ts";
import { OriginTable } from "../../world/origins.ts";
import type { World } from "../../world/world.ts";
import { invalid, ok, type Result } from "../result.ts";
import { readBridge } from "./bridge-command.ts";
import { printIp, readIp } from "./ip-command.ts";
import { readIpset } from "./ipset-command.ts";
import { readIptables } from "./iptables-command.ts";
import { printIpvsadm, readIpvsadm } from "./ipvsadm-command.ts";
import { readNft } from "./nft-command.ts";
import { shellWords } from "./shell-words.ts";
import { readSysctl } from "./sysctl-command.ts";
import { readTc } from "./tc-command.ts";

const UNDERSTOOD =
  "understood are: ip route add|append|replace|del, ip link set DEV up|down, ip addr add|del, ip neigh add|replace, ip rule add|del, " +
  "ip vrf show, bridge fdb append, ipset create|add|del|flush|destroy, iptables and ip6tables -A|-I|-D|-F|-N|-P, nft add|insert|replace|delete|flush …, " +
  "tc qdisc add|replace|change|del, tc filter add|replace|del, ipvsadm -A|-E|-D|-a|-e|-d|-C|-L|-S|--set, sysctl -w NAME=VALUE";

/** A World after one command on one of its hosts: a command line as the tool takes it. */
export function runToolCommand(world: World, host: Host, line: string): Result<World> {
  const origins = new OriginTable(world.origins);
  const origin = origins.add({ file: `command on ${host.name}: ${line}`, field: null, line: null });
  const operations = readToolCommand(host, line, origin);
  if (operations.kind === "invalid") return operations;
  const applied = applyOperations(host, operations.value);
  if (applied.kind === "invalid") return invalid(...applied.errors.map(({ message }) => message));
  const hosts = new Map(world.hosts).set(host.name, applied.host);
  return ok({ ...world, hosts, origins: origins.finish() });
}

/** What a command line does to a host, as operations. */
export function readToolCommand(host: Host, line: string, origin: Origin): Result<Operation[]> {
  const command = toolOf(line);
  if (command.kind === "invalid") return command;
  const { tool, rest } = command.value;
  switch (tool) {
    case "ip":
      return readIp(host, rest, origin);
    case "ipset":
      return readIpset(host, rest, origin);
    case "bridge":
      return readBridge(host, rest, origin);
    case "iptables":
    case "iptables-legacy":
    case "iptables-nft":
      return readIptables(host, rest, 4, origin);
    case "ip6tables":
    case "ip6tables-legacy":
    case "ip6tables-nft":
      return readIptables(host, rest, 6, origin);
    case "nft":
      return readNft(host, rest, origin);
    case "ipvsadm":
      return readIpvsadm(rest, origin);
    case "tc":
      return readTc(host, rest, origin);
    case "sysctl":
      return readSysctl(host, rest);
    default:
      return invalid(`the command ${JSON.stringify(tool)} is not built yet; ${UNDERSTOOD}`);
  }
}

/** What a command line prints, `""` for nothing: from the host as it is in a session, after what it changes. */
export function toolOutput(stack: Stack, line: string): string {
  const command = toolOf(line);
  if (command.kind === "invalid") return "";
  const { tool, rest } = command.value;
  if (tool === "ip") return printIp(stack.net.host, rest);
  return tool === "ipvsadm" ? printIpvsadm(rest, stack) : "";
}

function toolOf(line: string): Result<{ readonly tool: string; readonly rest: readonly string[] }> {
  const words = shellWords(line);
  if (words.kind === "invalid") return words;
  const [path = "", ...rest] = words.value[0] === "sudo" ? words.value.slice(1) : words.value;
  return ok({ tool: path.replace(/^\/(usr\/)?s?bin\//, ""), rest });
}
