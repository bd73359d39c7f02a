import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../src/object/kubernetes-object.ts";
import { keyOf } from "../../src/object/kubernetes-object.ts";
import { ObjectMap } from "../../src/object/object-map.ts";

function pod(namespace: string, name: string, app: string): KubernetesObject {
  const place = { file: "a", document: 1, line: 1, by: null };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name, labels: { app } },
    spec: { nodeName: app },
    place,
  } as KubernetesObject;
}

function appOf({ labels }: KubernetesObject["metadata"]): string | undefined {
  const { app } = labels ?? {};
  return app;
}

const arbitraryPod = fc
  .tuple(fc.constantFrom("a", "b"), fc.constantFrom("x", "y", "z"), fc.constantFrom("1", "2"))
  .map(([namespace, name, app]) => pod(namespace, name, app));

describe("an object map", () => {
  it("lists in the order of keys, whatever the order of adding, and its indexes agree with its list", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(arbitraryPod, fc.boolean())), (steps) => {
        const map = new ObjectMap();
        const plain = new Map<string, KubernetesObject>();
        for (const [object, isRemoved] of steps) {
          if (isRemoved) {
            map.remove("Pod", keyOf(object));
            plain.delete(keyOf(object));
          } else {
            map.put(object);
            plain.set(keyOf(object), object);
          }
          const expected = [...plain.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
          expect(map.list("Pod")).toEqual(expected);
          expect(map.list("Pod", "a")).toEqual(expected.filter(({ metadata }) => metadata.namespace === "a"));
          const inA1 = expected.filter(
            ({ metadata }) => metadata.namespace === "a" && appOf(metadata) === "1",
          );
          expect(map.withLabel("Pod", "a", "app", "1")).toEqual(inA1);
          expect(map.podsOn("2")).toEqual(expected.filter(({ metadata }) => appOf(metadata) === "2"));
          expect(map.size).toBe(plain.size);
        }
      }),
    );
  });
});
