import { type Family, formatIp, type IpAddress } from "../../address/ip.ts";
import { explainIpv4, parseIpv4 } from "../../address/ipv4.ts";
import { explainIpv6, parseIpv6, splitZone } from "../../address/ipv6.ts";
import type { Origin } from "../origin.ts";
import type { Socket } from "./socket.ts";

/**
 * Listening sockets as `ss -Htuln` prints them:
 *
 *     tcp LISTEN 0 128 0.0.0.0:8080 0.0.0.0:*
 *     udp UNCONN 0 0   127.0.0.1%lo:53 0.0.0.0:*
 *     tcp LISTEN 0 128 *:80 *:*
 *
 * `*:80` is one IPv6 socket that takes IPv4 as well; `[::]:80` takes IPv6 alone. With `--inet-sockopt` there stands behind a
 * socket, or on a line of its own, `inet-sockopt: ( is_icsk transparent)`.
 */
export type SsText =
  | {
      readonly kind: "ok";
      readonly sockets: readonly Socket[];
      /** Lines that hold something else than a socket of TCP, UDP or SCTP that waits, as they were. */
      readonly others: readonly string[];
    }
  | { readonly kind: "invalid"; readonly errors: readonly SsError[] };

export interface SsError {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

type Listener = Pick<Socket, "proto" | "families" | "address" | "dev" | "port" | "transparent">;

/** What one line says. */
type Line =
  | { readonly kind: "socket"; readonly listener: Listener }
  | { readonly kind: "other" }
  | { readonly kind: "invalid"; readonly message: string };

export function parseSs(text: string, originOf: (line: number) => Origin): SsText {
  const sockets: Socket[] = [];
  const others: string[] = [];
  const errors: SsError[] = [];
  // Is the line before this one a socket's?
  let follows = false;
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const last = sockets.at(-1);
    if (/^\s+inet-sockopt:/.test(line)) {
      if (last !== undefined && follows) sockets[sockets.length - 1] = { ...last, ...optionsOf(line) };
      continue;
    }
    const read = parseLine(line);
    follows = read.kind === "socket";
    if (read.kind === "invalid") errors.push({ line: i + 1, message: read.message });
    if (read.kind === "other") others.push(line);
    if (read.kind === "socket") {
      sockets.push({ ...read.listener, ...optionsOf(line), app: { kind: "line" }, origin: originOf(i + 1) });
    }
  }
  return errors.length > 0 ? { kind: "invalid", errors } : { kind: "ok", sockets, others };
}

/** What `--inet-sockopt` says of a socket: nothing where it was not asked for. */
function optionsOf(line: string): { readonly transparent?: boolean } {
  const options = /inet-sockopt: \(([^)]*)\)/.exec(line)?.[1];
  return options === undefined ? {} : { transparent: options.split(/\s+/).includes("transparent") };
}

function parseLine(line: string): Line {
  const [netid = "", state = "", , , local = ""] = line.trim().split(/\s+/);
  if (netid === "Netid") return { kind: "other" };
  if (!KNOWN_NETIDS.test(netid)) {
    return invalid(
      `${JSON.stringify(netid)} is no kind of socket: a line of "ss -Htuln" begins with tcp or udp`,
    );
  }
  if (netid !== "tcp" && netid !== "udp" && netid !== "sctp") return { kind: "other" };
  if (state !== "LISTEN" && state !== "UNCONN") return { kind: "other" };
  const colon = local.lastIndexOf(":");
  if (colon === -1) {
    return invalid(
      local === ""
        ? `the line ends before its address: ${JSON.stringify(line.trim())}`
        : `${JSON.stringify(local)} is no address and port`,
    );
  }
  const port = local.slice(colon + 1);
  if (port === "*") return { kind: "other" };
  if (!/^\d{1,9}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    return invalid(`${JSON.stringify(port)} is no port: a number from 1 to 65535 is expected`);
  }
  return parseListener(netid, local.slice(0, colon), Number(port));
}

const KNOWN_NETIDS =
  /^(tcp|udp|sctp|dccp|mptcp|raw|icmp6|u_str|u_dgr|u_seq|p_raw|p_dgr|nl|v_str|v_dgr|xdp|tipc|\?\?\?)$/;

function parseListener(proto: Socket["proto"], place: string, port: number): Line {
  const { address: text, zone } = splitZone(place);
  const dev = zone === undefined || zone === "" ? null : zone;
  const listener = (families: readonly Family[], address: IpAddress | null): Line => ({
    kind: "socket",
    listener: { proto, families, address, dev, port },
  });
  if (text === "*") return listener([4, 6], null);
  if (text.includes(":")) {
    const six = text.replace(/^\[(.*)\]$/, "$1");
    // An IPv6 socket bound to ::ffff:10.0.0.1 takes IPv4 for 10.0.0.1.
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(six)?.[1];
    const address = mapped === undefined ? undefined : parseIpv4(mapped);
    if (address !== undefined) return listener([4], address);
    // Old versions print `:::80`, and in brackets the device may stand inside them.
    const { address: bare, zone: inner } = splitZone(six === ":" ? "::" : six);
    const words = parseIpv6(bare);
    if (words === undefined) return invalid(explainIpv6(bare));
    const found = listener([6], words.every((word) => word === 0) ? null : words);
    return inner === undefined || inner === "" || found.kind !== "socket"
      ? found
      : { kind: "socket", listener: { ...found.listener, dev: inner } };
  }
  const address = parseIpv4(text);
  if (address === undefined) return invalid(explainIpv4(text));
  return listener([4], address === 0 ? null : address);
}

function invalid(message: string): Line {
  return { kind: "invalid", message };
}

/** The inverse of `parseSs`. */
export function formatSs(sockets: readonly Socket[], others: readonly string[]): string {
  return [...sockets.map(formatSocket), ...others].map((line) => `${line}\n`).join("");
}

function formatSocket(socket: Socket): string {
  const state = socket.proto === "udp" ? "UNCONN" : "LISTEN";
  const [local, any] = placeOf(socket);
  const { transparent } = socket;
  const options = transparent === undefined ? "" : ` inet-sockopt: (${transparent ? " transparent" : ""})`;
  return `${socket.proto} ${state} 0 128 ${local}:${socket.port} ${any}:*${options}`;
}

/** Where a socket waits, and any peer, as `ss` writes both. */
function placeOf({ families, address, dev }: Socket): readonly [string, string] {
  const zone = dev === null ? "" : `%${dev}`;
  if (address === null && families.length > 1) return [`*${zone}`, "*"];
  if (!families.includes(6)) return [`${formatIp(address ?? 0)}${zone}`, "0.0.0.0"];
  return [`[${address === null ? "::" : formatIp(address)}]${zone}`, "[::]"];
}
