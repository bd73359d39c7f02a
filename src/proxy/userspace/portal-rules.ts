import type { Chain, Ruleset } from "../../kernel/netfilter/rule.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Origin } from "../../kernel/origin.ts";
import type { NodeFacts } from "../configuration.ts";
import { rulesetAfter } from "../iptables/fresh-node.ts";
import type { Hook } from "../iptables/hooks.ts";
import { hookOperations } from "../iptables/operations.ts";
import { parseTable } from "../iptables/parsed-rules.ts";
import type { ProxyModel } from "../model.ts";
import type { ServicePort } from "../service-ports.ts";
import { featuresOf } from "../versions.ts";

/**
 * What kube-proxy's userspace mode writes, of IPv4 (pkg/proxy/userspace/proxier.go of 1.25, the last with it): every address of a
 * Service's port is led to a port that kube-proxy listens on itself. Policies, readiness, source ranges and affinity do not show
 * in rules.
 */

const PORTALS = "handle ClusterIPs; NOTE: this must be before the NodePort rules";
const NODE_PORTS =
  '-m addrtype --dst-type LOCAL -m comment --comment "handle service NodePorts; NOTE: this must be the last rule in the chain"';

/** Each on top of its chain: those of the portals come last, and so stand first (`iptablesInit`). */
const HOOKS: readonly Hook[] = [
  { table: "nat", from: "PREROUTING", to: "KUBE-NODEPORT-CONTAINER", match: NODE_PORTS },
  { table: "nat", from: "OUTPUT", to: "KUBE-NODEPORT-HOST", match: NODE_PORTS },
  {
    table: "nat",
    from: "PREROUTING",
    to: "KUBE-PORTALS-CONTAINER",
    match: `-m comment --comment "${PORTALS}"`,
  },
  { table: "nat", from: "OUTPUT", to: "KUBE-PORTALS-HOST", match: `-m comment --comment "${PORTALS}"` },
  {
    table: "filter",
    from: "INPUT",
    to: "KUBE-NODEPORT-NON-LOCAL",
    match: '-m comment --comment "Ensure that non-local NodePort traffic can flow"',
  },
];

const NAT_CHAINS = [
  "KUBE-PORTALS-CONTAINER",
  "KUBE-PORTALS-HOST",
  "KUBE-NODEPORT-CONTAINER",
  "KUBE-NODEPORT-HOST",
] as const;
const FILTER_CHAIN = "KUBE-NODEPORT-NON-LOCAL";

/** kube-proxy takes any free port (`--proxy-port-range` empty): which is free choice, here from this one on. */
const FIRST_PROXY_PORT = 40_000;

/** A node's tables after the first sync, as its `iptables-save` shows them. */
export function portalRuleset(model: ProxyModel, node: NodeFacts, origin: Origin): Ruleset {
  const features = featuresOf(node.version, {});
  const options = { kubelet: true, canaries: false };
  return rulesetAfter({ features, family: "IPv4" }, options, (before) => [
    ...hookOperations(HOOKS, origin, before, 4),
    portalOperation(model, node, before),
  ]);
}

function portalOperation(model: ProxyModel, node: NodeFacts, before: Ruleset | null): Operation {
  const nat = new Map<string, Chain>();
  const filter = new Map<string, Chain>();
  const ports = model.ports.filter(({ port }) => port.protocol !== "sctp");
  for (const [i, { port }] of ports.entries()) {
    const lines = linesOf(port, FIRST_PROXY_PORT + i, node.ip);
    add(nat, parseTable("nat", NAT_CHAINS, lines.nat, port.origin).chains);
    add(filter, parseTable("filter", [FILTER_CHAIN], lines.filter, port.origin).chains);
  }
  return {
    kind: "iptables-restore",
    ruleset: {
      backend: before?.backend ?? "nft",
      tables: new Map([
        ["filter", { name: "filter", chains: filter }],
        ["nat", { name: "nat", chains: nat }],
      ]),
    },
    noflush: true,
  };
}

/** The rules of one port behind those of others. */
function add(all: Map<string, Chain>, more: ReadonlyMap<string, Chain>): void {
  for (const [name, chain] of more) {
    const known = all.get(name);
    all.set(name, known === undefined ? chain : { ...known, rules: [...known.rules, ...chain.rules] });
  }
}

interface Lines {
  readonly nat: readonly string[];
  readonly filter: readonly string[];
}

function linesOf(port: ServicePort, proxyPort: number, hostIp: string): Lines {
  const { protocol, name, nodePort, externalIps, vips, clusterIp } = port;
  const match = (address: string | null, number: number, more = ""): string =>
    `${address === null ? "" : `-d ${address}/32 `}-p ${protocol} -m comment --comment "${name}" -m ${protocol} --dport ${number}${more}`;
  const taken = `-j REDIRECT --to-ports ${proxyPort}`;
  const handed = `-j DNAT --to-destination ${hostIp}:${proxyPort}`;
  const portal = (address: string): string[] => [
    `-A KUBE-PORTALS-CONTAINER ${match(address, port.port)} ${taken}`,
    `-A KUBE-PORTALS-HOST ${match(address, port.port)} ${handed}`,
  ];
  // A bridge's own packets to an external address of this node go another way, and are left to it.
  const external = (address: string): string[] => [
    `-A KUBE-PORTALS-CONTAINER ${match(address, port.port, " -m physdev ! --physdev-is-in")} ${taken}`,
    `-A KUBE-PORTALS-CONTAINER ${match(address, port.port, " -m addrtype --dst-type LOCAL")} ${taken}`,
    `-A KUBE-PORTALS-HOST ${match(address, port.port, " -m addrtype --dst-type LOCAL")} ${handed}`,
  ];
  return {
    nat: [
      ...portal(clusterIp),
      ...externalIps.flatMap(external),
      ...vips.flatMap(portal),
      ...(nodePort === 0
        ? []
        : [
            `-A KUBE-NODEPORT-CONTAINER ${match(null, nodePort)} ${taken}`,
            `-A KUBE-NODEPORT-HOST ${match(null, nodePort)} ${handed}`,
          ]),
    ],
    filter:
      nodePort === 0 ? [] : [`-A ${FILTER_CHAIN} ${match(null, proxyPort)} -m state --state NEW -j ACCEPT`],
  };
}
