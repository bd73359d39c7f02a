import { describe, expect, it } from "vitest";
import { formatIpsetSave } from "../../src/kernel/ipset/save.ts";
import { formatRuleArguments } from "../../src/kernel/netfilter/save/format.ts";
import { nodes, yamlWorld } from "./yaml-world.ts";

/** Weave from objects: what a node holds (text for text where real nodes' dumps have it), and how packets cross. */

const pod = (name: string, node: string) =>
  `---\napiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, labels: {app: ${name}}}\nspec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}]}]}\n`;
const WEAVE = `---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: weave-net, namespace: kube-system}
spec:
  selector: {matchLabels: {name: weave-net}}
  template:
    metadata: {labels: {name: weave-net}}
    spec: {hostNetwork: true, containers: [{name: weave, image: weaveworks/weave-kube:2.8.1}]}
`;
const three = nodes("192.168.50.11", "192.168.50.12", "192.168.50.13").replaceAll(/\nspec: \{podCIDR.*/g, "");
const CLUSTER = three + WEAVE + pod("a", "n0") + pod("b", "n1") + pod("c", "n0");

describe("weave", () => {
  const world = yamlWorld(CLUSTER);
  const node = world.cluster.world.hosts.get("n0");
  const rules = (table: string, chain: string): string[] =>
    (node?.iptables?.tables.get(table)?.chains.get(chain)?.rules ?? []).map(formatRuleArguments);

  it("the bridge has the first address of the node's part, in the whole network", () => {
    const [address] = node?.addresses.filter(({ dev }) => dev === "weave") ?? [];
    expect([address?.address, address?.length]).toEqual([0x0a200001, 12]);
    const devices = new Map(node?.devices.map((device) => [device.name, device]));
    expect(devices.get("weave")?.mtu).toBe(1376);
    expect(devices.get("vethwe-bridge")?.master).toBe("weave");
    expect(devices.get("vxlan-6784")?.detail).toEqual({ kind: "external", type: "vxlan", port: 6784 });
    expect([...devices.keys()].filter((name) => /^vethwepl[0-9a-f]{7}$/.test(name))).toHaveLength(2);
  });

  it("the chains are those of real nodes", () => {
    expect(rules("nat", "WEAVE")).toEqual([
      '-m set --match-set weaver-no-masq-local dst -m comment --comment "Prevent SNAT to locally running containers" -j RETURN',
      "-s 10.32.0.0/12 -d 224.0.0.0/4 -j RETURN",
      "! -s 10.32.0.0/12 -d 10.32.0.0/12 -j MASQUERADE",
      "-s 10.32.0.0/12 ! -d 10.32.0.0/12 -j MASQUERADE",
    ]);
    expect(rules("filter", "WEAVE-NPC-DEFAULT")[0]).toBe(
      '-m set --match-set weave-;rGqyMIl1HN^cfDki~Z$3]6!N dst -m comment --comment "DefaultAllow ingress isolation for namespace: default" -j ACCEPT',
    );
    expect(rules("filter", "FORWARD").slice(0, 6)).toEqual([
      String.raw`-i weave -m comment --comment "NOTE: this must go before \'-j KUBE-FORWARD\'" -j WEAVE-NPC-EGRESS`,
      String.raw`-o weave -m comment --comment "NOTE: this must go before \'-j KUBE-FORWARD\'" -j WEAVE-NPC`,
      "-o weave -m state --state NEW -j NFLOG --nflog-group 86",
      "-o weave -j DROP",
      "-i weave ! -o weave -j ACCEPT",
      "-o weave -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    ]);
    expect(formatIpsetSave(node?.ipsets ?? [])).toContain("add weave-;rGqyMIl1HN^cfDki~Z$3]6!N 10.32.0.2\n");
  });

  it("pods of two nodes meet through the fast datapath, with the peers' key", () => {
    const trace = world.trace("a", "10.32.1.2:80");
    expect(trace.verdict.disposition).toBe("DELIVERED");
    const [outcome] = trace.outcomes;
    const outer = outcome?.frames.find(
      ({ host, device, packet, direction }) =>
        host === "n0" && device === "eth0" && direction === "out" && packet === 1,
    );
    expect(outer?.vxlan).toEqual({ vni: 1 | (2 << 12) });
    expect(outer?.ip).toMatchObject({ src: "192.168.50.11", dst: "192.168.50.12" });
    // Once the peer is known, nobody else gets the frame.
    expect(outcome?.frames.some(({ host, packet }) => host === "n2" && packet === 1)).toBe(false);
    // It asked everybody who has the address.
    expect(outcome?.frames.some(({ host, packet }) => host === "n2" && packet === 0)).toBe(true);
  });

  it("what leaves the network takes the node's address", () => {
    const [outcome] = world.trace("a", "192.168.50.12:22").outcomes;
    expect(JSON.stringify(outcome?.server)).toContain("192.168.50.11");
  });

  it("the range is the DaemonSet's own", () => {
    const env = WEAVE.replace(
      "weave-kube:2.8.1}",
      'weave-kube:2.8.1, env: [{name: IPALLOC_RANGE, value: "10.128.0.0/16"}]}',
    );
    const other = yamlWorld(CLUSTER.replace(WEAVE, env)).cluster.world.hosts.get("n0");
    expect(other?.addresses.find(({ dev }) => dev === "weave")).toMatchObject({
      address: 0x0a800001,
      length: 16,
    });
  });
});
