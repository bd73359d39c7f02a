import { existsSync } from "node:fs";
import { getHeapStatistics } from "node:v8";
import { formatIpv4 } from "../src/address/ipv4.ts";
import { Answers } from "./answers.ts";
import { iptablesSave } from "./kube-proxy-iptables.ts";
import { median } from "./median.ts";
import { Ends, Model } from "./model.ts";
import type { Options } from "./options.ts";
import { Random } from "./random.ts";
import { grouped, micro, print, rate, ratio, Table, times } from "./report.ts";
import type { NodeIpvs } from "./scene.ts";
import { endpointText, makeServices, type Service } from "./services.ts";
import { packetsTo, targetsOf } from "./traffic.ts";

const PACKETS = 30_000;
const ROUNDS = 7;
const WARM_ROUNDS = 3;

/** The same cluster IPs with three endpoints each, as IPVS (round robin, NAT) and as kube-proxy's iptables rules. */
export async function ipvs({ seed, sizes }: Options): Promise<void> {
  print("IPVS  first packets of UDP flows to cluster IPs, 3 endpoints a service, uniform, one core");
  if (!existsSync("/proc/net/ip_vs"))
    print("  this machine's kernel has no IPVS: ours alone, beside our own walk of the iptables rules");
  const table = new Table("services", "IPVS", "iptables", "IPVS", "iptables", "ratio", "heap bytes a packet");
  const all: Answers[] = [];
  let headline: number | null = null;
  for (const size of sizes) {
    const services = makeServices(size, seed, "cluster");
    const balanced = measure(services, Model.of(null, seed, nodeIpvs(services)), seed, all);
    const ruled = measure(services, Model.of(iptablesSave(services), seed), seed, all);
    headline = ruled.ns / balanced.ns;
    table.row(
      grouped(size),
      ...[micro(balanced.ns), micro(ruled.ns), rate(balanced.ns), rate(ruled.ns), times(headline)],
      balanced.heap.toFixed(2),
    );
  }
  table.print();
  print(`  ${Answers.summary(all)}`);
  ratio("IPVS", headline, "no goal", "first packets/s, IPVS ÷ iptables rules, both ours, the most services");
}

function nodeIpvs(services: readonly Service[]): NodeIpvs {
  const lines = services.flatMap(({ clusterIp, port, endpoints }) => {
    const service = `-u ${formatIpv4(clusterIp)}:${port}`;
    return [
      `-A ${service} -s rr`,
      ...endpoints.map((endpoint) => `-a ${service} -r ${endpointText(endpoint)} -m -w 1`),
    ];
  });
  return {
    save: `${lines.join("\n")}\n`,
    addresses: services.map(({ clusterIp }) => formatIpv4(clusterIp)),
  };
}

function measure(
  services: readonly Service[],
  model: Model,
  seed: number,
  all: Answers[],
): { ns: number; heap: number } {
  const answers = new Answers(services, "cluster", model.server);
  const targets = targetsOf(services, "cluster", "uniform");
  const ends = new Ends(PACKETS);
  const took: number[] = [];
  let heap = 0;
  for (let round = 0; round < WARM_ROUNDS + ROUNDS; round++) {
    const packets = packetsTo(services, "cluster", targets, PACKETS, new Random(seed + round));
    model.forgetConnections();
    const before = getHeapStatistics().used_heap_size;
    const ns = model.send(packets, ends);
    const used = (getHeapStatistics().used_heap_size - before) / PACKETS;
    answers.check(packets, ends);
    if (round < WARM_ROUNDS) continue;
    took.push(ns / PACKETS);
    heap = Math.max(heap, used);
  }
  all.push(answers);
  return { ns: median(took), heap };
}
