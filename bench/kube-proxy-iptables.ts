import { formatIpv4 } from "../src/address/ipv4.ts";
import { endpointHash, serviceHash } from "./kube-proxy-names.ts";
import {
  AFFINITY_SECONDS,
  type Endpoint,
  endpointText,
  POD_CIDR,
  rangeText,
  type Service,
} from "./services.ts";

/** From this many endpoints on the comments of every endpoint are left out. */
const LARGE_CLUSTER_ENDPOINTS = 1000;

/**
 * The tables of a node with these services, as `iptables-save` prints what kube-proxy's iptables mode wrote: what a dump
 * holds, and what `iptables-restore` takes.
 */
export function iptablesSave(services: readonly Service[]): string {
  const endpoints = services.reduce((sum, service) => sum + service.endpoints.length, 0);
  const rules = services.map((service) => rulesOf(service, endpoints > LARGE_CLUSTER_ENDPOINTS));
  const lines = [
    "*filter",
    ":INPUT ACCEPT [0:0]",
    ":FORWARD ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ...["EXTERNAL-SERVICES", "FIREWALL", "FORWARD", "NODEPORTS", "PROXY-FIREWALL", "SERVICES"].map(
      (name) => `:KUBE-${name} - [0:0]`,
    ),
    "-A INPUT -j KUBE-FIREWALL",
    `-A INPUT ${NEW} ${comment("kubernetes load balancer firewall")} -j KUBE-PROXY-FIREWALL`,
    `-A INPUT ${comment("kubernetes health check service ports")} -j KUBE-NODEPORTS`,
    `-A INPUT ${NEW} ${comment("kubernetes externally-visible service portals")} -j KUBE-EXTERNAL-SERVICES`,
    `-A FORWARD ${NEW} ${comment("kubernetes load balancer firewall")} -j KUBE-PROXY-FIREWALL`,
    `-A FORWARD ${comment("kubernetes forwarding rules")} -j KUBE-FORWARD`,
    `-A FORWARD ${NEW} ${comment("kubernetes service portals")} -j KUBE-SERVICES`,
    `-A FORWARD ${NEW} ${comment("kubernetes externally-visible service portals")} -j KUBE-EXTERNAL-SERVICES`,
    "-A OUTPUT -j KUBE-FIREWALL",
    `-A OUTPUT ${NEW} ${comment("kubernetes load balancer firewall")} -j KUBE-PROXY-FIREWALL`,
    `-A OUTPUT ${NEW} ${comment("kubernetes service portals")} -j KUBE-SERVICES`,
    `-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 ${comment("block incoming localnet connections")} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    `-A KUBE-FORWARD ${comment("kubernetes forwarding rules")} -m mark --mark 0x4000/0x4000 -j ACCEPT`,
    `-A KUBE-FORWARD ${comment("kubernetes forwarding conntrack rule")} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    ...rules.flatMap(({ filter }) => filter),
    "COMMIT",
    "*nat",
    ":PREROUTING ACCEPT [0:0]",
    ":INPUT ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":POSTROUTING ACCEPT [0:0]",
    ...["MARK-MASQ", "NODEPORTS", "POSTROUTING", "SERVICES"].map((name) => `:KUBE-${name} - [0:0]`),
    ...rules.flatMap(({ chains }) => chains.map((chain) => `:${chain} - [0:0]`)),
    `-A PREROUTING ${comment("kubernetes service portals")} -j KUBE-SERVICES`,
    `-A OUTPUT ${comment("kubernetes service portals")} -j KUBE-SERVICES`,
    `-A POSTROUTING ${comment("kubernetes postrouting rules")} -j KUBE-POSTROUTING`,
    "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
    `-A KUBE-POSTROUTING ${comment("kubernetes service traffic requiring SNAT")} -j MASQUERADE --random-fully`,
    ...rules.flatMap(({ nat }) => nat),
    `-A KUBE-SERVICES ${comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`,
    "COMMIT",
  ];
  return `${lines.join("\n")}\n`;
}

const NEW = "-m conntrack --ctstate NEW";

/** A comment of one word is not quoted. */
function comment(text: string): string {
  return `-m comment --comment ${text.includes(" ") ? `"${text}"` : text}`;
}

interface ServiceRules {
  readonly filter: readonly string[];
  readonly chains: readonly string[];
  readonly nat: readonly string[];
}

function rulesOf(service: Service, large: boolean): ServiceRules {
  const { name, kind, clusterIp, port, nodePort, vip, ranges, endpoints } = service;
  const to = `-d ${formatIpv4(clusterIp)}/32 -p udp`;
  const dport = `-m udp --dport ${port}`;
  if (endpoints.length === 0) {
    const text = comment(`${name} has no endpoints`);
    const reject = `-A KUBE-SERVICES ${to} ${text} ${dport} -j REJECT --reject-with icmp-port-unreachable`;
    return { filter: [reject], chains: [], nat: [] };
  }
  const hash = serviceHash(service);
  const [svc, ext, fw] = [`KUBE-SVC-${hash}`, `KUBE-EXT-${hash}`, `KUBE-FW-${hash}`];
  const filter: string[] = [];
  const chains: string[] = [];
  const nat = [`-A KUBE-SERVICES ${to} ${comment(`${name} cluster IP`)} ${dport} -j ${svc}`];
  if (vip !== null) {
    const toVip = `-d ${formatIpv4(vip)}/32 -p udp`;
    const text = comment(`${name} loadbalancer IP`);
    nat.push(`-A KUBE-SERVICES ${toVip} ${text} ${dport} -j ${fw}`);
    for (const range of ranges) nat.push(`-A ${fw} -s ${rangeText(range)} ${text} -j ${ext}`);
    nat.push(`-A ${fw} ${comment(`other traffic to ${name} will be dropped by KUBE-PROXY-FIREWALL`)}`);
    filter.push(
      `-A KUBE-PROXY-FIREWALL ${toVip} ${comment(`${name} traffic not accepted by ${fw}`)} ${dport} -j DROP`,
    );
    chains.push(ext, fw);
  }
  if (nodePort !== null) {
    nat.push(`-A KUBE-NODEPORTS -p udp ${comment(name)} -m udp --dport ${nodePort} -j ${ext}`);
    chains.push(ext);
  }
  if (chains.length > 0) {
    nat.push(
      `-A ${ext} ${comment(`masquerade traffic for ${name} external destinations`)} -j KUBE-MARK-MASQ`,
      `-A ${ext} -j ${svc}`,
    );
  }
  chains.push(svc);
  nat.push(
    `-A ${svc} ! -s ${rangeText(POD_CIDR)} ${to} ${comment(`${name} cluster IP`)} ${dport} -j KUBE-MARK-MASQ`,
  );
  const seps = endpoints.map((endpoint) => `KUBE-SEP-${endpointHash(service, endpoint)}`);
  const arrow = (endpoint: Endpoint) => (large ? "" : ` ${comment(`${name} -> ${endpointText(endpoint)}`)}`);
  if (kind === "affinity") {
    endpoints.forEach((endpoint, i) => {
      nat.push(
        `-A ${svc}${arrow(endpoint)} -m recent --rcheck --seconds ${AFFINITY_SECONDS} --reap --name ${seps[i]} ${RECENT} -j ${seps[i]}`,
      );
    });
  }
  endpoints.forEach((endpoint, i) => {
    const left = endpoints.length - i;
    const odds = left === 1 ? "" : ` -m statistic --mode random --probability ${probability(left)}`;
    nat.push(`-A ${svc}${arrow(endpoint)}${odds} -j ${seps[i]}`);
  });
  endpoints.forEach((endpoint, i) => {
    const sep = seps[i] as string;
    const text = large ? "" : ` ${comment(name)}`;
    const set = kind === "affinity" ? ` -m recent --set --name ${sep} ${RECENT}` : "";
    nat.push(
      `-A ${sep} -s ${formatIpv4(endpoint.address)}/32${text} -j KUBE-MARK-MASQ`,
      `-A ${sep} -p udp${text}${set} -m udp -j DNAT --to-destination ${endpointText(endpoint)}`,
    );
    chains.push(sep);
  });
  return { filter, chains, nat };
}

const RECENT = "--mask 255.255.255.255 --rsource";

/** 1/n as kube-proxy writes it, with ten decimals, and the kernel gives it back, in 2³¹ parts. */
function probability(n: number): string {
  return (Math.round(Number((1 / n).toFixed(10)) * 2 ** 31) / 2 ** 31).toFixed(11);
}
