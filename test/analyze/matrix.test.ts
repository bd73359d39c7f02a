import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, expect, it } from "vitest";
import { membersByFamily } from "../../src/analyze/cluster-members.ts";
import { verify } from "../../src/analyze/verify.ts";
import { PROXY_MODES } from "../../src/proxy/configuration.ts";
import { yamlWorld } from "../cluster/yaml-world.ts";

/** The nine principles over the bundled example's workloads, with every plugin, in every mode of kube-proxy, in every family. */

const WORKLOADS = readFileSync(new URL("../../fixtures/nmt/workloads.yaml", import.meta.url), "utf8");

const FAMILIES = {
  IPv4: { pods: ["10.244.0.0/16"], services: ["10.96.0.0/16"], addresses: ["192.168.50.1"] },
  IPv6: { pods: ["fd00:10:244::/56"], services: ["fd00:10:96::/112"], addresses: ["fd00:50::1"] },
  "both families": {
    pods: ["10.244.0.0/16", "fd00:10:244::/56"],
    services: ["10.96.0.0/16", "fd00:10:96::/112"],
    addresses: ["192.168.50.1", "fd00:50::1"],
  },
} as const;
type Families = keyof typeof FAMILIES;

interface Plugin {
  readonly cni: "flannel" | "calico" | "canal" | "weave" | "bridge" | "docker0";
  readonly nodes: number;
  /** Where it is built. */
  readonly families: readonly Families[];
  readonly objects: (families: Families) => string;
}

const FOUR: readonly Families[] = ["IPv4"];
const ALL: readonly Families[] = ["IPv4", "IPv6", "both families"];

function flannel(backend: string, families: readonly Families[]): Plugin {
  const objects = (named: Families) => {
    const { pods } = FAMILIES[named];
    const six = pods.find((range) => range.includes(":"));
    const four = pods.find((range) => !range.includes(":"));
    const conf = {
      ...(four === undefined ? { EnableIPv4: false } : { Network: four }),
      ...(six === undefined ? {} : { EnableIPv6: true, IPv6Network: six }),
      Backend: { Type: backend },
    };
    return `{apiVersion: v1, kind: ConfigMap, metadata: {name: kube-flannel-cfg, namespace: kube-flannel}, data: {net-conf.json: '${JSON.stringify(conf)}'}}`;
  };
  return { cni: "flannel", nodes: 3, families, objects };
}

function calico(modes: string, families: readonly Families[]): Plugin {
  const objects = (named: Families) =>
    FAMILIES[named].pods
      .map((cidr, i) => {
        // A pool of IPv6 has no IPIP.
        const own = cidr.includes(":") ? modes.replace(/ipipMode: \w+/, "vxlanMode: Never") : modes;
        return `{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pool-${i}}, spec: {cidr: "${cidr}", natOutgoing: true, ${own}}}`;
      })
      .join("\n---\n");
  return { cni: "calico", nodes: 3, families, objects };
}

const NONE = () => "";

const PLUGINS: Readonly<Record<string, Plugin>> = {
  "flannel vxlan": flannel("vxlan", ALL),
  "flannel host-gw": flannel("host-gw", ALL),
  "flannel ipip": flannel("ipip", FOUR),
  "flannel udp": flannel("udp", FOUR),
  "calico ipip": calico("ipipMode: Always", ALL),
  "calico ipip across subnets": calico("ipipMode: CrossSubnet", FOUR),
  "calico vxlan": calico("vxlanMode: Always", ALL),
  "calico bgp": calico("ipipMode: Never", ALL),
  canal: { ...flannel("vxlan", ALL), cni: "canal" },
  weave: { cni: "weave", nodes: 3, families: FOUR, objects: NONE },
  // Nothing joins their nodes, so there is one.
  bridge: { cni: "bridge", nodes: 1, families: ALL, objects: NONE },
  docker0: { cni: "docker0", nodes: 1, families: FOUR, objects: NONE },
};

function clusterOf({ nodes, objects }: Plugin, families: Families): string {
  const { pods, services, addresses } = FAMILIES[families];
  const made = Array.from({ length: nodes }, (_, i) => {
    const own = addresses.map((address) => `{type: InternalIP, address: "${address}${i + 1}"}`).join(", ");
    return `{apiVersion: v1, kind: Node, metadata: {name: node${i + 1}}, status: {addresses: [${own}]}}`;
  });
  const kubeadm = `{apiVersion: kubeadm.k8s.io/v1beta3, kind: ClusterConfiguration, networking: {podSubnet: "${pods.join(",")}", serviceSubnet: "${services.join(",")}"}}`;
  const workloads =
    families === "both families"
      ? WORKLOADS.replaceAll(/(kind: Service\n(?:.*\n)*?spec:\n)/g, "$1  ipFamilyPolicy: PreferDualStack\n")
      : WORKLOADS;
  // The example's cluster IPs are of IPv4.
  const own = families === "IPv6" ? workloads.replaceAll(/^ *clusterIP: .*\n/gm, "") : workloads;
  return [...made, kubeadm, objects(families), own].filter((part) => part !== "").join("\n---\n");
}

/** Each plugin in each of its families with one mode, the modes in turn; `MATRIX=all` asks for every mode with each. */
const IS_WHOLE = process.env["MATRIX"] === "all";

describe.each(Object.entries(PLUGINS))("%s", (name, plugin) => {
  const first = Object.keys(PLUGINS).indexOf(name);
  const cases = plugin.families.flatMap((families, i) =>
    PROXY_MODES.filter((_, k) => IS_WHOLE || (first + i) % PROXY_MODES.length === k).map(
      (mode) => [families, mode] as const,
    ),
  );
  it.each(cases)("%s, kube-proxy in mode %s", (families, proxyMode) => {
    const { cluster, inventory } = yamlWorld(clusterOf(plugin, families), { cni: plugin.cni, proxyMode });
    const members = membersByFamily(cluster.world, inventory);
    expect(members.map(({ family }) => family)).toEqual(
      FAMILIES[families].pods.map((range) => (range.includes(":") ? 6 : 4)),
    );
    const found = members.flatMap((one) => verify(one));
    expect(found).toHaveLength(9 * members.length);
    const faults = found.flatMap(({ principle, family, finding }) =>
      finding.kind === "passed"
        ? []
        : [`IPv${family} principle ${principle.number}: ${JSON.stringify(finding).slice(0, 300)}`],
    );
    expect(faults).toEqual([]);
  });
});
