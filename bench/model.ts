import type { NetDevice } from "../src/kernel/device/net-device.ts";
import type { Stack } from "../src/kernel/stack.ts";
import { IPPROTO_UDP } from "../src/packet/packet.ts";
import { Network } from "../src/walk/network.ts";
import { Throughput } from "../src/walk/throughput.ts";
import { readSnapshot } from "../src/world/snapshot-in.ts";
import { type NodeIpvs, sceneSnapshot } from "./scene.ts";
import type { Packets } from "./traffic.ts";

/** What became of packets in the model, as columns. */
export class Ends {
  /** Number of the host that took it, -1 none. */
  readonly host: Int32Array;
  readonly src: Int32Array;
  readonly dst: Int32Array;
  readonly sport: Int32Array;
  readonly dport: Int32Array;
  readonly reason: Int32Array;
  readonly rules: Float64Array;

  constructor(count: number) {
    this.host = new Int32Array(count);
    this.src = new Int32Array(count);
    this.dst = new Int32Array(count);
    this.sport = new Int32Array(count);
    this.dport = new Int32Array(count);
    this.reason = new Int32Array(count);
    this.rules = new Float64Array(count);
  }

  meanRules(): number {
    let sum = 0;
    for (const rules of this.rules) sum += rules;
    return sum / this.rules.length;
  }
}

/** A snapshot's text, read and compiled. */
export function compile(text: string): Network {
  const snapshot = readSnapshot("bench", text);
  if (snapshot.kind === "invalid") {
    throw new Error(
      snapshot.errors.map(({ field, message }) => `${field ?? "snapshot"}: ${message}`).join("\n"),
    );
  }
  return new Network(snapshot.world);
}

/** An IPVS connection of UDP lasts five minutes. */
const LONGER_THAN_UDP_MS = 301_000;

/** The scene in the model: packets come in by the node's eth0 and go wherever they go. */
export class Model {
  readonly network: Network;
  readonly throughput: Throughput;
  readonly server: number;
  private readonly node: Stack;
  private readonly device: NetDevice;
  /** Flows so far: the choices of no two are the same. */
  private flows = 0;

  constructor(network: Network, seed: number, literal = false) {
    this.network = network;
    this.throughput = new Throughput(network, seed);
    this.throughput.literal = literal;
    this.server = network.hostNumber("server");
    this.node = this.throughput.session.stack(network.hostNumber("node"));
    this.device = this.node.net.deviceNamed("eth0") as NetDevice;
  }

  /** With these rules on the node; null: none. */
  static of(iptablesSave: string | null, seed: number, ipvs: NodeIpvs | null = null): Model {
    return new Model(compile(sceneSnapshot(iptablesSave, { ipvs })), seed);
  }

  /** Let every connection of the node's IPVS end. */
  forgetConnections(): void {
    const { session } = this.throughput;
    session.wait(LONGER_THAN_UDP_MS);
    this.node.ipvs.expire(session.clock.now);
  }

  /** With this table of nftables on the node. */
  static ofNft(table: string, seed: number): Model {
    return new Model(compile(sceneSnapshot(null, { nftRuleset: table })), seed);
  }

  /** Send packets, each the first of its flow; returns the nanoseconds it took. */
  send(packets: Packets, ends: Ends): number {
    const { throughput, node, device, flows } = this;
    const { src, dst, sport, dport, count } = packets;
    throughput.flush();
    const begun = performance.now();
    for (let i = 0; i < count; i++) {
      const end = throughput.arrive(
        node,
        device,
        src[i] as number,
        dst[i] as number,
        IPPROTO_UDP,
        sport[i] as number,
        dport[i] as number,
        0,
        flows + i,
      );
      ends.host[i] = end.host;
      ends.src[i] = end.src;
      ends.dst[i] = end.dst;
      ends.sport[i] = end.sport;
      ends.dport[i] = end.dport;
      ends.reason[i] = end.reason;
      ends.rules[i] = end.rulesEvaluated;
    }
    const took = performance.now() - begun;
    this.flows += count;
    return took * 1e6;
  }
}
