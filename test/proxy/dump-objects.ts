import type { Service, ServiceSpec } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import { type EndpointText, service, slice } from "./objects.ts";

/**
 * The Services and EndpointSlices that a node's `iptables-save` was made from, as far as it shows them, read off its text:
 * an oracle for whole rule sets, since what is made of them again must be the dump.
 */
export interface DumpObjects {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
}

interface Found {
  readonly name: string;
  readonly protocol: string;
  clusterIp: string;
  port: number;
  nodePort: number;
  internalLocal: boolean;
  externalLocal: boolean;
  affinity: number | null;
  readonly externalIps: Set<string>;
  readonly vips: Set<string>;
  readonly ranges: Set<string>;
  readonly endpoints: Set<string>;
}

export function objectsOfDump(text: string, isLocal: (ip: string) => boolean): DumpObjects {
  const ports = new Map<string, Found>();
  const rules: [string, DumpRule][] = [];
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    const rule = ruleOf(line);
    if (rule !== null) rules.push([table, rule]);
  }
  // Chains are printed by name; the ports that later rules tell more of are found in these.
  const first = ({ chain }: DumpRule): boolean => /^KUBE-(SERVICES|NODEPORTS|EXTERNAL|SEP)/.test(chain);
  for (const [name, rule] of rules) if (first(rule)) readRule(name, rule, ports);
  for (const [name, rule] of rules) if (!first(rule)) readRule(name, rule, ports);
  const byService = groupBy(ports.values(), ({ name }) => name.split(":")[0] as string);
  return {
    services: [...byService].map(([name, list]) => serviceOf(name, list)),
    slices: [...ports.values()].flatMap((port) => sliceOf(port, isLocal)),
  };
}

interface DumpRule {
  readonly chain: string;
  readonly line: string;
  readonly comment: string;
  readonly protocol: string;
  readonly src: string;
  readonly dst: string;
  readonly dport: number;
  readonly target: string;
}

function ruleOf(line: string): DumpRule | null {
  const chain = /^-A (\S+)/.exec(line)?.[1];
  if (chain === undefined) return null;
  const word = (pattern: RegExp): string => pattern.exec(line)?.[1] ?? "";
  return {
    chain,
    line,
    comment: word(/--comment (?:"([^"]*)"|\S+)/) || word(/--comment ([^" ]\S*)/),
    protocol: word(/ -p (\S+)/),
    src: word(/ -s (\S+)/),
    dst: word(/ -d ([\d.]+)\/32/),
    dport: Number(word(/--dport (\d+)/)),
    target: word(/ -j (\S+)/),
  };
}

function readRule(table: string, rule: DumpRule, ports: Map<string, Found>): void {
  const { chain, comment, protocol, dst, dport, target, line } = rule;
  const found = (name: string, proto: string): Found => {
    const key = `${name} ${proto}`;
    const known = ports.get(key);
    if (known !== undefined) return known;
    const made: Found = {
      name,
      protocol: proto,
      clusterIp: "",
      port: 0,
      nodePort: 0,
      internalLocal: false,
      externalLocal: false,
      affinity: null,
      externalIps: new Set(),
      vips: new Set(),
      ranges: new Set(),
      endpoints: new Set(),
    };
    ports.set(key, made);
    return made;
  };
  const named =
    /^(\S+\/\S+?) (cluster IP|external IP|loadbalancer IP|has no endpoints|has no local endpoints)$/.exec(
      comment,
    );
  const name = named?.[1] ?? "";
  if (table === "nat" && chain === "KUBE-SERVICES" && named !== null) {
    const port = found(name, protocol);
    port.port = dport;
    if (named[2] === "cluster IP") {
      port.clusterIp = dst;
      port.internalLocal = target.startsWith("KUBE-SVL-");
    } else if (named[2] === "external IP") port.externalIps.add(dst);
    else port.vips.add(dst);
  } else if (table === "filter" && chain === "KUBE-SERVICES" && named !== null) {
    Object.assign(found(name, protocol), { clusterIp: dst, port: dport, internalLocal: target === "DROP" });
  } else if (table === "filter" && chain === "KUBE-EXTERNAL-SERVICES" && named !== null) {
    const port = found(name, protocol);
    if (target === "DROP") port.externalLocal = true;
    if (dst === "") port.nodePort = dport;
    else if (!port.vips.has(dst)) port.externalIps.add(dst);
  } else if (table === "nat" && chain === "KUBE-NODEPORTS") found(comment, protocol).nodePort = dport;
  else if (target === "DNAT" && chain.startsWith("KUBE-SEP-")) {
    found(comment, protocol).endpoints.add(/--to-destination (\S+)/.exec(line)?.[1] ?? "");
  } else if (comment.startsWith("pod traffic for ")) {
    for (const port of ports.values()) {
      if (comment === `pod traffic for ${port.name} external destinations`) port.externalLocal = true;
    }
  } else if (chain.startsWith("KUBE-FW-") && named !== null) {
    for (const port of ports.values()) if (port.name === name) port.ranges.add(rule.src);
  } else if (line.includes("--rcheck")) {
    for (const port of ports.values()) {
      if (comment.startsWith(`${port.name} -> `)) port.affinity = Number(/--seconds (\d+)/.exec(line)?.[1]);
    }
  }
}

function serviceOf(name: string, list: readonly Found[]): Service {
  const [first] = list as [Found];
  const spec: ServiceSpec = {
    type: first.vips.size > 0 ? "LoadBalancer" : first.nodePort > 0 ? "NodePort" : "ClusterIP",
    clusterIP: first.clusterIp,
    externalIPs: [...first.externalIps],
    loadBalancerSourceRanges: [...first.ranges],
    internalTrafficPolicy: first.internalLocal ? "Local" : "Cluster",
    externalTrafficPolicy: first.externalLocal ? "Local" : "Cluster",
    ...(first.affinity === null
      ? {}
      : {
          sessionAffinity: "ClientIP",
          sessionAffinityConfig: { clientIP: { timeoutSeconds: first.affinity } },
        }),
    ports: list.map((port) => ({
      ...(port.name.includes(":") ? { name: port.name.split(":")[1] as string } : {}),
      port: port.port,
      protocol: port.protocol.toUpperCase(),
      ...(port.nodePort === 0 ? {} : { nodePort: port.nodePort }),
    })),
  };
  return service(name, spec, { vips: [...first.vips].map((ip) => ({ ip })) });
}

function sliceOf(port: Found, isLocal: (ip: string) => boolean): EndpointSlice[] {
  const [name = "", portName = ""] = port.name.split(":");
  const byTarget = groupBy(port.endpoints, (text) => text.split(":")[1] as string);
  return [...byTarget].map(([target, texts]) => {
    const endpoints = texts.map((text): EndpointText => {
      const ip = text.split(":")[0] as string;
      return { ip, on: isLocal(ip) ? "n1" : "elsewhere" };
    });
    const suffix = `${portName}-${port.protocol}-${target}`;
    return slice(name, [`${portName}:${target}/${port.protocol.toUpperCase()}`], endpoints, suffix);
  });
}

function groupBy<T>(values: Iterable<T>, keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group === undefined) groups.set(keyOf(value), [value]);
    else group.push(value);
  }
  return groups;
}
