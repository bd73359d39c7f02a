import fc from "fast-check";

/** Addresses beyond the gateway, whatever node they are said to be on. */
const anEndpoint = fc.record({
  ip: fc.integer({ min: 1, max: 12 }).map((i) => `10.1.7.${i}`),
  on: fc.constantFrom("n1", "n2"),
  ready: fc.boolean(),
  serving: fc.boolean(),
  terminating: fc.boolean(),
  zones: fc.constantFrom<string[]>(["z1"], ["z2"], ["z1", "z2"]),
});

export const someEndpoints = fc.uniqueArray(anEndpoint, { maxLength: 6, selector: ({ ip }) => ip });
