import { createHash } from "node:crypto";
import type { Service } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";

/**
 * kube-proxy's iptables mode a second time, as literally as its description goes and without sharing anything between
 * nodes, Services or calls: for IPv4, the newest release, canonical addresses.
 */
export interface ReferenceNode {
  readonly name: string;
  readonly ip: string;
  readonly zone: string | null;
}

export interface ReferenceSettings {
  /** Words that match a packet from a pod; null without a detector. */
  readonly local: string | null;
  readonly masqueradeAll: boolean;
}

/** The rules of each chain that Services have a part in, by `table chain`. */
export type Chains = Map<string, string[]>;

interface Found {
  readonly text: string;
  readonly ip: string;
  readonly isLocal: boolean;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

export function referenceChains(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  node: ReferenceNode,
  settings: ReferenceSettings,
): Chains {
  const chains: Chains = new Map();
  const declare = (chain: string): string[] => {
    const rules = chains.get(chain) ?? [];
    chains.set(chain, rules);
    return rules;
  };
  const all = services.flatMap((service) =>
    (service.spec?.ports ?? []).map((port) => {
      const { namespace = "", name = "" } = service.metadata ?? {};
      const full = `${namespace}/${name}${(port.name ?? "") === "" ? "" : `:${port.name}`}`;
      return { service, port, full, proto: (port.protocol ?? "TCP").toLowerCase() };
    }),
  );
  all.sort((a, b) => (a.full + a.proto < b.full + b.proto ? -1 : 1));
  const found = all.map(({ service, port }) =>
    endpointsOf(service, port.name ?? "", port.protocol, slices, node),
  );
  const isLarge = found.reduce((sum, list) => sum + list.length, 0) > 1000;
  for (const [i, { service, port, full, proto }] of all.entries()) {
    writePort({ service, port, full, proto }, found[i] as Found[]);
  }
  return chains;

  function writePort(
    { service, port, full, proto }: (typeof all)[number],
    endpoints: readonly Found[],
  ): void {
    const spec = service.spec ?? {};
    const vips = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    const externals = spec.externalIPs ?? [];
    const nodePort = port.nodePort ?? 0;
    const ranges = spec.loadBalancerSourceRanges ?? [];
    const internalLocal = spec.internalTrafficPolicy === "Local";
    const externalLocal =
      spec.externalTrafficPolicy === "Local" && (spec.type !== "ClusterIP" || externals.length > 0);
    const isOutside = vips.length > 0 || externals.length > 0 || nodePort !== 0;
    const hash = (text: string) => base32(createHash("sha256").update(text).digest()).slice(0, 16);
    const id = hash(full + proto);
    const [svc, svl, ext, fw] = ["SVC", "SVL", "EXT", "FW"].map((kind) => `KUBE-${kind}-${id}`) as [
      string,
      string,
      string,
      string,
    ];
    const sep = ({ text }: Found) => `KUBE-SEP-${hash(full + proto + text)}`;

    const ready = endpoints.filter((one) => one.ready);
    const draining = endpoints.filter((one) => one.draining);
    const usable = ready.length + draining.length > 0;
    let cluster: readonly Found[] = [];
    let local: readonly Found[] = [];
    if (!internalLocal || isOutside) {
      const narrowed = narrow(ready, node);
      cluster = narrowed.length > 0 ? narrowed : draining;
    }
    if (internalLocal || (externalLocal && isOutside)) {
      const here = ready.filter((one) => one.isLocal);
      local = here.length > 0 ? here : draining.filter((one) => one.isLocal);
    }

    const to = (ip: string, number = port.port) => `-m ${proto} -p ${proto} -d ${ip} --dport ${number}`;
    const add = (chain: string, comment: string, rest: string) =>
      declare(chain).push(comment === "" ? rest : `-m comment --comment ${comment} ${rest}`.trimEnd());
    const refusal = (isLocalOnly: boolean): [string, string] | null => {
      if (!usable) return [`"${full} has no endpoints"`, "REJECT"];
      return isLocalOnly && local.length === 0 ? [`"${full} has no local endpoints"`, "DROP"] : null;
    };

    const inside = refusal(internalLocal);
    if (inside !== null)
      add("filter KUBE-SERVICES", inside[0], `${to(spec.clusterIP ?? "")} -j ${inside[1]}`);
    else {
      const chain = internalLocal ? svl : svc;
      const match = to(spec.clusterIP ?? "");
      add("nat KUBE-SERVICES", `"${full} cluster IP"`, `${match} -j ${chain}`);
      const others = settings.masqueradeAll ? "" : ` ! ${settings.local}`;
      if (settings.masqueradeAll || settings.local !== null) {
        add(`nat ${chain}`, `"${full} cluster IP"`, `${match}${others} -j KUBE-MARK-MASQ`);
      }
    }
    const outside = refusal(externalLocal);
    const hasRanges = usable && ranges.length > 0 && vips.length > 0;
    const refuse = (match: string) => {
      if (outside !== null) add("filter KUBE-EXTERNAL-SERVICES", outside[0], `${match} -j ${outside[1]}`);
    };
    for (const ip of externals) {
      if (usable) add("nat KUBE-SERVICES", `"${full} external IP"`, `${to(ip)} -j ${ext}`);
      refuse(to(ip));
    }
    for (const ip of vips) {
      if (usable)
        add("nat KUBE-SERVICES", `"${full} loadbalancer IP"`, `${to(ip)} -j ${hasRanges ? fw : ext}`);
      if (hasRanges) {
        add("filter KUBE-PROXY-FIREWALL", `"${full} traffic not accepted by ${fw}"`, `${to(ip)} -j DROP`);
      }
      refuse(to(ip));
    }
    if (nodePort !== 0) {
      const match = `-m ${proto} -p ${proto} --dport ${nodePort}`;
      if (usable) add("nat KUBE-NODEPORTS", full, `${match} -j ${ext}`);
      refuse(`-m addrtype --dst-type LOCAL ${match}`);
    }
    if (spec.type === "LoadBalancer" && externalLocal && (spec.healthCheckNodePort ?? 0) !== 0) {
      const match = `-m tcp -p tcp --dport ${spec.healthCheckNodePort}`;
      add("filter KUBE-NODEPORTS", `"${full} health check node port"`, `${match} -j ACCEPT`);
    }
    if (usable && isOutside) {
      if (!externalLocal) {
        add(`nat ${ext}`, `"masquerade traffic for ${full} external destinations"`, "-j KUBE-MARK-MASQ");
        add(`nat ${ext}`, "", `-j ${svc}`);
      } else {
        const own = "-m addrtype --src-type LOCAL";
        if (settings.local !== null) {
          add(`nat ${ext}`, `"pod traffic for ${full} external destinations"`, `${settings.local} -j ${svc}`);
        }
        add(
          `nat ${ext}`,
          `"masquerade LOCAL traffic for ${full} external destinations"`,
          `${own} -j KUBE-MARK-MASQ`,
        );
        add(`nat ${ext}`, `"route LOCAL traffic for ${full} external destinations"`, `${own} -j ${svc}`);
        if (local.length > 0) add(`nat ${ext}`, "", `-j ${svl}`);
      }
    }
    if (hasRanges) {
      for (const range of ranges) add(`nat ${fw}`, `"${full} loadbalancer IP"`, `-s ${range} -j ${ext}`);
      if (ranges.some((range) => holds(range, node.ip))) {
        for (const ip of vips) add(`nat ${fw}`, `"${full} loadbalancer IP"`, `-s ${ip} -j ${ext}`);
      }
      add(`nat ${fw}`, `"other traffic to ${full} will be dropped by KUBE-PROXY-FIREWALL"`, "");
    }
    const seconds =
      spec.sessionAffinity === "ClientIP"
        ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800)
        : 0;
    for (const [chain, list] of [
      [svc, cluster],
      [svl, local],
    ] as const) {
      const comment = (one: Found) => (isLarge ? "" : `"${full} -> ${one.text}"`);
      for (const one of seconds === 0 ? [] : list) {
        const recent = `-m recent --name ${sep(one)} --rcheck --seconds ${seconds} --reap`;
        add(`nat ${chain}`, comment(one), `${recent} -j ${sep(one)}`);
      }
      for (const [n, one] of list.entries()) {
        const odds = (1 / (list.length - n)).toFixed(10);
        const chance = n === list.length - 1 ? "" : `-m statistic --mode random --probability ${odds} `;
        add(`nat ${chain}`, comment(one), `${chance}-j ${sep(one)}`);
      }
    }
    for (const one of new Set([...cluster, ...local])) {
      const comment = isLarge ? "" : full;
      const recent = seconds === 0 ? "" : `-m recent --name ${sep(one)} --set `;
      add(`nat ${sep(one)}`, comment, `-s ${one.ip} -j KUBE-MARK-MASQ`);
      add(
        `nat ${sep(one)}`,
        comment,
        `${recent}-m ${proto} -p ${proto} -j DNAT --to-destination ${one.text}`,
      );
    }
  }
}

function endpointsOf(
  { metadata }: Service,
  portName: string,
  protocol: string | undefined,
  slices: readonly EndpointSlice[],
  node: ReferenceNode,
): Found[] {
  const byText = new Map<string, Found>();
  const own = slices.filter(
    (slice) =>
      slice.metadata?.namespace === metadata?.namespace &&
      slice.metadata?.labels?.["kubernetes.io/service-name"] === metadata?.name,
  );
  for (const { ports = [], endpoints } of own) {
    for (const port of ports) {
      if (port.name !== portName || (port.protocol ?? "TCP") !== (protocol ?? "TCP")) continue;
      for (const { addresses, conditions, nodeName, hints } of endpoints) {
        const ready = conditions?.ready ?? true;
        const one: Found = {
          text: `${addresses[0]}:${port.port}`,
          ip: addresses[0] ?? "",
          isLocal: nodeName === node.name,
          ready,
          draining: !ready && (conditions?.serving ?? ready) && conditions?.terminating === true,
          zones: (hints?.forZones ?? []).map(({ name }) => name),
          nodes: ((hints as { forNodes?: { name: string }[] })?.forNodes ?? []).map(({ name }) => name),
        };
        if (!byText.has(one.text) || one.isLocal) byText.set(one.text, one);
      }
    }
  }
  return [...byText.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
}

function narrow(ready: readonly Found[], node: ReferenceNode): readonly Found[] {
  const byNode = ready.filter(({ nodes }) => nodes.includes(node.name));
  if (byNode.length > 0 && ready.every(({ nodes }) => nodes.length > 0)) return byNode;
  const byZone = ready.filter(({ zones }) => node.zone !== null && zones.includes(node.zone));
  return byZone.length > 0 && ready.every(({ zones }) => zones.length > 0) ? byZone : ready;
}

function holds(range: string, ip: string): boolean {
  const bits = (text: string) => text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const [network = "", length = "32"] = range.split("/");
  const size = 2 ** (32 - Number(length));
  return Math.floor(bits(network) / size) === Math.floor(bits(ip) / size);
}

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{5}/g) ?? [])
    .map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)])
    .join("");
}
