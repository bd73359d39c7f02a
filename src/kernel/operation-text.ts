import type { Family } from "../address/ip.ts";
import { formatIp } from "../address/ip.ts";
import { formatMac } from "../address/mac.ts";
import { addressText, neighbourCommand, routeCommand, ruleText, ruleText6 } from "./addressing-text.ts";
import type { BridgeVlan } from "./device/bridge-vlan.ts";
import type { FdbEntry } from "./device/device.ts";
import { addLinkText, linkChangeText, linkSettingsText, portStateText } from "./device/link-command.ts";
import type { EntryBatch } from "./entry-batch.ts";
import { formatEntry } from "./ipset/add-line.ts";
import { formatElement } from "./ipset/element-text.ts";
import { endText, selectorWords, serverWords, serviceWords } from "./ipvs/ipvsadm-words.ts";
import { formatRuleArguments } from "./netfilter/save/format.ts";
import { splitArguments } from "./netfilter/save/words.ts";
import { formatNftCommand } from "./nft/text/format-command.ts";
import type { Operation } from "./operation.ts";
import { ovsCommands } from "./ovs/ovs-command.ts";
import { quote, words } from "./shell-words.ts";
import { qdiscCommand, qdiscDeletion, tcFilterCommand, tcFilterDeletion } from "./tc/tc-text.ts";

/**
 * An operation as the command lines that do it. None for what has no command: sockets are opened by programs, and what
 * is not modelled is only kept. The text of an `iptables-restore` is written by `formatIptablesSave`; here is its line.
 */
export function operationText(operation: Operation): string[] {
  switch (operation.kind) {
    case "link-add":
      return [
        ...addLinkText(operation.device),
        ...linkSettingsText(operation.device),
        ...portStateText(operation.device),
      ];
    case "link-delete":
      return [`ip link delete ${quote(operation.name)}`];
    case "link-set":
      return [`ip link set ${quote(operation.name)} ${operation.up ? "up" : "down"}`];
    case "link-change":
      return linkChangeText(operation.name, operation.change);
    case "address-add":
      return [`ip addr add ${addressText(operation.address)}`];
    case "address-delete":
      return [`ip addr del ${addressText(operation.address)}`];
    case "route-add":
      return [routeCommand("add", operation.route)];
    case "route-replace":
      return [routeCommand("replace", operation.route)];
    case "route-delete":
      return [routeCommand("del", operation.route)];
    case "rule-add":
      return [
        operation.family === 6
          ? `ip -6 rule add ${ruleText6(operation.rule)}`
          : `ip rule add ${ruleText(operation.rule)}`,
      ];
    case "rule-delete":
      return [
        operation.family === 6
          ? `ip -6 rule del ${ruleText6(operation.rule)}`
          : `ip rule del ${ruleText(operation.rule)}`,
      ];
    case "neighbour-replace":
      return [neighbourCommand(operation.neighbour)];
    case "fdb-append":
      return [`bridge fdb append ${fdbText(operation.entry)}`];
    case "bridge-vlan-add":
      return [bridgeVlanText(operation.vlan)];
    case "bridge-vlan-delete":
      return [
        words(
          `bridge vlan del dev ${quote(operation.dev)} vid ${vidText(operation)}`,
          operation.self && "self",
        ),
      ];
    case "batch-add":
      return batchText(operation.batch, operation.without);
    case "sysctl":
      return [`sysctl -w ${quote(`${operation.name}=${operation.value}`)}`];
    case "iptables-restore":
      return [words(`${toolName(operation)}-restore`, operation.noflush && "--noflush")];
    case "iptables-insert":
      return [insertText(operation)];
    case "iptables-delete":
      return [
        words(
          `${toolName(operation)} -t ${quote(operation.table)}`,
          `-D ${quote(operation.chain)} ${operation.index}`,
        ),
      ];
    case "nft-restore":
      return ["nft flush ruleset", "nft -f -"];
    case "nft":
      return operation.commands.map((command) => `nft ${quote(formatNftCommand(command))}`);
    case "ipset-restore":
      return ["ipset restore"];
    case "ipset-destroy":
      return [`ipset destroy ${quote(operation.set)}`];
    case "ipset-add":
      return [
        words(
          `ipset add ${quote(operation.set)} ${formatEntry(operation.entry, quote)}`,
          operation.exist && "-exist",
        ),
      ];
    case "ipset-delete":
      return [`ipset del ${quote(operation.set)} ${quote(formatElement(operation.entry.parts))}`];
    case "ipvs-restore":
      return ["ipvsadm -R"];
    case "virtual-server-add":
    case "virtual-server-edit": {
      const { selector } = operation.service;
      const letter = operation.kind === "virtual-server-add" ? "A" : "E";
      return [`ipvsadm -${letter} ${selectorWords(selector)} ${serviceWords(operation.service)}`];
    }
    case "virtual-server-delete":
      return [`ipvsadm -D ${selectorWords(operation.selector)}`];
    case "real-server-add":
    case "real-server-edit": {
      const { selector, server } = operation;
      const letter = operation.kind === "real-server-add" ? "a" : "e";
      return [`ipvsadm -${letter} ${selectorWords(selector)} -r ${endText(server)} ${serverWords(server)}`];
    }
    case "real-server-delete":
      return [`ipvsadm -d ${selectorWords(operation.selector)} -r ${endText(operation.server)}`];
    case "ipvs-clear":
      return ["ipvsadm -C"];
    case "ipvs-timeouts": {
      const { tcpS, tcpFinS, udpS } = operation.timeouts;
      return [`ipvsadm --set ${tcpS} ${tcpFinS} ${udpS}`];
    }
    case "qdisc-add":
      return [qdiscCommand(operation.qdisc) ?? ""].filter((line) => line !== "");
    case "tc-filter-add":
      return [tcFilterCommand(operation.filter) ?? ""].filter((line) => line !== "");
    case "qdisc-delete":
      return [qdiscDeletion(operation.dev, operation.place)];
    case "tc-filter-delete":
      return [tcFilterDeletion(operation.dev, operation.hook, operation.head)];
    case "ovs":
      return ovsCommands(operation.ovs);
    case "sockets":
    case "socket-open":
    case "unmodelled":
      return [];
    default:
      operation satisfies never;
      throw new Error("unknown operation");
  }
}

/** Group by group, in each what a route's next hop needs before the route. */
function batchText({ groups }: EntryBatch, without: number | null): string[] {
  return groups
    .filter((_, i) => i !== without)
    .flatMap(({ neighbours, fdb, routes, neighbours6 = [], routes6 = [] }) => [
      ...[...neighbours, ...neighbours6].map((neighbour) => neighbourCommand(neighbour)),
      ...fdb.map((entry) => `bridge fdb append ${fdbText(entry)}`),
      ...[...routes, ...routes6].map((route) => routeCommand("add", route)),
    ]);
}

/** What follows `bridge fdb append`. */
function fdbText(entry: FdbEntry): string {
  const { mac, dev, dst, vlan, master, state } = entry;
  return words(
    formatMac(mac),
    `dev ${quote(dev)}`,
    dst !== null && `dst ${formatIp(dst)}`,
    vlan !== null && `vlan ${vlan}`,
    master === null ? "self" : "master",
    FDB_STATES[state],
  );
}

/** What `bridge vlan` is given. A device in no VLAN was taken out of the one that it began with. */
export function bridgeVlanText(vlan: BridgeVlan): string {
  const dev = quote(vlan.dev);
  if (vlan.from === 0) return words(`bridge vlan del dev ${dev} vid 1`, vlan.self && "self");
  return words(
    `bridge vlan add dev ${dev} vid ${vidText(vlan)}`,
    vlan.pvid && "pvid",
    vlan.untagged && "untagged",
    vlan.self && "self",
  );
}

function vidText({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? String(from) : `${from}-${to}`;
}

const FDB_STATES: Readonly<Record<FdbEntry["state"], string>> = {
  permanent: "permanent",
  static: "static",
  reachable: "dynamic",
  stale: "dynamic",
};

/** `iptables-save` quotes words for itself; here they are quoted for a shell. */
function insertText(operation: Extract<Operation, { kind: "iptables-insert" }>): string {
  const { table, chain, index, rule } = operation;
  const split = splitArguments(formatRuleArguments(rule));
  const args = split.kind === "ok" ? split.arguments.map(({ text }) => quote(text)) : [];
  return words(
    `${toolName(operation)} -t ${quote(table)}`,
    index === null ? `-A ${quote(chain)}` : `-I ${quote(chain)} ${index}`,
    ...args,
  );
}

function toolName({ family }: { readonly family?: Family }): string {
  return family === 6 ? "ip6tables" : "iptables";
}
