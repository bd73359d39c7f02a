import { formatIpv4, parseIpv4 } from "../src/address/ipv4.ts";
import { reason, reasonName } from "../src/kernel/reason.ts";
import type { Network } from "../src/walk/network.ts";
import type { RealEnd } from "./kernel/real-kernel.ts";
import { Ends, Model } from "./model.ts";
import { NODE_RIGHT_ADDRESS } from "./scene.ts";
import { ENDPOINTS_A_SERVICE, type Endpoint, endpointText, type Service } from "./services.ts";
import { fateOf, type Packets, TRAFFIC_TEXT, type TrafficKind } from "./traffic.ts";
import { WrongAnswer } from "./wrong-answer.ts";

const REJECTED = reason("rule-reject");
const DROPPED = reason("rule-drop");
const MASQUERADED = parseIpv4(NODE_RIGHT_ADDRESS) as number;

/** Fewer than this say nothing about shares: at so many, 3 % is five standard deviations. */
const DRAWS_AT_LEAST = 60_000;
const SHARE_TOLERANCE = 0.03;

/** Every packet of a row, checked after it was timed: its fate, its endpoint, and the shares of the endpoints. */
export class Answers {
  private readonly services: readonly Service[];
  private readonly kind: TrafficKind;
  private readonly server: number;
  private readonly draws = new Float64Array(ENDPOINTS_A_SERVICE);
  /** Affinity: the endpoint a (service, source) went to first. */
  private readonly sticky = new Map<number, number>();
  checked = 0;
  private compared = 0;
  private askedReal = 0;

  constructor(services: readonly Service[], kind: TrafficKind, server: number) {
    this.services = services;
    this.kind = kind;
    this.server = server;
  }

  /** What the model said about packets it was sent. */
  check(packets: Packets, ends: Ends): void {
    const fate = fateOf(this.kind);
    for (let i = 0; i < packets.count; i++) {
      if (fate === "delivered") this.checkDelivered(packets, ends, i);
      else if (ends.host[i] !== -1 || ends.reason[i] !== (fate === "rejected" ? REJECTED : DROPPED)) {
        this.wrong(packets, i, `${endText(ends, i)}, not ${fate}`);
      }
    }
    this.checked += packets.count;
  }

  private checkDelivered(packets: Packets, ends: Ends, i: number): void {
    if (ends.host[i] !== this.server) this.wrong(packets, i, `${endText(ends, i)}, not delivered`);
    const index = packets.service[i] as number;
    const service = this.services[index] as Service;
    const slot = slotOf(service.endpoints, ends.dst[i] as number, ends.dport[i] as number);
    if (slot < 0) this.wrong(packets, i, `${endText(ends, i)}, which is no endpoint of ${service.name}`);
    if (ends.src[i] !== this.sourceSeen(packets, i))
      this.wrong(packets, i, `${endText(ends, i)}: wrong source`);
    if (this.kind === "affinity") {
      const key = index * 256 + ((packets.src[i] as number) & 255);
      const before = this.sticky.get(key);
      if (before === slot) return;
      if (before !== undefined)
        this.wrong(packets, i, `${endText(ends, i)}: its source had another endpoint before`);
      this.sticky.set(key, slot);
    }
    this.draws[slot] = (this.draws[slot] as number) + 1;
  }

  /** The source the endpoint sees. */
  private sourceSeen(packets: Packets, i: number): number {
    const masqueraded = this.kind === "nodeport" || this.kind === "allowed";
    return masqueraded ? MASQUERADED : (packets.src[i] as number);
  }

  /** The indexed and the literal walk of the same packets agree in everything, the count of rules included. */
  compareLiteral(network: Network, seed: number, packets: Packets): void {
    const indexed = new Ends(packets.count);
    const literal = new Ends(packets.count);
    new Model(network, seed).send(packets, indexed);
    new Model(network, seed, true).send(packets, literal);
    for (let i = 0; i < packets.count; i++) {
      for (const column of ["host", "src", "dst", "sport", "dport", "reason", "rules"] as const) {
        if (indexed[column][i] === literal[column][i]) continue;
        const said = `${endText(indexed, i)} after ${indexed.rules[i]} rules`;
        this.wrong(
          packets,
          i,
          `${said}, but walked literally ${endText(literal, i)} after ${literal.rules[i]}`,
        );
      }
    }
    this.compared += packets.count;
  }

  /** What the real kernel did with the same packets; which endpoint it picks is its own affair. */
  compareReal(packets: Packets, real: readonly RealEnd[]): void {
    if (real.length !== packets.count) {
      throw new WrongAnswer(
        `${real.length} of ${packets.count} packets were answered for by the real kernel`,
      );
    }
    real.forEach((end, i) => {
      const fate = fateOf(this.kind);
      const agrees =
        end.kind === "server"
          ? fate === "delivered" &&
            slotOf((this.services[packets.service[i] as number] as Service).endpoints, end.dst, end.dport) >=
              0 &&
            end.src === this.sourceSeen(packets, i)
          : end.kind === "icmp"
            ? fate === "rejected" && end.type === 3 && end.code === 3
            : fate === "dropped";
      if (!agrees) this.wrong(packets, i, `${fate} here, but in the real kernel ${JSON.stringify(end)}`);
    });
    this.askedReal += packets.count;
  }

  /** Each endpoint's share of the choices; null when there were too few to tell. */
  shares(): number[] | null {
    const sum = this.draws.reduce((a, b) => a + b, 0);
    if (sum < DRAWS_AT_LEAST) return null;
    return Array.from(this.draws, (count) => count / sum);
  }

  checkShares(): void {
    const wanted = 1 / ENDPOINTS_A_SERVICE;
    for (const share of this.shares() ?? []) {
      if (Math.abs(share / wanted - 1) > SHARE_TOLERANCE) {
        throw new WrongAnswer(
          `${TRAFFIC_TEXT[this.kind]}: an endpoint of ${ENDPOINTS_A_SERVICE} got a share of ${share.toFixed(4)}`,
        );
      }
    }
  }

  /** What was checked, for the report. */
  static summary(all: readonly Answers[]): string {
    const sum = (count: (answers: Answers) => number) =>
      all.reduce((total, answers) => total + count(answers), 0).toLocaleString("en-US");
    const worst = Math.max(
      0,
      ...all
        .flatMap((answers) => answers.shares() ?? [])
        .map((share) => Math.abs(share * ENDPOINTS_A_SERVICE - 1)),
    );
    const known = all.some((answers) => answers.shares() !== null);
    return [
      `answers: ${sum((answers) => answers.checked)} packets ended where they must, none lost`,
      ...(all.some((answers) => answers.compared > 0)
        ? [`${sum((answers) => answers.compared)} agree with the literal walk`]
        : []),
      ...(all.some((answers) => answers.askedReal > 0)
        ? [`${sum((answers) => answers.askedReal)} with the real kernel`]
        : []),
      ...(known ? [`shares within ${(worst * 100).toFixed(1)} % of 1/${ENDPOINTS_A_SERVICE}`] : []),
    ].join(", ");
  }

  private wrong(packets: Packets, i: number, what: string): never {
    const from = `${formatIpv4(packets.src[i] as number)}:${packets.sport[i]}`;
    const to = `${formatIpv4(packets.dst[i] as number)}:${packets.dport[i]}`;
    throw new WrongAnswer(`${TRAFFIC_TEXT[this.kind]}: ${from} → ${to} was ${what}`);
  }
}

function slotOf(endpoints: readonly Endpoint[], address: number, port: number): number {
  for (let i = 0; i < endpoints.length; i++) {
    const endpoint = endpoints[i] as Endpoint;
    if (endpoint.address === address && endpoint.port === port) return i;
  }
  return -1;
}

function endText(ends: Ends, i: number): string {
  const why = ends.reason[i] as number;
  if (ends.host[i] === -1) return why < 0 ? "lost, and no reason told" : `ended by ${reasonName(why)}`;
  const to = endpointText({ address: ends.dst[i] as number, port: ends.dport[i] as number });
  return `delivered to host ${ends.host[i]}, ${formatIpv4(ends.src[i] as number)}:${ends.sport[i]} → ${to}`;
}
