import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { HOST_NAMES, SCENE, type SceneHost } from "../scene.ts";
import type { Packets } from "../traffic.ts";
import {
  CommandFailed,
  command,
  inNamespace,
  makeNamespaces,
  removeNamespaces,
  removeStaleNamespaces,
} from "./namespaces.ts";

/** What became of a packet in the real kernel. */
export type RealEnd =
  | {
      readonly kind: "server";
      readonly src: number;
      readonly dst: number;
      readonly sport: number;
      readonly dport: number;
    }
  | { readonly kind: "icmp"; readonly type: number; readonly code: number }
  | { readonly kind: "none" };

export interface RealTime {
  readonly nanoseconds: number;
  /** Packets the node's IP took. */
  readonly received: number;
  /** Packets that came to the server. */
  readonly arrived: number;
}

/** Why there is no real kernel to compare with; null: there is. */
export type Lack = string | null;

let tools: { readonly directory: string; readonly flood: string } | null = null;

/** Can namespaces be made, rules loaded and packets sent here? Compiles the sender. */
export function prepareRealKernel(needed: "iptables-legacy-restore" | "nft"): Lack {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  for (const [program, ...args] of [
    ["ip", "-V"],
    [needed, "--version"],
    ["cc", "--version"],
  ] as const) {
    try {
      command(program, args);
    } catch {
      return `no ${program}`;
    }
  }
  removeStaleNamespaces();
  try {
    const [probe] = makeNamespaces(["probe"]) as [string];
    try {
      if (needed === "nft") inNamespace(probe, "nft", ["list", "ruleset"]);
      else inNamespace(probe, needed, [], "*nat\nCOMMIT\n");
    } finally {
      removeNamespaces([probe]);
    }
    compileFlood();
  } catch (error) {
    if (error instanceof CommandFailed) return error.message;
    throw error;
  }
  return null;
}

function compileFlood(): void {
  if (tools !== null) return;
  const directory = mkdtempSync(join(tmpdir(), "hop-bench-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const flood = join(directory, "flood");
  command("cc", ["-O2", "-o", flood, fileURLToPath(new URL("flood.c", import.meta.url))]);
  tools = { directory, flood };
}

/** The scene as three real network namespaces joined by veth pairs. */
export class RealKernel {
  private readonly namespaces: readonly [client: string, node: string, server: string];

  constructor() {
    this.namespaces = makeNamespaces(HOST_NAMES) as [string, string, string];
    const [client, node, server] = this.namespaces;
    cable(client, "eth0", node, "eth0");
    cable(node, "eth1", server, "eth0");
    HOST_NAMES.forEach((name, i) => {
      configure(this.namespaces[i] as string, SCENE[name]);
    });
  }

  /** Load the node's rules; returns the milliseconds it took. */
  loadIptables(save: string): number {
    return this.timed(() => inNamespace(this.namespaces[1], "iptables-legacy-restore", [], save));
  }

  /** Load changed chains beside those that stay; returns the milliseconds it took. */
  changeIptables(text: string): number {
    return this.timed(() =>
      inNamespace(this.namespaces[1], "iptables-legacy-restore", ["--noflush", "--counters"], text),
    );
  }

  loadNft(table: string): number {
    return this.timed(() => inNamespace(this.namespaces[1], "nft", ["-f", "-"], table));
  }

  private timed(work: () => void): number {
    const begun = performance.now();
    work();
    return performance.now() - begun;
  }

  /** Send packets of new flows, as fast as the kernel takes them. */
  send(packets: Packets): RealTime {
    const [nanoseconds, sent, received, arrived] = this.flood("time", packets).split(" ").map(Number);
    if (sent !== packets.count) throw new Error(`${sent} of ${packets.count} packets could be sent`);
    return { nanoseconds: nanoseconds as number, received: received as number, arrived: arrived as number };
  }

  /** Send packets one by one, and say what became of each. */
  ask(packets: Packets): RealEnd[] {
    return this.flood("answer", packets)
      .split("\n")
      .filter((line) => line !== "")
      .map((line): RealEnd => {
        const [kind, a, b, c, d] = line.split(" ");
        if (kind === "server") {
          return { kind, src: Number(a) | 0, dst: Number(b) | 0, sport: Number(c), dport: Number(d) };
        }
        return kind === "icmp" ? { kind, type: Number(a), code: Number(b) } : { kind: "none" };
      });
  }

  private flood(mode: "time" | "answer", packets: Packets): string {
    if (tools === null) throw new Error("the real kernel was not prepared");
    const file = join(tools.directory, "packets");
    writeFileSync(file, packets.toBytes());
    const cpu = availableParallelism() - 1;
    return command(tools.flood, [mode, ...this.namespaces, String(cpu), file]);
  }

  close(): void {
    removeNamespaces(this.namespaces);
  }
}

function cable(left: string, leftDevice: string, right: string, rightDevice: string): void {
  command("ip", [
    ...["link", "add", leftDevice, "netns", left, "type", "veth"],
    ...["peer", "name", rightDevice, "netns", right],
  ]);
}

function configure(namespace: string, host: SceneHost): void {
  const forwarding = host.forwards ? 1 : 0;
  const sysctls = {
    "net.ipv4.ip_forward": forwarding,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    // No ICMP error is held back: each is part of what its packet costs.
    "net.ipv4.icmp_ratemask": 0,
    "net.ipv6.conf.all.disable_ipv6": 1,
  };
  for (const [name, value] of Object.entries(sysctls)) {
    inNamespace(namespace, "sh", ["-c", `echo ${value} > /proc/sys/${name.replaceAll(".", "/")} || true`]);
  }
  const lines = ["link set lo up"];
  for (const { name, mac, address, neighbour } of host.devices) {
    lines.push(
      `link set ${name} address ${mac}`,
      `addr add ${address}/24 dev ${name}`,
      `link set ${name} up`,
      `neigh replace ${neighbour.address} lladdr ${neighbour.mac} dev ${name} nud permanent`,
    );
  }
  for (const { dst, via, dev } of host.routes) lines.push(`route add ${dst} via ${via} dev ${dev}`);
  for (const prefix of host.blackholes) lines.push(`route add blackhole ${prefix}`);
  command("ip", ["-n", namespace, "-batch", "-"], `${lines.join("\n")}\n`);
}
