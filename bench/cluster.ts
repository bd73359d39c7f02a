import { parseIpv4 } from "../src/address/ipv4.ts";
import { parsePrefix4 } from "../src/address/prefix.ts";
import { buildCluster, type Cluster } from "../src/cluster/build-cluster.ts";
import { reconcileAll } from "../src/control/reconcile-all.ts";
import type { ObjectMap } from "../src/object/object-map.ts";
import { clusterConfigurationOf } from "../src/source/cluster-configuration.ts";
import { settingsOf } from "../src/source/detect.ts";
import { readSource } from "../src/source/read-source.ts";
import { ASK_DEFAULTS, ask } from "../src/walk/ask.ts";
import type { Network } from "../src/walk/network.ts";
import { QUERY_DEFAULTS } from "../src/walk/query.ts";
import { Session } from "../src/walk/session.ts";
import { type ClusterSize, POD_PORT, SERVICE_PORT } from "./cluster-manifests.ts";
import { WrongAnswer } from "./wrong-answer.ts";

/** A cluster from its manifests, and what each step cost. */
export interface BuiltCluster {
  readonly objects: ObjectMap;
  readonly cluster: Cluster;
  readonly steps: readonly Step[];
}

/** Milliseconds by the clock, and of the processor: the compiler's and collector's threads count there as well. */
export interface Step {
  readonly name: string;
  readonly wall: number;
  readonly cpu: number;
}

const POD_CIDR = parsePrefix4("10.0.0.0/8");

export function buildFrom(text: string): BuiltCluster {
  const steps: Step[] = [];
  const step = <T>(name: string, work: () => T): T => {
    const cpu = process.cpuUsage();
    const begun = performance.now();
    const made = work();
    const wall = performance.now() - begun;
    const { user, system } = process.cpuUsage(cpu);
    steps.push({ name, wall, cpu: (user + system) / 1000 });
    return made;
  };
  const source = step("read", () => readSource([{ name: "bench", text }], { clusterCidr: POD_CIDR }));
  if (source.errors.length > 0) throw new Error(source.errors[0]?.message);
  step("controllers", () => reconcileAll(source.objects, settingsOf(source.detected)));
  const cluster = step("agents", () => buildCluster(source.objects, clusterConfigurationOf(source.detected)));
  if (cluster.errors.length > 0) throw new Error(cluster.errors[0]?.message);
  return { objects: source.objects, cluster, steps };
}

/**
 * Traces from a pod to Services spread over all: the endpoints that answer are the pods that the Deployment made, each with
 * the same odds, and each sees the pod's own address. Returns how many outcomes were looked at.
 */
export function checkAnswers(
  { objects, cluster }: BuiltCluster,
  network: Network,
  size: ClusterSize,
): number {
  const from = cluster.hostOfPod.get(`default/${objects.list("Pod")[0]?.metadata.name}`) ?? "";
  let outcomes = 0;
  for (const place of [0, 0.3, 0.7, 1]) {
    const index = Math.round(place * (size.services - 1));
    const service = objects.get("Service", `default/svc${index}`);
    const pods = objects.withLabel("Pod", "default", "app", `a${index}`);
    const wanted = pods.map((pod) => cluster.hostOfPod.get(`default/${pod.metadata.name}`)).sort();
    const query = {
      ...QUERY_DEFAULTS,
      host: from,
      dst: parseIpv4(service?.spec.clusterIP ?? "") ?? 0,
      dport: SERVICE_PORT,
    };
    const trace = ask(new Session(network), query, ASK_DEFAULTS);
    const answered = trace.outcomes.map(({ servers }) => servers[0]?.host).sort();
    if (trace.verdict.disposition !== "DELIVERED" || answered.join() !== wanted.join()) {
      throw new WrongAnswer(
        `svc${index}: ${trace.verdict.disposition} at ${answered.join(" ")}, not at ${wanted.join(" ")}`,
      );
    }
    for (const { probability, servers } of trace.outcomes) {
      if (probability?.num !== 1 || probability.den !== pods.length || servers[0]?.port !== POD_PORT) {
        throw new WrongAnswer(
          `svc${index}: ${servers[0]?.host} with ${probability?.num}/${probability?.den}`,
        );
      }
    }
    outcomes += trace.outcomes.length;
  }
  return outcomes;
}
