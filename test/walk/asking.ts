import { addressOnPath } from "../../src/address/ip6-handle.ts";
import { ASK_DEFAULTS, type AskOptions, ask } from "../../src/walk/ask.ts";
import { Network } from "../../src/walk/network.ts";
import { parseFlagLetters } from "../../src/walk/packet-view.ts";
import { QUERY_DEFAULTS, type Query } from "../../src/walk/query.ts";
import { Session } from "../../src/walk/session.ts";
import type { Outcome, Trace } from "../../src/walk/trace.ts";
import type { World } from "../../src/world/world.ts";
import { either } from "./words.ts";

/** Questions to small worlds, and what is read of the answers. */

export function sessionOf(world: World, seed?: number): Session {
  return new Session(new Network(world), seed);
}

/** `10.0.0.2:80`, or an IPv6 address without a port. */
function split6(text: string): string[] {
  return text.split(":").length > 2 ? [text] : text.split(":");
}

/** As a query and the path hold it. */
export function onPath(text: string): number {
  return addressOnPath(either(text));
}

/** `tcp 10.0.0.2:80 sport=40000 ttl=1 df size=100 mark=1 src=10.0.0.9 raw flags=S`: as little of it as is wanted. */
export function query(host: string, text: string): Query {
  const [proto, to = "", ...options] = text.split(" ");
  const [dst = "", dport] = to.startsWith("[") ? to.slice(1).split("]:") : split6(to);
  const family = dst.includes(":") ? 6 : 4;
  const given = new Map(options.map((option) => option.split("=") as [string, string]));
  const number = (name: string): number | null => (given.has(name) ? Number(given.get(name)) : null);
  const flags = given.get("flags");
  const at = given.get("at");
  return {
    ...QUERY_DEFAULTS,
    host,
    content: given.has("payload") ? Uint8Array.from(Buffer.from(given.get("payload") ?? "", "hex")) : null,
    arrives: at !== undefined,
    arrivesBy: at ?? null,
    proto: proto as Query["proto"],
    family,
    dst: onPath(dst),
    dport: dport === undefined ? null : Number(dport),
    src: given.has("src") ? onPath(given.get("src") as string) : null,
    sport: number("sport"),
    ttl: number("ttl"),
    size: number("size"),
    df: given.has("df"),
    mf: given.has("mf"),
    protocol: number("protocol") ?? 0,
    mark: number("mark") ?? 0,
    uid: number("uid") ?? 0,
    dev: given.get("dev") ?? null,
    raw: given.has("raw"),
    tcpFlags: flags === undefined ? null : (parseFlagLetters(flags) ?? null),
  };
}

export function trace(
  session: Session,
  host: string,
  text: string,
  options: Partial<AskOptions> = {},
): Trace {
  return ask(session, query(host, text), { ...ASK_DEFAULTS, ...options });
}

/** The one outcome there is. */
export function outcome(
  session: Session,
  host: string,
  text: string,
  options: Partial<AskOptions> = {},
): Outcome {
  const { outcomes } = trace(session, host, text, options);
  if (outcomes.length !== 1) throw new Error(`${outcomes.length} outcomes`);
  return outcomes[0] as Outcome;
}

/** `DELIVERED answered` and the like. */
export function verdict(session: Session, host: string, text: string): string {
  const { disposition, reason } = trace(session, host, text).verdict;
  return `${disposition} ${reason}`;
}

/** What the client was told, and why: `unreachable EHOSTUNREACH icmp 3/1 from 10.0.0.1, no-neighbour`. */
export function told(session: Session, host: string, text: string): string {
  const { client, verdict: why } = outcome(session, host, text);
  const { result, errno, icmp, answeredBy } = client;
  const words: string[] = [result];
  if (errno !== undefined) words.push(errno);
  if (icmp !== undefined) words.push(`icmp ${icmp.type}/${icmp.code} from ${icmp.from}`);
  if (icmp?.mtu !== undefined) words.push(`mtu ${icmp.mtu}`);
  if (answeredBy !== undefined) words.push(`by ${answeredBy}`);
  return `${words.join(" ")}, ${why.reason}`;
}

/** Where a packet was seen: `host:device:direction`. */
export function places({ frames }: Outcome, packet: number): string[] {
  return frames
    .filter((frame) => frame.packet === packet)
    .map(({ host, device: name, direction }) => `${host}:${name}:${direction}`);
}
