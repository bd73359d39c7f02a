import type { Service, ServiceSpec } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import type { NodeFacts, ProxyConfiguration } from "../../src/proxy/configuration.ts";
import { type EndpointText, service, slice } from "./objects.ts";

/** Sets of Services and EndpointSlices; the text that a full sync writes for each is in `fixtures/proxy/NAME.txt`. */
export interface ProxyCase {
  readonly name: string;
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly configuration?: Partial<ProxyConfiguration>;
  readonly node?: Partial<NodeFacts>;
}

const HTTP: ServiceSpec = { clusterIP: "10.96.0.10", ports: [{ name: "http", port: 80 }] };
const NODE_PORT: ServiceSpec = {
  type: "NodePort",
  clusterIP: "10.96.0.10",
  ports: [{ name: "http", port: 80, nodePort: 30080 }],
};
const BALANCED: ServiceSpec = { ...NODE_PORT, type: "LoadBalancer" };
const VIP = { vips: [{ ip: "203.0.113.9" }] };

const LOCAL: EndpointText = { ip: "10.1.0.2", on: "n1" };
const REMOTE: EndpointText = { ip: "10.1.1.2", on: "n2" };
const LEAVING = { ready: false, serving: true, terminating: true };

const V122 = { node: { version: "v1.22.8" } };
const V124 = { node: { version: "v1.24.17" } };

function withLabels(object: Service, labels: Record<string, string>): Service {
  return { ...object, metadata: { ...object.metadata, labels } };
}

function web(
  name: string,
  spec: ServiceSpec,
  endpoints: readonly EndpointText[],
  more: Pick<ProxyCase, "configuration" | "node"> & Parameters<typeof service>[2] = {},
): ProxyCase {
  const { configuration = {}, node = {}, ...rest } = more;
  return {
    name,
    services: [service("shop/web", spec, rest)],
    slices: endpoints.length === 0 ? [] : [slice("shop/web", ["http:8080"], endpoints)],
    configuration,
    node,
  };
}

export const CASES: readonly ProxyCase[] = [
  web("cluster-ip", HTTP, [REMOTE, LOCAL]),
  {
    name: "several-ports",
    services: [
      service("kube-system/dns", {
        clusterIP: "10.96.0.53",
        ports: [
          { name: "dns", port: 53, protocol: "UDP" },
          { name: "dns-tcp", port: 53, protocol: "TCP" },
        ],
      }),
    ],
    slices: [slice("kube-system/dns", ["dns:5353/UDP", "dns-tcp:5353/TCP"], ["10.1.1.11", "10.1.1.1"])],
  },
  {
    name: "none-that-count",
    services: [
      service("shop/headless", { clusterIP: "None", ports: [{ port: 80 }] }),
      service("shop/elsewhere", { type: "ExternalName", externalName: "db.example", ports: [{ port: 80 }] }),
      service("shop/pending", { ports: [{ port: 80 }] }),
      service("shop/six", { clusterIP: "fd00::1", ports: [{ port: 80 }] }),
    ],
    slices: [slice("shop/headless", [":80"], ["10.1.1.1"])],
  },
  web("node-port", NODE_PORT, [REMOTE]),
  web("load-balancer", BALANCED, [REMOTE], VIP),
  web("load-balancer-proxy", BALANCED, [REMOTE], { vips: [{ ip: "203.0.113.9", ipMode: "Proxy" }] }),
  web(
    "source-ranges",
    { ...BALANCED, loadBalancerSourceRanges: [" 198.051.100.0/024 ", "2001:db8::/32"] },
    [REMOTE],
    VIP,
  ),
  web(
    "source-ranges-node",
    { ...BALANCED, loadBalancerSourceRanges: ["198.51.100.0/24", "192.168.0.0/16"] },
    [REMOTE],
    {
      vips: [{ ip: "203.0.113.9" }, { ip: "203.0.113.10" }],
    },
  ),
  web("source-ranges-no-endpoints", { ...BALANCED, loadBalancerSourceRanges: ["198.51.100.0/24"] }, [], VIP),
  web("external-ips", { ...HTTP, externalIPs: ["192.0.2.1", "2001:db8::1", "192.0.2.2"] }, [REMOTE]),
  web("external-ips-local", { ...HTTP, externalIPs: ["192.0.2.1"], externalTrafficPolicy: "Local" }, [
    REMOTE,
    LOCAL,
  ]),
  web(
    "affinity",
    { ...HTTP, sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } },
    [REMOTE, LOCAL],
  ),
  web("internal-local", { ...HTTP, internalTrafficPolicy: "Local" }, [REMOTE, LOCAL]),
  web("internal-local-none", { ...HTTP, internalTrafficPolicy: "Local" }, [REMOTE]),
  web("internal-local-node-port", { ...NODE_PORT, internalTrafficPolicy: "Local" }, [REMOTE, LOCAL]),
  web("external-local", { ...NODE_PORT, externalTrafficPolicy: "Local" }, [REMOTE, LOCAL]),
  web(
    "external-local-none",
    { ...BALANCED, externalIPs: ["192.0.2.1"], externalTrafficPolicy: "Local" },
    [REMOTE],
    VIP,
  ),
  web("both-local", { ...NODE_PORT, internalTrafficPolicy: "Local", externalTrafficPolicy: "Local" }, [
    REMOTE,
    LOCAL,
  ]),
  web("no-endpoints", { ...BALANCED, externalIPs: ["192.0.2.1"] }, [], VIP),
  web("not-ready", HTTP, [{ ...REMOTE, ready: false }]),
  web("terminating", HTTP, [
    { ...REMOTE, ...LEAVING },
    { ip: "10.1.1.3", ready: false, serving: false, terminating: true },
  ]),
  web("terminating-beside-ready", HTTP, [{ ...REMOTE, ...LEAVING }, LOCAL]),
  web("terminating-local", { ...NODE_PORT, externalTrafficPolicy: "Local" }, [
    REMOTE,
    { ...LOCAL, ...LEAVING },
  ]),
  web("terminating-remote", { ...NODE_PORT, externalTrafficPolicy: "Local" }, [{ ...REMOTE, ...LEAVING }]),
  web("zone-hints", HTTP, [
    { ...REMOTE, zones: ["z2"] },
    { ip: "10.1.1.3", zones: ["z2", "z1"] },
    { ip: "10.1.1.4", ready: false },
  ]),
  web("zone-hints-missing", HTTP, [REMOTE, { ip: "10.1.1.3", zones: ["z1"] }]),
  web("zone-hints-elsewhere", HTTP, [{ ip: "10.1.1.3", zones: ["z2"] }]),
  web(
    "zone-hints-old",
    HTTP,
    [
      { ...REMOTE, zones: ["z2"] },
      { ip: "10.1.1.3", zones: ["z1"] },
    ],
    {
      node: { version: "v1.29.3" },
    },
  ),
  web("node-hints", HTTP, [
    { ...REMOTE, zones: ["z1"], nodes: ["n2"] },
    { ...LOCAL, zones: ["z1"], nodes: ["n1"] },
  ]),
  web(
    "node-hints-before",
    HTTP,
    [
      { ...REMOTE, zones: ["z1"], nodes: ["n2"] },
      { ...LOCAL, zones: ["z1"], nodes: ["n1"] },
    ],
    { node: { version: "1.32" } },
  ),
  web(
    "health-check",
    { ...BALANCED, externalTrafficPolicy: "Local", healthCheckNodePort: 32100 },
    [LOCAL],
    VIP,
  ),
  web("masquerade-all", { ...NODE_PORT, externalTrafficPolicy: "Local" }, [LOCAL], {
    configuration: { masqueradeAll: true },
  }),
  web("no-detector", { ...NODE_PORT, externalTrafficPolicy: "Local" }, [LOCAL], {
    configuration: { detector: { kind: "none" } },
  }),
  web("node-cidr", HTTP, [LOCAL], { configuration: { detector: { kind: "node-cidr" } } }),
  web("bridge-interface", { ...NODE_PORT, externalTrafficPolicy: "Local" }, [LOCAL], {
    configuration: { detector: { kind: "bridge-interface", name: "cni0" } },
  }),
  web("interface-prefix", HTTP, [LOCAL], {
    configuration: { detector: { kind: "interface-prefix", prefix: "veth" } },
  }),
  web("node-port-addresses", NODE_PORT, [LOCAL], {
    configuration: { nodePortAddresses: ["192.168.1.0/24", "127.0.0.0/8", "fd00::/8"] },
  }),
  web("node-port-addresses-not-localhost", NODE_PORT, [LOCAL], {
    configuration: { nodePortAddresses: ["192.168.1.0/24", "127.0.0.0/8"], localhostNodePorts: false },
  }),
  web("node-port-primary", NODE_PORT, [LOCAL], { configuration: { nodePortAddresses: ["primary"] } }),
  web("localhost-off", NODE_PORT, [LOCAL], { configuration: { localhostNodePorts: false } }),
  web("counters", NODE_PORT, [LOCAL], { configuration: { nfacct: true } }),
  web("tcp-liberal", HTTP, [LOCAL], {
    configuration: { conntrackTcpLiberal: true, randomFully: false, masqueradeBit: 15 },
  }),
  {
    name: "several-slices",
    services: [service("shop/web", { ...HTTP, internalTrafficPolicy: "Local" })],
    slices: [
      slice("shop/web", ["http:8080"], [{ ip: "10.1.0.2", on: "n2" }, REMOTE], "a1"),
      slice("shop/web", ["http:8080"], [{ ip: "10.1.0.2", on: "n1" }], "b2"),
      slice("shop/web", ["http:8080"], [{ ip: "10.1.0.2", on: "n3" }], "c3"),
    ],
  },
  {
    name: "three-protocols",
    services: [
      service("shop/multi", {
        clusterIP: "10.96.0.20",
        ports: [
          { name: "t", port: 7000, protocol: "TCP" },
          { name: "u", port: 7000, protocol: "UDP" },
          { name: "s", port: 7000, protocol: "SCTP" },
        ],
      }),
    ],
    slices: [slice("shop/multi", ["t:7000/TCP", "u:7000/UDP", "s:7000/SCTP"], [LOCAL])],
  },
  {
    name: "leading-zeros",
    services: [
      service("shop/web", {
        clusterIP: "010.096.0.010",
        externalIPs: ["192.0.02.001"],
        ports: [{ port: 80 }],
      }),
    ],
    slices: [slice("shop/web", [":8080"], ["010.1.2.003"])],
  },
  {
    name: "port-not-of-slice",
    services: [service("shop/web", HTTP)],
    slices: [slice("shop/web", ["https:8080", "http:8080/UDP", "http:0"], [REMOTE])],
  },
  {
    name: "large-cluster",
    services: [
      service("shop/big", { clusterIP: "10.96.0.99", ports: [{ port: 80 }] }),
      service("shop/web", { ...HTTP, sessionAffinity: "ClientIP" }),
    ],
    slices: [
      slice(
        "shop/big",
        [":80"],
        Array.from({ length: 999 }, (_, i) => ({ ip: `10.1.${8 + (i >> 8)}.${i & 255}`, ready: false })),
      ),
      slice("shop/web", ["http:8080"], [REMOTE, LOCAL]),
    ],
  },
  {
    name: "two-services",
    services: [
      service("shop/web", HTTP),
      service("default/kubernetes", { clusterIP: "10.96.0.1", ports: [{ name: "https", port: 443 }] }),
    ],
    slices: [
      slice("shop/web", ["http:8080"], [REMOTE]),
      slice("default/kubernetes", ["https:6443"], ["192.168.1.1"]),
    ],
  },
  web(
    "old-load-balancer",
    { ...BALANCED, externalIPs: ["192.0.2.1"], sessionAffinity: "ClientIP" },
    [REMOTE, LOCAL],
    { ...VIP, ...V122 },
  ),
  web(
    "old-local",
    { ...BALANCED, externalTrafficPolicy: "Local", externalIPs: ["192.0.2.1"], sessionAffinity: "ClientIP" },
    [REMOTE, LOCAL, { ip: "10.1.0.3", on: "n1" }],
    { ...VIP, ...V122 },
  ),
  web("old-local-none", { ...BALANCED, externalTrafficPolicy: "Local" }, [REMOTE], { ...VIP, ...V122 }),
  web("old-none", { ...BALANCED, externalIPs: ["192.0.2.1"] }, [], { ...VIP, ...V122 }),
  web(
    "old-source-ranges",
    { ...BALANCED, loadBalancerSourceRanges: ["198.51.100.0/24", "192.168.0.0/16"] },
    [REMOTE],
    { vips: [{ ip: "203.0.113.9" }, { ip: "203.0.113.10" }], ...V122 },
  ),
  web("old-internal-local", { ...NODE_PORT, internalTrafficPolicy: "Local" }, [REMOTE, LOCAL], V122),
  web("old-no-detector", { ...HTTP, externalIPs: ["192.0.2.1"] }, [REMOTE], {
    ...V122,
    configuration: { detector: { kind: "none" } },
  }),
  web("old-terminating", HTTP, [{ ...REMOTE, ...LEAVING, zones: ["z2"] }], V122),
  web("1.24-source-ranges", { ...BALANCED, loadBalancerSourceRanges: ["198.51.100.0/24"] }, [REMOTE], {
    ...VIP,
    ...V124,
  }),
  web(
    "1.24-local-none",
    { ...BALANCED, externalTrafficPolicy: "Local", internalTrafficPolicy: "Local" },
    [REMOTE],
    { ...VIP, ...V124 },
  ),
  web("1.26-cluster-ip", HTTP, [REMOTE, LOCAL], { node: { version: "v1.26.15" } }),
  {
    name: "every-kind",
    services: [
      service("ns1/plain", { clusterIP: "10.96.0.41", ports: [{ name: "p80", port: 80 }] }),
      service(
        "ns2/local",
        {
          type: "LoadBalancer",
          clusterIP: "10.96.0.42",
          externalIPs: ["192.168.99.22"],
          externalTrafficPolicy: "Local",
          healthCheckNodePort: 30000,
          ports: [{ name: "p80", port: 80, nodePort: 30001 }],
        },
        { vips: [{ ip: "203.0.113.4" }, { hostname: "lb.example" }] },
      ),
      service("ns3/nodes", {
        type: "NodePort",
        clusterIP: "10.96.0.43",
        ports: [
          { name: "p80", port: 80, nodePort: 30002 },
          { name: "u53", port: 53, protocol: "UDP", nodePort: 30053 },
        ],
      }),
      service("ns4/outside", {
        clusterIP: "10.96.0.44",
        externalIPs: ["192.168.99.33"],
        ports: [{ name: "p80", port: 80, targetPort: 8080 }],
      }),
      service(
        "ns5/ranges",
        {
          type: "LoadBalancer",
          clusterIP: "10.96.0.45",
          loadBalancerSourceRanges: ["203.0.113.0/25"],
          sessionAffinity: "ClientIP",
          ports: [{ name: "p80", port: 80, nodePort: 30003 }],
        },
        { vips: [{ ip: "203.0.113.5", ipMode: "VIP" }] },
      ),
      service("ns6/none", { clusterIP: "10.96.0.46", ports: [{ name: "p80", port: 80 }] }),
      service("ns6/no-effect", {
        clusterIP: "10.96.0.47",
        externalTrafficPolicy: "Local",
        ports: [{ port: 80 }],
      }),
    ],
    slices: [
      slice("ns1/plain", ["p80:80"], ["10.1.9.1"]),
      slice("ns2/local", ["p80:80"], [{ ip: "10.1.9.2", on: "n2" }]),
      slice("ns3/nodes", ["p80:80", "u53:53/UDP"], ["10.1.9.3", "10.1.9.31", "10.1.9.32"]),
      slice(
        "ns4/outside",
        ["p80:80"],
        [
          { ip: "10.1.9.4", on: "n1" },
          { ip: "10.1.9.5", on: "n2", ready: false },
        ],
      ),
      slice("ns5/ranges", ["p80:80"], [{ ip: "10.1.9.5", on: "n1" }, "10.1.9.51"]),
      slice("ns6/no-effect", [":80"], [{ ip: "10.1.9.6", on: "n2" }]),
    ],
  },
  {
    name: "both-families",
    services: [
      service("shop/six-first", {
        clusterIP: "fd00::10",
        clusterIPs: ["fd00::10", "10.96.0.60"],
        ipFamilies: ["IPv6", "IPv4"],
        ports: [{ name: "http", port: 80 }],
      }),
      service("shop/four-first", {
        clusterIP: "10.96.0.61",
        clusterIPs: ["10.96.0.61", "fd00::11"],
        ipFamilies: ["IPv4", "IPv6"],
        ports: [{ name: "http", port: 80 }],
      }),
    ],
    slices: [
      slice("shop/six-first", ["http:80"], [LOCAL]),
      { ...slice("shop/four-first", ["http:80"], ["fd00::5"], "six"), addressType: "IPv6" },
      slice("shop/four-first", ["http:80"], [REMOTE], "four"),
    ],
  },
  {
    name: "left-to-others",
    services: [
      withLabels(service("shop/other", HTTP), { "service.kubernetes.io/service-proxy-name": "mine" }),
      withLabels(service("shop/headless-label", { ...HTTP, clusterIP: "10.96.0.11" }), {
        "service.kubernetes.io/headless": "",
      }),
    ],
    slices: [slice("shop/other", ["http:80"], [LOCAL]), slice("shop/headless-label", ["http:80"], [LOCAL])],
  },
];
