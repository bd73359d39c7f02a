import type { Family } from "../../address/ip.ts";
import type { Names } from "../../inventory/names.ts";
import type { KnownPort } from "../../inventory/services.ts";
import type { Host } from "../../kernel/host.ts";
import type { Socket } from "../../kernel/socket/socket.ts";
import type { Outcome, PacketView, Remedy, Rewrite } from "../../walk/trace.ts";
import type { Decision } from "./decision.ts";

/** What is wrong, named, and what to do about it. */
export interface Fault {
  /** One clause without a full stop, for the first line. */
  readonly headline: string;
  readonly advice: readonly Advice[];
}

/** A remedy that says, where many outcomes need one of its kind, how they are told as one. */
export interface Advice extends Remedy {
  readonly together?: {
    readonly key: string;
    readonly item: string;
    readonly text: (items: readonly string[]) => string;
    /** For more than one of them. */
    readonly command?: string;
  };
}

/** An outcome that did not arrive, with all that a diagnosis may look at. */
export interface Case {
  readonly outcome: Outcome;
  readonly decision: Decision;
  /** All outcomes of the query, this one included. */
  readonly outcomes: readonly Outcome[];
  readonly names: Names;
  /** The host it was decided on. */
  readonly host: string;
  /** The host that asked. */
  readonly sender: string;
  readonly asked: Asked;
  /** The request's first translation of its destination. */
  readonly translation: Rewrite | undefined;
  /** The port of a Service that was asked for; undefined for another destination. */
  readonly port: KnownPort | undefined;
}

/** What the request was sent to. */
export interface Asked {
  readonly address: string;
  readonly port: number | null;
  readonly proto: string;
}

/** One kind of fault: undefined where it is not this one. */
export type Diagnosis = (at: Case) => Fault | undefined;

export function fault(headline: string, ...advice: readonly Advice[]): Fault {
  return { headline, advice };
}

/** Of the fault's host, which the names of a trace always lead to, but a hand-made one. */
export function hostOf(at: Case, name: string = at.host): Host | undefined {
  return at.names.world.hosts.get(name);
}

/** The family that the fault is of: the packet's that was decided on, or else of what was asked. */
export function familyOf({ decision: { packet }, asked }: Pick<Case, "decision" | "asked">): Family {
  return (packet?.ip.dst ?? asked.address).includes(":") ? 6 : 4;
}

/** The port a packet is for. */
export function portOf({ tcp, udp, sctp }: PacketView): number | null {
  return (tcp ?? udp ?? sctp)?.dport ?? null;
}

/** Whose port that is. */
export function portProtocol({ tcp, sctp }: PacketView): Socket["proto"] {
  if (tcp !== undefined) return "tcp";
  return sctp === undefined ? "udp" : "sctp";
}

/** The command that puts a rule into a table of a family. */
export function iptablesOf(family: Family): "iptables" | "ip6tables" {
  return family === 6 ? "ip6tables" : "iptables";
}

/** The command for a family's routes and neighbours: IPv4 is what `ip` takes where nothing is said. */
export function ipOf(family: Family): "ip" | "ip -6" {
  return family === 6 ? "ip -6" : "ip";
}

/** An address as a prefix, its own alone: `10.0.0.1/32`. */
export function alone(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

/** What picks out the packets of one flow, for iptables; with `toAny` of all flows of its sender to that port. */
export function selector(packet: PacketView, toAny = false): string {
  const { ip, tcp, udp, sctp } = packet;
  const ends = toAny ? `-s ${ip.src}` : `-s ${ip.src} -d ${ip.dst}`;
  if (tcp !== undefined) return `${ends} -p tcp --dport ${tcp.dport}`;
  if (udp !== undefined) return `${ends} -p udp --dport ${udp.dport}`;
  if (sctp !== undefined) return `${ends} -p sctp --dport ${sctp.dport}`;
  if (packet.icmp === undefined) return ends;
  return `${ends} -p ${ip.src.includes(":") ? "ipv6-icmp" : "icmp"}`;
}

/** The same for nft. */
export function nftSelector({ ip, tcp, udp, sctp, icmp }: PacketView, toAny = false): string {
  const layer = ip.src.includes(":") ? "ip6" : "ip";
  const ends = `${layer} saddr ${ip.src}${toAny ? "" : ` ${layer} daddr ${ip.dst}`}`;
  if (tcp !== undefined) return `${ends} tcp dport ${tcp.dport}`;
  if (udp !== undefined) return `${ends} udp dport ${udp.dport}`;
  if (sctp !== undefined) return `${ends} sctp dport ${sctp.dport}`;
  if (icmp === undefined) return ends;
  return `${ends} meta l4proto ${layer === "ip6" ? "ipv6-icmp" : "icmp"}`;
}

/** A device's setting; where its name has a dot, `sysctl` wants slashes. */
export function confSysctl(device: string, key: string, family: Family = 4): string {
  const parts = ["net", `ipv${family}`, "conf", device, key];
  return parts.join(device.includes(".") ? "/" : ".");
}

/** `a, b and c`, at most six of them. */
export function listing(items: readonly string[], last = "and"): string {
  const most = 6;
  if (items.length > most)
    return `${items.slice(0, most - 1).join(", ")} ${last} ${items.length - most + 1} more`;
  return items.length < 2 ? items.join() : `${items.slice(0, -1).join(", ")} ${last} ${items.at(-1)}`;
}

/** A patch as `kubectl` takes it, in single quotes: JSON has none of its own here. */
export function kubectlPatch(
  namespace: string,
  kind: string,
  name: string,
  patch: unknown,
  type: "strategic" | "json" = "strategic",
): string {
  const how = type === "json" ? " --type=json" : "";
  return `kubectl -n ${namespace} patch ${kind} ${name}${how} -p '${JSON.stringify(patch)}'`;
}
