import fc from "fast-check";
import type { Service } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import { service, slice } from "./objects.ts";

/** Objects that come, change and go, for what an agent makes of one change at a time. */

// Names between which others come in the order of rules: a/b, a/b-c:x, a/b:y.
export const NAMES = ["a/b", "a/b-c", "a/b0", "a/c", "b/a", "b/b"] as const;
const PORTS = [[""], ["x"], ["x", "y"], ["y", "z", "x"]] as const;

/** What there is of one name: nothing, or a Service with its endpoints. */
export interface Wanted {
  readonly name: string;
  readonly ports: readonly string[] | null;
  readonly endpoints: readonly number[];
  readonly local: boolean;
}

export const wanted = (): fc.Arbitrary<Wanted> =>
  fc.record({
    name: fc.constantFrom(...NAMES),
    ports: fc.option(fc.constantFrom(...PORTS), { freq: 5 }),
    endpoints: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
    local: fc.boolean(),
  });

export function objectsOf({ name, ports, endpoints, local }: Wanted): {
  services: Service[];
  slices: EndpointSlice[];
} {
  if (ports === null) return { services: [], slices: [] };
  const at = NAMES.indexOf(name as (typeof NAMES)[number]);
  const made = service(name, {
    clusterIP: `10.96.0.${10 + at}`,
    ports: ports.map((port, i) => ({
      ...(port === "" ? {} : { name: port }),
      port: 80 + i,
      nodePort: 30_000 + at * 8 + i,
    })),
    type: "NodePort",
    ...(local ? { internalTrafficPolicy: "Local" } : {}),
  });
  const list = endpoints.map((number) => ({
    ip: `10.1.${at}.${number}`,
    on: number % 2 === 0 ? "n1" : "n2",
  }));
  return {
    services: [made],
    slices: [
      slice(
        name,
        ports.map((port, i) => `${port}:${8080 + i}`),
        list,
      ),
    ],
  };
}

export function pair(list: readonly Wanted[]): [Service[], EndpointSlice[]] {
  const parts = list.map(objectsOf);
  return [parts.flatMap(({ services }) => services), parts.flatMap(({ slices }) => slices)];
}
