import { parseIp } from "../../address/ip.ts";
import { addressOnPath } from "../../address/ip6-handle.ts";
import type { NetDevice } from "../device/net-device.ts";
import { compileActions, type OvsAction } from "./compile-actions.ts";
import { compileMatch, type OvsMatch } from "./compile-match.ts";
import { OFPP_LOCAL, type OpenVswitch, type OvsBridge, type OvsPort } from "./open-vswitch.ts";

/** A port of a bridge compiled: what a packet that is put out by it meets. */
export interface CompiledOvsPort {
  readonly plain: OvsPort;
  readonly bridge: CompiledOvsBridge;
  /** -1: nobody dumped it. */
  readonly number: number;
  /** The device that carries it here; null: none (a tunnel, a patch), or it is not in the dump. */
  readonly device: NetDevice | null;
  readonly tunnel: OvsTunnel | null;
  /** The port that a patch leads to; null of others. */
  peer: CompiledOvsPort | null;
}

/** A tunnel of flows: its ends and key are the port's, or come with each packet (`flow`). */
export interface OvsTunnel {
  readonly type: "vxlan" | "geneve";
  readonly family: 4 | 6;
  /** As the path holds it; 0 any; -1: the flow says (`tun_dst`, `tun_src`). */
  readonly remote: number;
  readonly local: number;
  /** Of packets that leave, and of those that come; -1: the flow says (`tun_id`). */
  readonly key: number;
  readonly inKey: number;
  readonly port: number;
  /** 0: the system's. */
  readonly ttl: number;
  readonly df: boolean;
  /** The kernel's device for all tunnels of the type and port (`vxlan_sys_4789`), where the dump has it. */
  readonly device: NetDevice | null;
}

export interface CompiledOvsFlow {
  /** Place among the bridge's flows. */
  readonly index: number;
  readonly priority: number;
  readonly match: OvsMatch;
  readonly actions: readonly OvsAction[];
  /** Its actions are conjunctions, which make it a clause of another flow's match. */
  readonly isClause: boolean;
}

export interface CompiledOvsGroup {
  readonly type: string;
  readonly buckets: readonly {
    readonly weight: number;
    readonly watchPort: number | null;
    readonly actions: readonly OvsAction[];
  }[];
}

export interface CompiledOvsBridge {
  readonly plain: OvsBridge;
  /** Place among the host's. */
  readonly index: number;
  /** By number; a port without one is in `ports` alone. */
  readonly byNumber: ReadonlyMap<number, CompiledOvsPort>;
  readonly ports: readonly CompiledOvsPort[];
  /** By table, the highest priority first. */
  readonly tables: ReadonlyMap<string, readonly CompiledOvsFlow[]>;
  /** The table that packets begin in. */
  readonly firstTable: string;
  readonly groups: ReadonlyMap<number, CompiledOvsGroup>;
}

/** @param named a host's device by name */
export function compileOvs(
  { bridges }: OpenVswitch,
  named: (name: string) => NetDevice | null,
): readonly CompiledOvsBridge[] {
  const compiled = bridges.map((bridge, index) => compileBridge(bridge, index, named));
  const ports = compiled.flatMap((bridge) => bridge.ports);
  for (const port of ports) {
    if (port.plain.type !== "patch") continue;
    const peer = port.plain.options.get("peer");
    port.peer = ports.find(({ plain }) => plain.name === peer && plain.type === "patch") ?? null;
  }
  return compiled;
}

function compileBridge(
  plain: OvsBridge,
  index: number,
  named: (name: string) => NetDevice | null,
): CompiledOvsBridge {
  const numbers = new Map<string, number>();
  for (const port of plain.ports) {
    const number = port.name === plain.name ? OFPP_LOCAL : port.number;
    if (number !== null) numbers.set(port.name, number);
  }
  const flows = (plain.flows ?? []).map((flow, i): CompiledOvsFlow & { readonly table: string } => {
    const actions = compileActions(flow.actions, numbers);
    return {
      index: i,
      table: flow.table,
      priority: flow.priority,
      match: compileMatch(flow.match, numbers),
      actions,
      isClause: actions.length > 0 && actions.every(({ kind }) => kind === "conjunction" || kind === "none"),
    };
  });
  const tables = new Map<string, CompiledOvsFlow[]>();
  for (const flow of flows) {
    const own = tables.get(flow.table);
    if (own === undefined) tables.set(flow.table, [flow]);
    else own.push(flow);
  }
  for (const own of tables.values()) own.sort((one, other) => other.priority - one.priority);
  const ports: CompiledOvsPort[] = [];
  const byNumber = new Map<number, CompiledOvsPort>();
  const bridge: CompiledOvsBridge = {
    plain,
    index,
    ports,
    byNumber,
    tables,
    // Of named tables the dump's first is the one with the lowest number.
    firstTable: flows.some(({ table }) => /^\d+$/.test(table)) ? "0" : (flows[0]?.table ?? "0"),
    groups: new Map(
      plain.groups.map(({ id, type, buckets }) => [
        id,
        {
          type,
          buckets: buckets.map(({ settings, actions }) => ({
            weight: Number(settings.get("weight") ?? 1),
            watchPort: settings.has("watch_port") ? Number(settings.get("watch_port")) : null,
            actions: compileActions(actions, numbers),
          })),
        },
      ]),
    ),
  };
  for (const port of plain.ports) {
    const number = numbers.get(port.name) ?? -1;
    const tunnel = tunnelOf(port, named);
    const device = tunnel !== null || port.type === "patch" ? null : named(port.name);
    const own: CompiledOvsPort = { plain: port, bridge, number, device, tunnel, peer: null };
    ports.push(own);
    if (number >= 0) byNumber.set(number, own);
  }
  return bridge;
}

const DEFAULT_PORTS = { vxlan: 4789, geneve: 6081 } as const;
/** The kernel's device for a type's tunnels, with the port behind it (`dpif_netlink_rtnl`); Weave's router calls its own `vxlan-6784`. */
const SYSTEM_DEVICES = { vxlan: "vxlan_sys_", geneve: "genev_sys_" } as const;

function tunnelOf({ type, options }: OvsPort, named: (name: string) => NetDevice | null): OvsTunnel | null {
  if (type !== "vxlan" && type !== "geneve") return null;
  const end = (name: string): number => {
    const text = options.get(name);
    if (text === undefined) return 0;
    if (text === "flow") return -1;
    return addressOnPath(parseIp(text) ?? 0);
  };
  const remote = options.get("remote_ip") ?? options.get("local_ip") ?? "";
  const key = options.get("in_key") ?? options.get("key") ?? "0";
  const outKey = options.get("out_key") ?? options.get("key") ?? "0";
  const keyOf = (text: string): number => (text === "flow" ? -1 : Number(text) | 0);
  const ttl = Number(options.get("ttl") ?? 0);
  const port = Number(options.get("dst_port") ?? DEFAULT_PORTS[type]);
  return {
    type,
    family: remote.includes(":") ? 6 : 4,
    remote: end("remote_ip"),
    local: end("local_ip"),
    key: keyOf(outKey),
    inKey: keyOf(key),
    port,
    ttl: Number.isInteger(ttl) ? ttl : 0,
    df: options.get("df_default") !== "false",
    device: named(`${SYSTEM_DEVICES[type]}${port}`) ?? named(`${type}-${port}`),
  };
}
