import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ownerText } from "../../src/inventory/owner/owner-text.ts";
import { RuleOwners } from "../../src/inventory/owner/rule-owners.ts";
import { emptyHost } from "../../src/kernel/host.ts";
import type { Ruleset } from "../../src/kernel/netfilter/rule.ts";
import { formatRule } from "../../src/kernel/netfilter/save/format.ts";
import { parseIptablesSave } from "../../src/kernel/netfilter/save/parse.ts";
import type { Service } from "../../src/object/kubernetes-object.ts";
import type { Lister } from "../../src/object/object-map.ts";
import { ObjectMap } from "../../src/object/object-map.ts";
import { freshNodeRuleset } from "../../src/proxy/iptables/fresh-node.ts";
import { IptablesProxier } from "../../src/proxy/iptables/proxier.ts";
import { proxyModel } from "../../src/proxy/model.ts";
import { NO_ORIGINS } from "../../src/world/origins.ts";
import type { Owner, World } from "../../src/world/world.ts";
import { recordedWorld } from "../present/asked.ts";
import { CASES } from "../proxy/cases.ts";
import { CONFIGURATION, NODE } from "../proxy/objects.ts";
import { WILD } from "../source/wild.ts";

interface Owned {
  readonly table: string;
  readonly text: string;
  readonly chain: string;
  readonly owner: Owner | undefined;
}

/** Every rule of a host with its owner. */
function ownersOf(world: World, host: string, objects: Lister | null = null): Owned[] {
  const owners = new RuleOwners(objects);
  return [...(world.hosts.get(host)?.iptables?.tables.values() ?? [])].flatMap((table) =>
    [...table.chains.values()].flatMap(({ name, rules }) =>
      rules.map((rule) => ({
        table: table.name,
        chain: name,
        text: formatRule(name, rule),
        owner: owners.ownerOf(world, host, table.name, name, rule),
      })),
    ),
  );
}

function worldOf(iptables: Ruleset): World {
  return { hosts: new Map([["n", { ...emptyHost("n", "node"), iptables }]]), wires: [], origins: NO_ORIGINS };
}

function worldOfText(text: string): World {
  const read = parseIptablesSave(text);
  if (read.kind !== "ok") throw new Error(JSON.stringify(read));
  return worldOf(read.ruleset);
}

const shown = ({ owner }: Owned): string => (owner === undefined ? "nobody" : ownerText({ ...owner }));

describe("owners of kube-proxy's rules", () => {
  it.each(CASES.map((one) => [one.name, one] as const))(
    "%s: by the hashes of objects and by comments alone it is the same Service",
    (_, { services, slices, configuration, node }) => {
      const proxier = new IptablesProxier(proxyModel(services, slices), {
        ...CONFIGURATION,
        ...configuration,
      });
      const ruleset = freshNodeRuleset(proxier.rulesFor({ ...NODE, ...node }), {
        kubelet: true,
        canaries: true,
      });
      const objects = new ObjectMap(services as unknown as Service[]);
      const exact = ownersOf(worldOf(ruleset), "n", objects);
      const read = ownersOf(worldOf(ruleset), "n");
      for (const [i, { owner, text, chain }] of exact.entries()) {
        const other = read[i]?.owner;
        expect({ ...other, field: "" }, text).toEqual({ ...owner, field: "" });
        expect(owner?.inferred).toBe(true);
        if (/^KUBE-(SVC|SVL|EXT|FW|SEP)-/.test(chain)) {
          expect(owner?.kind, text).toBe("Service");
          const index = /^spec\.ports\[(\d+)\]$/.exec(owner?.field ?? "")?.[1];
          const service = services.find(({ metadata }) => metadata?.name === owner?.name);
          const name = service?.spec?.ports?.[Number(index)]?.name ?? "";
          expect(other?.field).toBe(name === "" ? "spec.ports[0]" : `spec.ports[name=${name}]`);
        }
      }
    },
  );

  it("are the Services that its comments name, in a recorded node", () => {
    for (const rule of ownersOf(recordedWorld("d-services-vxlan"), "node1")) {
      const [, comment] = /--comment "?(\w[\w-]*\/[\w-]+)(?::[\w-]+)?[ "]/.exec(rule.text) ?? [];
      if (comment !== undefined && rule.chain.startsWith("KUBE-"))
        expect(`${rule.owner?.namespace}/${rule.owner?.name}`, rule.text).toBe(comment);
      if (/^KUBE-(SVC|SVL|EXT|FW|SEP)-/.test(rule.chain)) expect(rule.owner?.kind, rule.text).toBe("Service");
    }
  });
});

describe("owners of others' rules", () => {
  const FILTER = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
  const NAT =
    "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n";

  it.each([
    ["a hand-written rule", FILTER, "-A INPUT -p tcp --dport 22 -j ACCEPT", "nobody"],
    [
      "a hand-written comment that looks like a Service's",
      FILTER,
      `-A INPUT -m comment --comment "a/b" -j ACCEPT`,
      "nobody",
    ],
    [
      "flannel without chains (before 0.20)",
      NAT,
      `-A POSTROUTING -s 10.244.0.0/16 -m comment --comment "flanneld masq" -j RETURN`,
      "flannel (inferred)",
    ],
    [
      "docker: a published port",
      `${NAT}:DOCKER - [0:0]\n`,
      "-A DOCKER -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80",
      "Container 172.17.0.2 (inferred)",
    ],
    [
      "docker: masquerading of a container that asks itself",
      NAT,
      "-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
      "Container 172.17.0.2 (inferred)",
    ],
    [
      "docker: masquerading of its network",
      NAT,
      "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
      "docker (inferred)",
    ],
    [
      "docker: isolation",
      `${FILTER}:DOCKER-ISOLATION-STAGE-1 - [0:0]\n`,
      "-A FORWARD -j DOCKER-ISOLATION-STAGE-1",
      "docker (inferred)",
    ],
    [
      "calico: a policy of Kubernetes, named in a comment",
      `${FILTER}:cali-tw-cali123 - [0:0]\n`,
      `-A cali-tw-cali123 -m comment --comment "cali:abc" -m comment --comment "Policy shop/knp.default.web ingress" -j DROP`,
      "NetworkPolicy shop/web (inferred)",
    ],
    [
      "calico: a global policy",
      `${FILTER}:cali-tw-cali123 - [0:0]\n`,
      `-A cali-tw-cali123 -m comment --comment "Policy default.deny ingress" -j DROP`,
      "GlobalNetworkPolicy default.deny (inferred)",
    ],
    [
      "calico: a workload",
      `${FILTER}:cali-tw-cali123 - [0:0]\n`,
      "-A cali-tw-cali123 -j DROP",
      "WorkloadEndpoint cali123 (inferred)",
    ],
    [
      "calico: a namespace's profile",
      `${FILTER}:cali-pri-kns.shop - [0:0]\n`,
      "-A cali-pri-kns.shop -j MARK --set-xmark 0x10000/0x10000",
      "Namespace shop (inferred)",
    ],
    [
      "calico: its own",
      `${FILTER}:cali-FORWARD - [0:0]\n`,
      "-A FORWARD -j cali-FORWARD",
      "calico (inferred)",
    ],
    [
      "portmap: a container's chain, by the rule that leads there",
      `${NAT}:CNI-HOSTPORT-DNAT - [0:0]\n:CNI-DN-77984b96cd25530e36330 - [0:0]\n-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"pmnet\\" id: \\"cid-pod1\\"" -m multiport --dports 8080 -j CNI-DN-77984b96cd25530e36330\n`,
      "-A CNI-DN-77984b96cd25530e36330 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.30.0.2:80",
      "Container cid-pod1 network pmnet (inferred)",
    ],
    [
      "portmap: what all containers share",
      `${NAT}:CNI-HOSTPORT-MASQ - [0:0]\n`,
      "-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE",
      "portmap (inferred)",
    ],
    [
      "istio",
      `${NAT}:ISTIO_REDIRECT - [0:0]\n`,
      "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
      "istio (inferred)",
    ],
  ])("%s", (_, head, rule, owner) => {
    const all = ownersOf(worldOfText(`${head}${rule}\nCOMMIT\n`), "n");
    expect(shown(all.find(({ text }) => text === formatted(head, rule)) as Owned)).toBe(owner);
  });

  /** As the tool prints it back, which is how the rules are listed. */
  function formatted(head: string, rule: string): string {
    const all = ownersOf(worldOfText(`${head}${rule}\nCOMMIT\n`), "n");
    return (all.filter(({ chain }) => rule.startsWith(`-A ${chain} `)).at(-1) as Owned).text;
  }

  const NODES = [
    "kubeadm-1.32-flannel/iptables-save.txt",
    "docker-published-port/iptables-save-userland-proxy-off.txt",
    "calico-felix/iptables-dump.txt",
  ].filter((file) => existsSync(join(WILD, file)));

  it.each(NODES)("%s: every rule of a real node is somebody's", (file) => {
    const all = ownersOf(worldOfText(readFileSync(join(WILD, file), "utf8")), "n");
    expect(all.length).toBeGreaterThan(10);
    const nobodys = all.filter(({ owner }) => owner === undefined).map(({ text }) => text);
    expect(nobodys).toEqual([]);
  });
});
