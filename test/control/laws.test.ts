import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reconcileAll, runStage, stagesOf } from "../../src/control/reconcile-all.ts";
import { isObserved, keyOf } from "../../src/object/kubernetes-object.ts";
import { arbitraryObjects, contentOf, mapOf, SETTINGS } from "./cluster.ts";

describe("laws of reconciliation", () => {
  it("a second run writes nothing", () => {
    fc.assert(
      fc.property(arbitraryObjects, (documents) => {
        const map = mapOf(documents);
        reconcileAll(map, SETTINGS);
        const before = map.changes;
        reconcileAll(map, SETTINGS);
        expect(map.changes).toBe(before);
      }),
    );
  });

  it("neither the order of the input nor the order of keys matters", () => {
    const shuffled = arbitraryObjects.chain((documents) =>
      fc.tuple(fc.constant(documents), fc.shuffledSubarray(documents, { minLength: documents.length })),
    );
    fc.assert(
      fc.property(shuffled, ([documents, other]) => {
        const map = mapOf(documents);
        reconcileAll(map, SETTINGS);
        const reversed = mapOf(other);
        for (const stage of stagesOf(SETTINGS)) {
          const backwards = stage.map((controller) => ({
            ...controller,
            keys: (lister: Parameters<typeof controller.keys>[0]) => [...controller.keys(lister)].reverse(),
          }));
          runStage(reversed, backwards);
        }
        expect(contentOf(reversed)).toEqual(contentOf(map));
      }),
    );
  });

  it("what was observed stays: no observed object goes, no observed address or node changes", () => {
    fc.assert(
      fc.property(arbitraryObjects, (documents) => {
        const before = mapOf(documents);
        const map = mapOf(documents);
        reconcileAll(map, SETTINGS);
        for (const pod of before.list("Pod")) {
          const after = map.get("Pod", keyOf(pod));
          expect(after?.spec.nodeName).toBe(pod.spec.nodeName);
          expect(after?.status?.podIP).toBe(pod.status?.podIP);
        }
        for (const object of before.all()) expect(map.get(object.kind, keyOf(object))).toBeDefined();
      }),
    );
  });

  it("no address, cluster IP or node port is given twice, and every running pod has an address", () => {
    fc.assert(
      fc.property(arbitraryObjects, (documents) => {
        const map = mapOf(documents);
        reconcileAll(map, SETTINGS);
        const pods = map.list("Pod").filter(({ spec }) => spec.hostNetwork !== true);
        const addresses = pods.flatMap(({ status }) => status?.podIP ?? []);
        expect(new Set(addresses).size).toBe(addresses.length);
        for (const { spec, status } of map.list("Pod")) {
          if (spec.nodeName !== undefined && map.get("Node", spec.nodeName) !== undefined)
            expect(status?.podIP).toBeDefined();
        }
        const services = map.list("Service");
        const ips = services.flatMap(({ spec }) => (spec.clusterIP === "None" ? [] : (spec.clusterIP ?? [])));
        expect(new Set(ips).size).toBe(ips.length);
        const ports = services.flatMap(({ spec }) =>
          (spec.ports ?? []).flatMap(({ nodePort }) => nodePort ?? []),
        );
        expect(new Set(ports).size).toBe(ports.length);
      }),
    );
  });

  it("the endpoints of a Service are the addresses of the pods it selects", () => {
    fc.assert(
      fc.property(arbitraryObjects, (documents) => {
        const map = mapOf(documents);
        reconcileAll(map, SETTINGS);
        for (const service of map.list("Service")) {
          const slices = map.withLabel(
            "EndpointSlice",
            "default",
            "kubernetes.io/service-name",
            service.metadata.name,
          );
          const found = slices
            .flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses))
            .sort();
          const { app } = service.spec.selector ?? {};
          const expected = map
            .list("Pod")
            .filter(
              ({ metadata: { labels }, spec: { containers } }) =>
                labels !== undefined &&
                Object.values(labels).includes(app ?? "") &&
                containers[0]?.ports !== undefined,
            )
            .flatMap(({ status }) => status?.podIP ?? [])
            .sort();
          expect(found).toEqual(expected);
          expect(slices.every((slice) => !isObserved(slice))).toBe(true);
        }
      }),
    );
  });
});
