import { describe, expect, it } from "vitest";
import type { Party } from "../../src/policy/verdict/flow.ts";
import { shopWith } from "./shop.ts";

/** Policies of host endpoints that are not asked at the ends of a flow, and so not of the objects alone: where packets get. */

const HEP = `apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1, labels: {host: one}}
spec: {node: n1, interfaceName: eth0, profiles: [projectcalico-default-allow]}
---
`;

function policy(spec: string): string {
  return `${HEP}apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: a}
spec: {selector: has(host), ${spec}}
`;
}

interface Row {
  readonly name: string;
  readonly policies: string;
  /** `from -> to:port/PROTO`. */
  readonly passes: string;
  readonly drops: string;
}

const DENY_ONE = "ingress: [{action: Deny, source: {nets: [198.51.100.0/24]}}, {action: Allow}]";

const ROWS: readonly Row[] = [
  {
    name: "a normal policy is of the node's own packets alone",
    policies: policy(`types: [Ingress], ${DENY_ONE}`),
    passes: "198.51.100.7 -> shop/web:80/TCP, 203.0.113.9 -> n1:80/TCP, 198.51.100.7 -> n1:22/TCP",
    drops: "198.51.100.7 -> n1:80/TCP",
  },
  {
    name: "applyOnForward is of those to its pods too",
    policies: policy(`applyOnForward: true, types: [Ingress], ${DENY_ONE}`),
    passes: "203.0.113.9 -> shop/web:80/TCP, 198.51.100.7 -> shop/api:80/TCP, 198.51.100.7 -> n1:22/TCP",
    // Failsafe ports are the node's: what passes through has none.
    drops: "198.51.100.7 -> shop/web:80/TCP, 198.51.100.7 -> n1:80/TCP, 198.51.100.7 -> shop/web:22/TCP",
  },
  {
    name: "applyOnForward of egress is of what its pods send",
    policies: policy(
      "applyOnForward: true, types: [Egress], egress: [{action: Deny, destination: {nets: [203.0.113.0/24]}}, {action: Allow}]",
    ),
    passes: "shop/web -> 198.51.100.7:80/TCP, shop/api -> 203.0.113.9:80/TCP, shop/web -> back/db:80/TCP",
    drops: "shop/web -> 203.0.113.9:80/TCP",
  },
  {
    name: "preDNAT is of everything that comes in, and lets what it accepts pass at once",
    policies: policy(
      "preDNAT: true, applyOnForward: true, ingress: [{action: Deny, source: {nets: [198.51.100.0/24]}}]",
    ),
    passes:
      "203.0.113.9 -> shop/web:80/TCP, 203.0.113.9 -> n1:80/TCP, 198.51.100.7 -> n1:22/TCP, shop/api -> shop/web:80/TCP",
    drops: "198.51.100.7 -> shop/web:80/TCP, 198.51.100.7 -> n1:80/TCP",
  },
  {
    name: "doNotTrack comes before connections are known",
    policies: policy(
      "doNotTrack: true, applyOnForward: true, ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}, {action: Deny, protocol: UDP}]",
    ).replace("profiles: [projectcalico-default-allow]", "profiles: []"),
    // A pod has its own policies still; without any, everything is let in.
    passes: "198.51.100.7 -> n1:80/TCP, 198.51.100.7 -> shop/web:80/TCP, 198.51.100.7 -> shop/web:443/TCP",
    drops: "198.51.100.7 -> n1:443/TCP, 198.51.100.7 -> n1:53/UDP, 198.51.100.7 -> shop/web:53/UDP",
  },
];

describe.each(ROWS)("$name", ({ policies, passes, drops }) => {
  const world = shopWith(policies);
  const named = (name: string): Party => {
    const found = world.parties.find(({ workload, node, address }) =>
      workload === null ? (node ?? address) === name : `${workload.namespace}/${workload.name}` === name,
    );
    if (found === undefined) throw new Error(`nobody is called ${name}`);
    return found;
  };
  const rows = [
    ...passes.split(", ").map((text) => [text, true] as const),
    ...drops.split(", ").map((text) => [text, false] as const),
  ];
  it.each(rows)("%s: %s", (text, isPassing) => {
    const [, from = "", to = "", port, protocol = ""] = /^(\S+) -> (.+):(\d+)\/(\w+)$/.exec(text) ?? [];
    const flow = {
      source: named(from),
      destination: named(to),
      protocol,
      port: Number(port),
      sourcePort: 40_000,
    };
    expect(world.passes(flow)).toBe(isPassing);
  });
});
