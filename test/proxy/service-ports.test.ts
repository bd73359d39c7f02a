import type { ServiceSpec } from "kubernetes-types/core/v1.js";
import { describe, expect, it } from "vitest";
import { canonicalAddress, canonicalPrefix, type IpFamily } from "../../src/proxy/canonical-address.ts";
import {
  isExternallyAccessible,
  type ServicePort,
  servicePorts,
  usesClusterEndpoints,
  usesLocalEndpoints,
} from "../../src/proxy/service-ports.ts";
import { service } from "./objects.ts";

const PORTS = [{ name: "http", port: 80 }];

function portOf(
  spec: ServiceSpec,
  vips?: readonly object[],
  family: IpFamily = "IPv4",
): ServicePort | undefined {
  return servicePorts(
    [service("shop/web", { ports: PORTS, ...spec }, vips === undefined ? {} : { vips })],
    family,
  )[0];
}

describe("addresses with leading zeros", () => {
  it.each([
    ["10.1.2.3", "IPv4", "10.1.2.3"],
    ["010.1.2.003", "IPv4", "10.1.2.3"],
    ["000.0.0.00", "IPv4", "0.0.0.0"],
    ["010.1.2.0256", "IPv4", undefined],
    ["10.1.2", "IPv4", undefined],
    ["0x0a.1.2.3", "IPv4", undefined],
    ["fd00::1", "IPv4", undefined],
    ["FD00:0::01", "IPv6", "fd00::1"],
    ["10.1.2.3", "IPv6", undefined],
    ["", "IPv4", undefined],
  ] as const)("%j as %s is %s", (text, family, canonical) => {
    expect(canonicalAddress(text, family)).toBe(canonical);
  });

  it.each([
    [" 10.0.0.0/08 ", "IPv4", "10.0.0.0/8"],
    ["010.9.9.9/008", "IPv4", "10.0.0.0/8"],
    ["0.0.0.0/0", "IPv4", "0.0.0.0/0"],
    ["10.0.0.0/33", "IPv4", undefined],
    ["10.0.0.0", "IPv4", undefined],
    ["fd00::/8", "IPv4", undefined],
    ["fd00::9/8", "IPv6", "fd00::/8"],
  ] as const)("prefix %j as %s is %s", (text, family, canonical) => {
    expect(canonicalPrefix(text, family)).toBe(canonical);
  });
});

describe("which Services count", () => {
  it.each<[string, ServiceSpec, IpFamily, string | undefined]>([
    ["no cluster IP", {}, "IPv4", undefined],
    ["headless", { clusterIP: "None" }, "IPv4", undefined],
    ["an external name", { type: "ExternalName", clusterIP: "10.96.0.1" }, "IPv4", undefined],
    ["one family", { clusterIP: "10.96.0.1" }, "IPv4", "10.96.0.1"],
    ["the other family", { clusterIP: "10.96.0.1" }, "IPv6", undefined],
    [
      "both families",
      { clusterIP: "fd00::1", clusterIPs: ["fd00::1", "10.96.0.1"], ipFamilies: ["IPv6", "IPv4"] },
      "IPv4",
      "10.96.0.1",
    ],
    [
      "both families",
      { clusterIP: "fd00::1", clusterIPs: ["fd00::1", "10.96.0.1"], ipFamilies: ["IPv6", "IPv4"] },
      "IPv6",
      "fd00::1",
    ],
    [
      "a family but no list of addresses",
      { clusterIP: "10.96.0.1", ipFamilies: ["IPv4"] },
      "IPv4",
      "10.96.0.1",
    ],
  ])("%s: %j as %s", (_title, spec, family, clusterIp) => {
    expect(portOf(spec, undefined, family)?.clusterIp).toBe(clusterIp);
  });

  it("a Service left to another proxy does not", () => {
    const left = service("shop/web", { clusterIP: "10.96.0.1", ports: PORTS });
    const labelled = {
      ...left,
      metadata: { ...left.metadata, labels: { "service.kubernetes.io/service-proxy-name": "other" } },
    };
    expect(servicePorts([labelled], "IPv4")).toEqual([]);
  });
});

describe("what a port says", () => {
  const IP = { clusterIP: "10.96.0.1" };
  const CLIENT = { sessionAffinity: "ClientIP" };

  it.each<[string, ServiceSpec, Partial<ServicePort>]>([
    ["affinity has a default of three hours", { ...IP, ...CLIENT }, { affinitySeconds: 10800 }],
    ["no affinity", { ...IP, sessionAffinity: "None" }, { affinitySeconds: null }],
    [
      "a node port counts whatever the type",
      { ...IP, ports: [{ port: 80, nodePort: 30001 }] },
      { nodePort: 30001 },
    ],
    [
      "eTP Local without anything external has no effect",
      { ...IP, externalTrafficPolicy: "Local" },
      { externalPolicyLocal: false },
    ],
    [
      "eTP Local with external IPs",
      { ...IP, externalIPs: ["192.0.2.1"], externalTrafficPolicy: "Local" },
      { externalPolicyLocal: true },
    ],
    [
      "a health check port needs a load balancer",
      { ...IP, type: "NodePort", externalTrafficPolicy: "Local", healthCheckNodePort: 32000 },
      { healthCheckNodePort: 0 },
    ],
    [
      "a health check port needs eTP Local",
      { ...IP, type: "LoadBalancer", healthCheckNodePort: 32000 },
      { healthCheckNodePort: 0 },
    ],
    [
      "protocols in lower case",
      { ...IP, ports: [{ port: 80, protocol: "SCTP" }] },
      { protocol: "sctp", name: "shop/web" },
    ],
  ])("%s", (_title, spec, expected) => {
    expect(portOf(spec)).toMatchObject(expected);
  });

  it("load balancer addresses: VIP and unset are programmed, Proxy and names are not", () => {
    const vips = [
      { ip: "1.1.1.1" },
      { ip: "1.1.1.2", ipMode: "VIP" },
      { ip: "1.1.1.3", ipMode: "Proxy" },
      { hostname: "x" },
    ];
    expect(portOf(IP, vips)?.vips).toEqual(["1.1.1.1", "1.1.1.2"]);
  });

  it.each<[string, ServiceSpec, boolean, boolean, boolean]>([
    ["ClusterIP", IP, false, true, false],
    ["iTP Local", { ...IP, internalTrafficPolicy: "Local" }, false, false, true],
    [
      "iTP Local, external IP",
      { ...IP, internalTrafficPolicy: "Local", externalIPs: ["1.1.1.1"] },
      true,
      true,
      true,
    ],
    [
      "eTP Local, type NodePort without one",
      { ...IP, type: "NodePort", externalTrafficPolicy: "Local" },
      false,
      true,
      false,
    ],
  ])("%s: external %s, needs Cluster list %s, Local list %s", (_title, spec, external, cluster, local) => {
    const port = portOf(spec) as ServicePort;
    expect([isExternallyAccessible(port), usesClusterEndpoints(port), usesLocalEndpoints(port)]).toEqual([
      external,
      cluster,
      local,
    ]);
  });

  it("ports are in the order of their names' text, then of protocols", () => {
    const ports = servicePorts(
      [
        service("shop/web", {
          ...IP,
          ports: [
            { name: "b", port: 2 },
            { name: "a", port: 1 },
          ],
        }),
        service("default/z", { ...IP, ports: [{ port: 1, protocol: "UDP" }, { port: 1 }] }),
      ],
      "IPv4",
    );
    expect(ports.map(({ name, protocol }) => `${name} ${protocol}`)).toEqual([
      "default/z tcp",
      "default/z udp",
      "shop/web:a tcp",
      "shop/web:b tcp",
    ]);
  });
});
