import { expect, it } from "vitest";
import { controllerOf, type Pod } from "../../src/object/kubernetes-object.ts";
import { deployment, node, reconciled, yaml } from "./cluster.ts";

it("on many nodes each pod goes where the definition says: fewest of its owner, fewest pods, first by name", () => {
  const names = Array.from({ length: 50 }, (_, i) => `n${i}`);
  const limited = names.map((name, i) =>
    i % 7 === 3
      ? `{apiVersion: v1, kind: Node, metadata: {name: ${name}}, status: {allocatable: {pods: "2"}}}`
      : node(name),
  );
  const ported = deployment("ported", 60).replace(
    "containerPort: 8080",
    "containerPort: 8080, hostPort: 8080",
  );
  const map = reconciled(
    yaml(...limited, deployment("a", 30), deployment("b", 70), ported, deployment("c", 7)),
  );
  const pods = map.list("Pod");
  expect(pods).toHaveLength(167);
  const byNode = new Map<string, Pod[]>(names.map((name) => [name, []]));
  const waiting: string[] = [];
  const ownerOf = (pod: Pod) => controllerOf(pod)?.name;
  for (const pod of pods) {
    const hasPort = pod.spec.containers.some(({ ports = [] }) =>
      ports.some(({ hostPort }) => hostPort !== undefined),
    );
    const isPorted = (other: Pod) => other.metadata.labels?.["app"] === "ported";
    const free = names.filter((name, i) => {
      const there = byNode.get(name) ?? [];
      return (i % 7 !== 3 || there.length < 2) && !(hasPort && there.some(isPorted));
    });
    const count = (name: string) =>
      (byNode.get(name) ?? []).filter((other) => ownerOf(other) === ownerOf(pod)).length;
    const [best] = [...free].sort(
      (x, y) =>
        count(x) - count(y) ||
        (byNode.get(x)?.length ?? 0) - (byNode.get(y)?.length ?? 0) ||
        names.indexOf(x) - names.indexOf(y),
    );
    if (best === undefined) waiting.push(pod.metadata.name);
    else byNode.get(best)?.push(pod);
    expect([pod.metadata.name, pod.spec.nodeName]).toEqual([pod.metadata.name, best]);
  }
  // Sixty want a port that fifty nodes have once each, and some of those are full.
  expect(waiting.length).toBeGreaterThanOrEqual(10);
  expect(waiting.length).toBeLessThan(60);
});
