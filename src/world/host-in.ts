import { applyOperations } from "../kernel/apply-operation.ts";
import { DEFAULT_KERNEL, emptyHost, type Host } from "../kernel/host.ts";
import type { Json } from "../kernel/json-fields.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import type { Operation } from "../kernel/operation.ts";
import { ORIGIN_NONE, type Origin } from "../kernel/origin.ts";
import { DHCP_FIELD } from "./dhcp/configuration.ts";
import { readAddresses, readBridgeVlans, readFdb, readLinks, readNeighbours } from "./host-in/devices.ts";
import { checkDhcp } from "./host-in/dhcp.ts";
import { readIpvs } from "./host-in/ipvs.ts";
import { readOpenVswitch } from "./host-in/open-vswitch.ts";
import { HostReading, type HostSource } from "./host-in/reading.ts";
import { readRoutes, readRules } from "./host-in/routing.ts";
import { readIpsets, readIptables, readNft } from "./host-in/rulesets.ts";
import { readSockets } from "./host-in/sockets.ts";
import { readTrafficControl } from "./host-in/traffic-control.ts";

/*
 * One host of a snapshot: the JSON form of what `ip`, `bridge`, `iptables-save`, `ss` and `sysctl` printed, turned into
 * operations on an empty host. What no rule of the walk reads (other kinds of devices) is
 * kept as it was under the field's own name, and `host-out.ts` gives it back.
 */

/** Fields of a host that become state, and those of which something may stay unmodelled beside it. */
const MODELLED = [
  "links",
  "addrs",
  "routes",
  "rules",
  "routes6",
  "rules6",
  "neigh",
  "fdb",
  "bridgeLinks",
  "bridgeVlans",
  "sysctl",
  "iptablesBackend",
  "iptablesSave",
  "ip6tablesSave",
  "ipsetSave",
  "nftRuleset",
  "ipvs",
  "ipvsOrder",
  "ipvsTimeouts",
  "sockets",
  "tunDaemons",
  "qdiscs",
  "tcFilters",
  "ovsVsctl",
  "ovsShow",
  "ovsFlows",
  "ovsGroups",
] as const;

const DESCRIPTIVE = ["name", "kind", "kernel"];

/** Known fields that are kept as they are. */
const KEPT = ["nftRulesetJson", "nfnetlinkQueue", DHCP_FIELD];

/** Does this object look like one host's state? */
export function isHostJson(json: Json): boolean {
  return MODELLED.some((field) => Object.hasOwn(json, field));
}

/** In the order in which they build on each other. */
const READERS: readonly ((reading: HostReading) => void)[] = [
  readLinks,
  readAddresses,
  readRoutes,
  readRules,
  readNeighbours,
  readFdb,
  readBridgeVlans,
  readSysctl,
  readIptables,
  readIpsets,
  readNft,
  readIpvs,
  readSockets,
  readTrafficControl,
  readOpenVswitch,
  checkDhcp,
  readOthers,
];

/** The host; with faults told, something that must not be used. */
export function readHost(source: HostSource): Host {
  const { json, name } = source;
  const kernel = json.optionalText("kernel") ?? source.kernel ?? DEFAULT_KERNEL;
  const start: Host = { ...emptyHost(name, json.optionalText("kind") ?? "node"), kernel };
  const reading = new HostReading(source);
  for (const read of READERS) read(reading);
  const applied = applyOperations(start, reading.operations);
  if (applied.kind === "ok") return applied.host;
  if (!reading.knowsDevices) return start;
  for (const { operation, message } of applied.errors) {
    json.faults.add(source.origins.sourceOf(originOf(operation))?.field ?? json.path, message);
  }
  return start;
}

function readSysctl(reading: HostReading): void {
  for (const [name, value] of reading.settings()) reading.add({ kind: "sysctl", name, value });
}

/** Everything else goes through unread, but a known text must be one, and a field that is nearly known is a slip. */
function readOthers(reading: HostReading): void {
  const { json } = reading;
  const known: readonly string[] = [...MODELLED, ...DESCRIPTIVE, ...KEPT];
  for (const [field, value] of Object.entries(json.json)) {
    if (KEPT.includes(field)) reading.add({ kind: "unmodelled", name: field, value });
    if (known.includes(field)) continue;
    const near = suggestion(field, known);
    if (near !== "") json.fault(field, `is no field of a host${near}`);
    else reading.add({ kind: "unmodelled", name: field, value });
  }
}

/** The origin of the value that an operation carries. */
function originOf(operation: Operation): Origin {
  switch (operation.kind) {
    case "link-add":
      return operation.device.origin;
    case "address-add":
      return operation.address.origin;
    case "route-add":
      return operation.route.origin;
    case "rule-add":
      return operation.rule.origin;
    case "neighbour-replace":
      return operation.neighbour.origin;
    case "fdb-append":
      return operation.entry.origin;
    case "bridge-vlan-add":
      return operation.vlan.origin;
    case "socket-open":
      return operation.socket.origin;
    case "iptables-restore":
      return firstRuleOrigin(operation);
    case "ipset-restore":
      return operation.sets[0]?.origin ?? ORIGIN_NONE;
    default:
      return ORIGIN_NONE;
  }
}

function firstRuleOrigin({ ruleset }: Extract<Operation, { kind: "iptables-restore" }>): Origin {
  for (const table of ruleset.tables.values()) {
    for (const chain of table.chains.values()) {
      for (const rule of chain.rules) return rule.origin;
    }
  }
  return ORIGIN_NONE;
}
