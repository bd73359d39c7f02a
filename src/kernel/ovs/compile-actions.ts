import { parseIp } from "../../address/ip.ts";
import { type NatRange, natRange } from "../nat/range.ts";
import { ANY_NAT_RANGE, type NatTargetRange } from "../netfilter/target/nat-range.ts";
import { type OvsField, ovsField } from "./field.ts";
import {
  type Masked,
  masked,
  OFPP_ALL,
  OFPP_CONTROLLER,
  OFPP_FLOOD,
  OFPP_IN_PORT,
  OFPP_NORMAL,
  type PortNumbers,
  parseMasked,
  parseValue,
  portNumber,
} from "./field-value.ts";
import { OFPP_LOCAL } from "./open-vswitch.ts";
import { splitList, unquote } from "./split-list.ts";

/** A part of a field: `n` bits from bit `from`, counted from the lowest. */
export interface Subfield {
  readonly field: OvsField;
  readonly from: number;
  readonly bits: number;
}

/** What a flow does, compiled (ovs-actions(7)). */
export type OvsAction =
  | { readonly kind: "output"; readonly port: number }
  | { readonly kind: "output-field"; readonly source: Subfield }
  /** `resubmit(PORT,TABLE)`; null: the same port, the same table. With `ct` it looks with the connection's own tuple. */
  | { readonly kind: "resubmit"; readonly port: number | null; readonly table: string | null }
  | ({ readonly kind: "set"; readonly field: OvsField } & Masked)
  | { readonly kind: "move"; readonly source: Subfield; readonly target: Subfield }
  | { readonly kind: "push" | "pop"; readonly source: Subfield }
  | { readonly kind: "dec-ttl" }
  | { readonly kind: "push-vlan" }
  | { readonly kind: "set-vlan"; readonly vlan: number }
  | { readonly kind: "pop-vlan" }
  | OvsCt
  | { readonly kind: "ct-clear" }
  | { readonly kind: "group"; readonly id: number }
  /** `multipath(…)`: the number of one of so many links, by the flow's hash, into a field. */
  | { readonly kind: "multipath"; readonly links: number; readonly target: Subfield }
  /** `bundle(…)`, `bundle_load(…)`: one of the ports that are up, by the flow's hash or the first; into a field, null: output to it. */
  | {
      readonly kind: "bundle";
      readonly members: readonly number[];
      readonly first: boolean;
      readonly target: Subfield | null;
    }
  | { readonly kind: "clone" | "write"; readonly actions: readonly OvsAction[] }
  | { readonly kind: "clear-actions" }
  | { readonly kind: "conjunction"; readonly id: number; readonly clause: number; readonly clauses: number }
  | { readonly kind: "exit" }
  /** To the controller: a copy of the packet, whose fate there nobody knows. */
  | { readonly kind: "controller"; readonly text: string }
  /** It changes what later packets meet (`learn`), or is counted elsewhere: the packet goes on. */
  | { readonly kind: "noted"; readonly text: string }
  /** Nothing that the packet would feel. */
  | { readonly kind: "none" }
  | { readonly kind: "unmodelled"; readonly text: string };

export interface OvsCt {
  readonly kind: "ct";
  readonly commit: boolean;
  readonly force: boolean;
  /** A number, or where it is read. */
  readonly zone: number | Subfield;
  /** Where the tracked copy goes on; null: nowhere. */
  readonly table: string | null;
  readonly nat: OvsNat | null;
  readonly exec: readonly OvsAction[];
  /** A helper (`alg=ftp`), which finds no expectations here. */
  readonly alg: string | null;
}

/** `way` null: what the connection is translated by already. */
export interface OvsNat {
  readonly way: "src" | "dst" | null;
  /** null: to no address in particular. */
  readonly range: NatRange | null;
}

/** Actions in their order. */
export function compileActions(text: string, ports: PortNumbers): OvsAction[] {
  return splitList(text)
    .filter((part) => part !== "drop")
    .map((part) => compileAction(part, ports) ?? { kind: "unmodelled", text: part });
}

const OUTPUTS: Readonly<Record<string, number>> = {
  NORMAL: OFPP_NORMAL,
  FLOOD: OFPP_FLOOD,
  ALL: OFPP_ALL,
  IN_PORT: OFPP_IN_PORT,
  LOCAL: OFPP_LOCAL,
};

/** Nothing of them is felt on the packet's way: queues of a port, statistics, remarks. */
const UNFELT = new Set(["set_queue", "pop_queue", "note", "sample", "fin_timeout", "delete_field"]);

function compileAction(text: string, ports: PortNumbers): OvsAction | undefined {
  const [, name = "", rest = ""] = /^([\w-]+)(?::|(?=\())?(.*)$/s.exec(text) ?? [];
  const args = /^\(.*\)$/s.test(rest) ? rest.slice(1, -1) : rest;
  const reserved = rest === "" ? OUTPUTS[name.toUpperCase()] : undefined;
  if (reserved !== undefined) return { kind: "output", port: reserved };
  if (UNFELT.has(name)) return { kind: "none" };
  switch (name) {
    case "output":
      return outputTo(args, ports);
    case "enqueue":
      return portAction(/^[^:,(]+/.exec(args)?.[0] ?? "", ports);
    case "in_port":
      return { kind: "output", port: OFPP_IN_PORT };
    case "resubmit":
      return resubmit(rest, args, ports);
    case "goto_table":
      return { kind: "resubmit", port: null, table: unquote(args) };
    case "controller":
    case "CONTROLLER":
      return { kind: "controller", text };
    case "learn":
    case "meter":
      return { kind: "noted", text };
    case "conjunction": {
      const [, id, clause, clauses] = /^(\d+),(\d+)\/(\d+)$/.exec(args.replaceAll(" ", "")) ?? [];
      if (id === undefined) return undefined;
      return { kind: "conjunction", id: Number(id), clause: Number(clause), clauses: Number(clauses) };
    }
    case "ct":
      return compileCt(args, ports);
    case "ct_clear":
      return { kind: "ct-clear" };
    case "group":
      return /^\d+$/.test(args) ? { kind: "group", id: Number(args) } : undefined;
    case "multipath":
      return multipath(args);
    case "bundle":
    case "bundle_load":
      return bundle(name, args, ports);
    case "clone":
      return { kind: "clone", actions: compileActions(args, ports) };
    case "write_actions":
      return { kind: "write", actions: compileActions(args, ports) };
    case "apply_actions":
      return undefined;
    case "clear_actions":
      return { kind: "clear-actions" };
    case "exit":
      return { kind: "exit" };
    case "push_vlan":
      return /^(?:0x8100|33024)$/i.test(args) ? { kind: "push-vlan" } : undefined;
    case "strip_vlan":
    case "pop_vlan":
      return { kind: "pop-vlan" };
    case "dec_ttl":
      return { kind: "dec-ttl" };
    default:
      return fieldAction(name, args, ports) ?? portAction(text, ports);
  }
}

/** `mod_dl_src:…`, `load:…->…`, `set_field:…->…`, `move:…->…` and their like. */
function fieldAction(name: string, args: string, ports: PortNumbers): OvsAction | undefined {
  const set = (field: string, value: string): OvsAction | undefined => {
    const own = ovsField(field);
    const read = own === undefined ? undefined : parseMasked(value, own, ports);
    return own === undefined || read === undefined ? undefined : { kind: "set", field: own, ...read };
  };
  const way = args.lastIndexOf("->");
  const [before, behind] = [args.slice(0, Math.max(way, 0)), args.slice(way + 2)];
  switch (name) {
    case "mod_dl_src":
      return set("eth_src", args);
    case "mod_dl_dst":
      return set("eth_dst", args);
    case "mod_nw_src":
      return set("nw_src", args);
    case "mod_nw_dst":
      return set("nw_dst", args);
    case "mod_nw_tos":
      return set("nw_tos", args);
    case "mod_nw_ecn":
      return set("nw_ecn", args);
    case "mod_nw_ttl":
      return set("nw_ttl", args);
    case "mod_tp_src":
      return set("tp_src", args);
    case "mod_tp_dst":
      return set("tp_dst", args);
    case "mod_vlan_vid":
    case "set_vlan_vid":
      return /^\d+$/.test(args) ? { kind: "set-vlan", vlan: Number(args) & 0xfff } : undefined;
    case "mod_vlan_pcp":
    case "set_vlan_pcp":
      return { kind: "none" };
    case "set_tunnel":
    case "set_tunnel64":
      return set("tun_id", args);
    case "write_metadata":
      return set("metadata", args);
    case "set_field":
      return way < 0 ? undefined : set(behind, before);
    case "load":
      return way < 0 ? undefined : load(before, behind);
    case "move": {
      const source = subfield(before);
      const target = subfield(behind);
      if (source === undefined || target?.bits !== source.bits) return undefined;
      return { kind: "move", source, target };
    }
    case "push":
    case "pop": {
      const source = subfield(args);
      return source === undefined ? undefined : { kind: name, source };
    }
    default:
      return undefined;
  }
}

/** `output:3`, `output:"veth1"`, `output:NXM_NX_REG1[0..15]`, `output(port=3,max_len=100)`. */
function outputTo(args: string, ports: PortNumbers): OvsAction | undefined {
  // The packet is cut off at a length, which nothing here can do.
  if (/\bmax_len\b/.test(args)) return undefined;
  const source = subfield(args);
  return source !== undefined ? { kind: "output-field", source } : portAction(args, ports);
}

function portAction(text: string, ports: PortNumbers): OvsAction | undefined {
  const port = portNumber(text, ports);
  if (port === OFPP_CONTROLLER) return { kind: "controller", text };
  return port === undefined ? undefined : { kind: "output", port };
}

/** `resubmit:PORT`, `resubmit(PORT)`, `resubmit(PORT,TABLE)`, `resubmit(,TABLE,ct)`. */
function resubmit(rest: string, args: string, ports: PortNumbers): OvsAction | undefined {
  const [portText = "", table = "", ct = ""] = rest.startsWith("(") ? args.split(",") : [args];
  // The look-up with the connection's original tuple reads other fields than the packet's.
  if (ct.trim() === "ct") return undefined;
  const own = portText.trim();
  const port = own === "" || /^in_port$/i.test(own) ? null : portNumber(own, ports);
  if (port === undefined) return undefined;
  return { kind: "resubmit", port, table: table.trim() === "" ? null : unquote(table.trim()) };
}

/** `NXM_NX_REG0[0..15]`, `reg1[]`, `NXM_NX_CT_MARK[4]`; a field's plain name is all of it. */
function subfield(text: string): Subfield | undefined {
  const [, name = "", low, high] = /^([A-Za-z]\w*)(?:\[(?:(\d+)(?:\.\.(\d+))?)?\])?$/.exec(text.trim()) ?? [];
  const field = ovsField(name);
  if (field === undefined) return undefined;
  if (low === undefined) return { field, from: 0, bits: field.bits };
  const from = Number(low);
  const to = high === undefined ? from : Number(high);
  return to < from || to >= field.bits ? undefined : { field, from, bits: to - from + 1 };
}

/** `multipath(symmetric_l4,1024,hrw,4,0,NXM_NX_REG0[])`: fields, basis, algorithm, how many links, its argument, where to. */
function multipath(args: string): OvsAction | undefined {
  const [, , algorithm = "", links = "", , to = ""] = args.split(",").map((part) => part.trim());
  const target = subfield(to);
  if (!MULTIPATH.has(algorithm) || !/^\d+$/.test(links) || Number(links) < 1) return undefined;
  return target === undefined ? undefined : { kind: "multipath", links: Number(links), target };
}

const MULTIPATH = new Set(["modulo_n", "hash_threshold", "hrw", "iter_hash"]);

/** `bundle(eth_src,0,hrw,ofport,members:4,8)`, `bundle_load(eth_src,0,active_backup,ofport,reg0[],slaves:4,8)`. */
function bundle(name: string, args: string, ports: PortNumbers): OvsAction | undefined {
  const [, head = "", list = ""] = /^(.*?),?\s*(?:members|slaves):(.*)$/.exec(args) ?? [];
  const [, , algorithm = "", type = "", to = ""] = head.split(",").map((part) => part.trim());
  const target = name === "bundle" ? null : subfield(to);
  const members = list.split(",").map((port) => portNumber(port.trim(), ports));
  if (target === undefined || !/^(?:hrw|active_backup)$/.test(algorithm) || type !== "ofport")
    return undefined;
  if (members.some((member) => member === undefined)) return undefined;
  return { kind: "bundle", members: members as number[], first: algorithm === "active_backup", target };
}

function load(value: string, to: string): OvsAction | undefined {
  const target = subfield(to);
  const read = target === undefined ? undefined : parseValue(value, target.field);
  if (target === undefined || read === undefined) return undefined;
  const { field, from, bits } = target;
  const all = (1n << BigInt(bits)) - 1n;
  const shift = BigInt(from);
  return { kind: "set", field, ...masked((read & all) << shift, all << shift, field) };
}

function compileCt(args: string, ports: PortNumbers): OvsAction | undefined {
  let [commit, force] = [false, false];
  let zone: number | Subfield = 0;
  let table: string | null = null;
  let nat: OvsNat | null = null;
  let exec: OvsAction[] = [];
  let alg: string | null = null;
  for (const part of splitList(args)) {
    const [, name = "", value = ""] = /^(\w+)(?:=|(?=\()|$)(.*)$/s.exec(part) ?? [];
    if (name === "commit") commit = true;
    else if (name === "force") force = true;
    else if (name === "alg") alg = value;
    else if (name === "table") table = unquote(value);
    else if (name === "zone") {
      const read: number | Subfield | undefined = /^(?:\d+|0x[\da-f]+)$/i.test(value)
        ? Number(value) & 0xffff
        : subfield(value);
      if (read === undefined) return undefined;
      zone = read;
    } else if (name === "nat") {
      const read = compileNat(value.replace(/^\(|\)$/g, ""));
      if (read === undefined) return undefined;
      nat = read;
    } else if (name === "exec") exec = compileActions(value.replace(/^\(|\)$/g, ""), ports);
    else return undefined;
  }
  if (exec.some(({ kind }) => kind === "unmodelled")) return undefined;
  return { kind: "ct", commit, force, zone, table, nat, exec, alg };
}

/** `src=10.0.0.1-10.0.0.9:1000-2000,random`, `dst=[fd00::1]:80`; nothing: what the connection has already. */
function compileNat(text: string): OvsNat | undefined {
  let way: OvsNat["way"] = null;
  let range = ANY_NAT_RANGE;
  for (const part of splitList(text)) {
    const [, said, value = ""] = /^(src|dst)(?:=(.*))?$/.exec(part) ?? [];
    if (part === "random") range = { ...range, random: true };
    else if (part === "persistent") range = { ...range, persistent: true };
    else if (part === "hash") continue;
    else if (said === "src" || said === "dst") {
      const bounds = natBoundsOf(value);
      if (bounds === undefined) return undefined;
      way = said;
      range = { ...range, ...bounds };
    } else return undefined;
  }
  return { way, range: range.min === null ? null : natRange(range) };
}

type NatBounds = Pick<NatTargetRange, "min" | "max" | "portMin" | "portMax">;

function natBoundsOf(text: string): NatBounds | undefined {
  const found =
    /^(?:\[([\da-f:.]+)\](?:-\[([\da-f:.]+)\])?|([\d.]+)(?:-([\d.]+))?)?(?::(\d+)(?:-(\d+))?)?$/i.exec(
      text,
    ) ?? /^([\da-f:]+)(?:-([\da-f:]+))?$/i.exec(text);
  if (found === null) return undefined;
  const [, six, more6, four, more4, low = "0", high = low] = found;
  const first = six ?? four ?? null;
  const last = more6 ?? more4 ?? first;
  const min = first === null ? null : parseIp(first);
  const max = last === null ? null : parseIp(last);
  if (min === undefined || max === undefined) return undefined;
  const [portMin, portMax] = [Number(low), Number(high)];
  if (portMin > 65_535 || portMax > 65_535 || portMax < portMin) return undefined;
  return portMin === 0 ? { min, max, portMin: null, portMax: null } : { min, max, portMin, portMax };
}
