import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Trace } from "../../src/walk/trace.ts";
import { hopscope } from "../cli/cli.ts";
import { hasWild, WILD } from "./wild.ts";

/**
 * What `INDEX.md` of the real-world inputs says of each, asked as a user would: the folder is given as it is, and a query
 * answers. Endpoints are elsewhere, so most packets end outside the model, their translation kept.
 */
interface Asked {
  readonly trace: Trace;
  readonly warnings: string;
}

async function ask(folder: string, from: string, to: string, ...flags: readonly string[]): Promise<Asked> {
  const { out, err, code } = await hopscope([
    ...["trace", from, to, "-f", join(WILD, folder), "-o", "json"],
    ...flags,
  ]);
  if (code > 1) throw new Error(`${folder}: exit code ${code}: ${err}`);
  return { trace: JSON.parse(out) as Trace, warnings: err };
}

/** A packet from anywhere that arrives at the folder's host. */
const arriving = (folder: string, to: string, host = hostOf(folder), from = "8.8.8.8"): Promise<Asked> =>
  ask(folder, from, to, "--at", `host/${host}`);

const hostOf = (folder: string): string => folder.split("/").at(-1) ?? folder;

type Outcome = Trace["outcomes"][number];

/** Where the request went after DNAT, with the odds: `10.244.0.2:53 1/2`. */
function destinations({ trace }: Asked): string[] {
  return trace.outcomes
    .map((outcome) => {
      const dnat = rewriteOf(outcome, "dst");
      const odds = outcome.probability === null ? "?" : oddsText(outcome.probability);
      return `${dnat ?? "not translated"} ${odds}`;
    })
    .sort();
}

function rewriteOf(outcome: Outcome, field: "src" | "dst"): string | undefined {
  return outcome.rewrites.findLast((rewrite) => rewrite.phase === "request" && rewrite.field === field)?.to;
}

function oddsText({ num, den }: { readonly num: number | string; readonly den: number | string }): string {
  return Number(den) > 1000 ? (Number(num) / Number(den)).toFixed(4) : `${num}/${den}`;
}

const verdicts = ({ trace }: Asked): string[] =>
  [...new Set(trace.outcomes.map(({ verdict }) => `${verdict.disposition} ${verdict.reason}`))].sort();

const sources = ({ trace }: Asked): (string | undefined)[] => [
  ...new Set(trace.outcomes.map((outcome) => rewriteOf(outcome, "src")?.replace(/:\d+$/, ""))),
];

const rules = ({ trace }: Asked): string[] =>
  trace.outcomes.flatMap((outcome) => outcome.rules.map(({ text }) => text));

describe.skipIf(!hasWild)("iptables-save of whole nodes", () => {
  describe("kubeadm 1.32 with flannel", () => {
    const folder = "kubeadm-1.32-flannel";

    it.each([
      ["10.96.0.10:53/udp", ["10.244.0.2:53 1/2", "10.244.0.3:53 1/2"]],
      ["10.96.0.10:53", ["10.244.0.2:53 1/2", "10.244.0.3:53 1/2"]],
      ["10.96.0.10:9153", ["10.244.0.2:9153 1/2", "10.244.0.3:9153 1/2"]],
      ["10.96.0.1:443", ["172.31.7.91:6443 1/1"]],
    ])("%s from outside the pods is translated and masqueraded", async (to, expected) => {
      const asked = await arriving(folder, to, `${folder}:eth0`);
      expect(destinations(asked)).toEqual(expected);
      expect(rules(asked)).toContainEqual(expect.stringContaining("-j MARK --set-xmark 0x4000/0x4000"));
      // The API server is the node itself: what is for it passes no POSTROUTING.
      expect(sources(asked)).toEqual(to.startsWith("10.96.0.1:") ? [undefined] : ["10.244.0.1"]);
    });

    it("from a pod nothing is masqueraded, and the node's own API server answers", async () => {
      const asked = await arriving(folder, "10.96.0.1:443", `${folder}:cni0`, "10.244.0.3");
      expect(destinations(asked)).toEqual(["172.31.7.91:6443 1/1"]);
      expect(rules(asked)).not.toContainEqual(expect.stringContaining("--set-xmark 0x4000"));
      const taken = asked.trace.outcomes[0]?.steps.find(({ kind }) => kind === "deliver");
      expect(taken?.text).toContain("delivered to 172.31.7.91:6443");
    });

    it("FLANNEL-POSTRTG returns on mark 0x4000 first", async () => {
      const { out } = await hopscope([
        ...["export", "--node", `host/${folder}`, "--format", "iptables-save", "-f", join(WILD, folder)],
      ]);
      const [first] = out.match(/^-A FLANNEL-POSTRTG .*$/gm) ?? [];
      expect(first).toMatch(/-m mark --mark 0x4000\/0x4000 .*-j RETURN$/);
      // What a pod sends elsewhere has no mark and is masqueraded there.
      const asked = await arriving(folder, "1.2.3.4:80", `${folder}:cni0`, "10.244.0.3");
      expect(rules(asked)).toContainEqual(
        expect.stringMatching(
          /^-A FLANNEL-POSTRTG -s 10\.244\.0\.0\/16 ! -d 224\.0\.0\.0\/4 .*-j MASQUERADE/,
        ),
      );
      expect(sources(asked)).toEqual(["172.31.7.91"]);
    });

    it("-S and -save of one table describe the same rules", async () => {
      const exported = async (file: string) => {
        const { out } = await hopscope([
          ...["export", "--node", `host/${file.replace(/\.txt$/, "")}`, "--format", "iptables-save"],
          ...["-f", join(WILD, folder, file)],
        ]);
        return out.split("\n").filter((line) => line.startsWith("-A"));
      };
      const saved = await exported("iptables-save.txt");
      const filter = await exported("iptables-t-filter-S.txt");
      const nat = await exported("iptables-t-nat-S.txt");
      expect([...filter, ...nat].sort()).toEqual([...saved].sort());
      expect(saved).toHaveLength(62);
    });

    it("routes lead to the pods over cni0, and what is assumed is said", async () => {
      const { trace } = await arriving(folder, "10.96.0.10:53/udp", `${folder}:eth0`);
      expect(verdicts({ trace, warnings: "" })).toEqual(["UNKNOWN left-model"]);
      expect(trace.assumptions.join("\n")).toContain("a part of the routing table only");
      expect(trace.verdict.certainty).toBe("assumed");
    });
  });

  describe("kubeadm 1.22 with flannel and libvirt", () => {
    const folder = "kubeadm-1.22-flannel-libvirt";

    it.each([
      ["10.98.69.149:3000", ["10.244.3.38:80 1/1"]],
      ["10.96.0.10:53/udp", ["10.244.0.5:53 1/2", "10.244.2.21:53 1/2"]],
    ])("%s", async (to, expected) => {
      expect(destinations(await arriving(folder, to, `${folder}:eth0`))).toEqual(expected);
    });

    it.each([1, 2, 3, 4, 5, 6, 7, 8, 9])(
      "port 220%i of 10.210.52.212 goes to 172.25.11 and its number, from 172.25.11.254",
      async (i) => {
        const asked = await arriving(folder, `10.210.52.212:220${i}`, `${folder}:eth0`);
        expect(destinations(asked)).toEqual([`172.25.11.${i}:22 1/1`]);
        expect(sources(asked)).toEqual(["172.25.11.254"]);
      },
    );

    it("anything that leaves eth0 is masqueraded before flannel's rules are looked at", async () => {
      const asked = await arriving(folder, "10.244.2.9:80", `${folder}:docker0`, "10.244.0.9");
      const texts = rules(asked);
      expect(texts).toContainEqual("-A POSTROUTING -o eth0 -j MASQUERADE");
      expect(texts.filter((text) => /10\.244\.0\.0\/16/.test(text) && /POSTROUTING/.test(text))).toEqual([]);
    });
  });

  describe("kubeadm 1.11 without CNI", () => {
    const folder = "kubeadm-1.11-no-cni";

    it.each(["10.96.0.10:53/udp", "10.96.0.10:53/tcp"])("%s has no endpoints: rejected", async (to) => {
      const asked = await ask(folder, `host/${folder}`, to);
      expect(verdicts(asked)).toEqual(["REJECTED rule-reject"]);
      expect(rules(asked)).toContainEqual(expect.stringContaining("has no endpoints"));
    });

    it("kubernetes is the node's own API server, at the address its route proves", async () => {
      const asked = await ask(folder, `host/${folder}`, "10.96.0.1:443");
      expect(destinations(asked)).toEqual(["192.168.50.101:6443 1/1"]);
      expect(verdicts(asked)).toEqual(["DELIVERED answered"]);
      expect(asked.trace.assumptions.join("\n")).toContain("enp0s8 192.168.50.101/24 (its route says so)");
    });
  });

  describe("calico felix", () => {
    it("kubernetes goes to 10.128.0.183:6443", async () => {
      expect(destinations(await ask("calico-felix", "host/calico-felix", "10.96.0.1:443"))).toEqual([
        "10.128.0.183:6443 1/1",
      ]);
    });

    it("forwarding is dropped by default, docker's own traffic is not", async () => {
      expect(verdicts(await arriving("calico-felix", "1.2.3.4:80", "calico-felix:eth0"))).toEqual([
        "DROPPED policy-drop",
      ]);
      expect(
        verdicts(await arriving("calico-felix", "1.2.3.4:80", "calico-felix:docker0", "172.17.0.2")),
      ).toEqual(["UNKNOWN left-model"]);
    });
  });

  describe("a published port of docker, without its proxy", () => {
    const folder = "docker-published-port";

    it.each([
      ["a local address", () => arriving(folder, "172.17.0.1:80", `${folder}:eth0`), [undefined]],
      ["from the host itself", () => ask(folder, `host/${folder}`, "192.0.2.1:80"), ["172.17.0.1"]],
      ["127.0.0.1, masqueraded", () => ask(folder, `host/${folder}`, "127.0.0.1:80"), ["172.17.0.1"]],
      [
        "hairpin, masqueraded",
        () => arriving(folder, "172.17.0.1:80", `${folder}:docker0`, "172.17.0.2"),
        ["172.17.0.1"],
      ],
    ])("%s", async (_, question, from) => {
      const asked = await question();
      expect(destinations(asked)).toEqual(["172.17.0.2:80 1/1"]);
      expect(sources(asked)).toEqual(from);
    });
  });
});

describe.skipIf(!hasWild)("lists of docker and istio", () => {
  it("docker: host port 8080 goes to 192.0.2.2:80 on bridge1, from bridge1 itself it does not while the proxy is on", async () => {
    const at = (device: string, from: string) =>
      ask("docker-iptables", from, "198.51.100.1:8080", "--at", `host/usernet-portmap:${device}`);
    expect(destinations(await at("eth0", "8.8.8.8"))).toEqual(["192.0.2.2:80 1/1"]);
    expect(destinations(await at("bridge1", "192.0.2.9"))).toEqual(["not translated 1/1"]);
    const noproxy = await ask(
      "docker-iptables",
      "192.0.2.9",
      "198.51.100.1:8080",
      ...["--at", "host/usernet-portmap-noproxy:bridge1"],
    );
    expect(destinations(noproxy)).toEqual(["192.0.2.2:80 1/1"]);
  });

  it("docker: the lists in the Markdown say the same as the commands beside them", async () => {
    const { trace } = await ask(
      "docker-iptables",
      "8.8.8.8",
      "192.0.2.2:80",
      "--at",
      "host/usernet-portmap:eth0",
    );
    expect(trace.verdict).toMatchObject({ disposition: "DROPPED", reason: "rule-drop" });
    expect(trace.outcomes[0]?.rules.at(-1)?.text).toBe("-A PREROUTING -d 192.0.2.2/32 ! -i bridge1 -j DROP");
  });

  it("docker: no way out of an internal network", async () => {
    const asked = await ask(
      "docker-iptables",
      "192.0.2.9",
      "8.8.8.8:80",
      "--at",
      "host/usernet-internal:bridgeICC",
    );
    expect(verdicts(asked)).toEqual(["DROPPED rule-drop"]);
  });

  it("docker: swarm's host port 8080 goes to a container at docker_gwbridge", async () => {
    const asked = await ask(
      "docker-iptables",
      "8.8.8.8",
      "192.0.2.1:8080",
      "--at",
      "host/swarm-portmap:eth0",
    );
    expect(destinations(asked)).toEqual(["172.18.0.2:8080 1/1"]);
  });

  describe("istio", () => {
    const folder = "istio-iptables";

    it("what uid 1337 sends returns untranslated", async () => {
      const asked = await ask(folder, "host/basic-exclude-nic", "1.2.3.4:80", "--uid", "1337");
      expect(rules(asked)).toContainEqual("-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN");
      expect(destinations(asked)).toEqual(["not translated 1/1"]);
    });

    it("DNS of a pod is redirected to 15053", async () => {
      const asked = await ask(folder, "host/loopback-outbound-iprange", "127.0.0.53:53/udp", "--uid", "1000");
      expect(destinations(asked)).toContain("127.0.0.1:15053 ?");
    });

    it("to 127.1.2.3 it is redirected to 15001", async () => {
      const asked = await ask(folder, "host/loopback-outbound-iprange", "127.1.2.3:80", "--uid", "1000");
      // The group of a socket is not modelled: both ways are walked, and for no known group it is the redirect.
      expect(destinations(asked)).toContain("127.0.0.1:15001 ?");
      expect(asked.trace.verdict.certainty).toBe("unknown-match");
    });

    it("inbound to 4000 goes to 15006, from excluded devices it does not", async () => {
      const own = await hopscope([
        "export",
        "--node",
        "ipv6-ipnets",
        "--format",
        "iptables-save",
        "-f",
        join(WILD, folder),
      ]);
      expect(own.out.match(/^-A PREROUTING .*/gm)).toEqual([
        "-A PREROUTING -i eth1 -j RETURN",
        "-A PREROUTING -i eth0 -j RETURN",
        "-A PREROUTING -p tcp -j ISTIO_INBOUND",
      ]);
      const excluded = await ask(folder, "8.8.8.8", "192.0.2.1:4000", "--at", "host/ipv6-ipnets:eth0");
      expect(destinations(excluded)).toEqual(["not translated 1/1"]);
      const six = ["export", "--node", "ipv6-ipnets", "--format", "ip6tables-save", "-f", join(WILD, folder)];
      expect((await hopscope(six)).out.match(/^-A PREROUTING .*/gm)).toEqual([
        "-A PREROUTING -d 2001:db8::/32 -i eth1 -j ISTIO_REDIRECT",
        "-A PREROUTING -d 2001:db8::/32 -i eth0 -j ISTIO_REDIRECT",
        "-A PREROUTING -i eth1 -j RETURN",
        "-A PREROUTING -i eth0 -j RETURN",
        "-A PREROUTING -p tcp -j ISTIO_INBOUND",
      ]);
    });
  });
});

describe.skipIf(!hasWild)("lists of iptables -L", () => {
  it("a NodePort of 2019: 30080 of default/nginx-svc", async () => {
    const folder = "iptables-L-nodeport-2019";
    const asked = await ask(folder, `host/${folder}`, "192.0.2.1:30080");
    expect(destinations(asked)).toEqual(["10.244.1.3:80 1/1"]);
    expect(rules(asked)).toContainEqual(expect.stringContaining("default/nginx-svc"));
    const dns = await ask(folder, `host/${folder}`, "10.96.0.10:53/udp");
    expect(destinations(dns)).toEqual(["10.244.0.24:53 1/2", "10.244.0.25:53 1/2"]);
  });

  describe("one Service in three forms", () => {
    const folder = "one-service-set-three-modes";

    it.each(["10.96.98.173:80", "172.35.0.200:80", "192.0.2.1:30781"])(
      "%s: a third goes to the endpoint that is listed",
      async (to) => {
        const asked = await arriving(folder, to);
        const [listed, ...others] = destinations(asked).filter((each) => each.startsWith("192.167.2.231:80"));
        expect(listed).toBe("192.167.2.231:80 0.3333");
        expect(others).toEqual([]);
        expect(asked.trace.outcomes).toHaveLength(3);
        // What the other two do the dump does not show: the verdict names the chains.
        const unknown = asked.trace.outcomes.flatMap(({ verdict }) => verdict.unknown ?? []).join("\n");
        expect(unknown).toContain("KUBE-SEP-AHRDCNDYGFSFVA64");
        expect(unknown).toContain("KUBE-SEP-BK523K4AX5Y34OZL");
      },
    );

    it("from outside 192.167.0.0/16 it is masqueraded; pre-1.19 in KUBE-SERVICES itself", async () => {
      const asked = await arriving(folder, "10.103.1.234:80");
      expect(rules(asked)).toContainEqual(expect.stringContaining("! -s 192.167.0.0/16 -d 10.103.1.234/32"));
      expect(sources(asked)).toEqual(["192.0.2.1"]);
    });
  });
});

describe.skipIf(!hasWild)("IPVS and nftables", () => {
  it.each([
    ["ipvs-minikube", "172.17.0.1:32470", "ipvs-minikube", ["172.17.0.3:80", "172.17.0.4:80"]],
    ["ipvs-minikube", "192.168.5.100:32470", "ipvs-minikube", ["172.17.0.3:80", "172.17.0.4:80"]],
    ["ipvs-minikube", "10.104.59.61:80", "ipvs-minikube", ["172.17.0.3:80", "172.17.0.4:80"]],
    ["ipvs-minikube", "10.105.243.201:80", "ipvs-minikube", ["172.17.0.3:80", "172.17.0.4:80"]],
    ["ipvs-minikube", "10.96.0.1:443", "ipvs-minikube", ["192.168.5.100:8443"]],
    ["ipvs-minikube", "10.96.0.10:53/udp", "ipvs-minikube", ["172.17.0.5:53"]],
    ["ipvs-feiskyer", "10.0.0.1:443", "ipvs-feiskyer", ["192.168.0.1:6443"]],
    [
      "ipvs-three-masters",
      "10.254.0.1:443",
      "172.27.137.229",
      ["172.27.137.229:6443", "172.27.138.239:6443", "172.27.138.251:6443"],
    ],
  ])("%s: %s goes to its real servers", async (folder, to, host, servers) => {
    const { trace } = await arriving(folder, to, host);
    const found = trace.outcomes.flatMap(({ rewrites }) =>
      rewrites.filter(({ field }) => field === "dst").map((rewrite) => rewrite.to),
    );
    expect([...new Set(found)].sort()).toEqual([...servers].sort());
    expect(trace.assumptions.join("\n")).toContain("its virtual servers'");
  });

  it("nft-kube-proxy-flannel: what was cut off is said", async () => {
    const folder = "nft-kube-proxy-flannel";
    const { trace } = await arriving(folder, "10.255.36.158:8000", folder);
    expect(trace.assumptions.join("\n")).toContain("nft's table ip kube-proxy has no base chain in the dump");
  });

  it("docker-nftables: a published port goes to its container", async () => {
    const { trace } = await arriving("docker-nftables", "192.0.2.1:8080", "usernet-portmap");
    const found = trace.outcomes[0]?.rewrites.find(({ field }) => field === "dst");
    expect(found?.to).toBe("192.0.2.2:80");
  });

  it("ipvsadm -Ln is kept as ipvsadm -Sn, in the snapshot's own field", async () => {
    const { out } = await hopscope([
      "export",
      "--node",
      "ipvs-feiskyer",
      "--format",
      "snapshot",
      "-f",
      join(WILD, "ipvs-feiskyer"),
    ]);
    const { hosts } = JSON.parse(out) as { hosts: Record<string, { ipvs: string }> };
    expect(hosts["ipvs-feiskyer"]?.ipvs).toBe(
      [
        "-A -t 10.0.0.1:443 -s rr -p 10800",
        "-a -t 10.0.0.1:443 -r 192.168.0.1:6443 -m -w 1",
        "-A -t 10.0.0.10:53 -s rr",
        "-a -t 10.0.0.10:53 -r 172.17.0.2:53 -m -w 1",
        "-A -u 10.0.0.10:53 -s rr",
        "-a -u 10.0.0.10:53 -r 172.17.0.2:53 -m -w 1",
        "",
      ].join("\n"),
    );
  });

  it("kube-ipvs0 is DOWN and NOARP, and its nine addresses are the node's own", async () => {
    const folder = "ipvs-kube-ipvs0";
    const { out } = await hopscope([
      "export",
      "--node",
      folder,
      "--format",
      "snapshot",
      "-f",
      join(WILD, folder),
    ]);
    const { hosts } = JSON.parse(out) as {
      hosts: Record<string, { routes: { type?: string; dst: string; dev: string }[] }>;
    };
    const local = hosts[folder]?.routes.filter(({ type, dev }) => type === "local" && dev === "kube-ipvs0");
    expect(local).toHaveLength(9);
  });
});

describe.skipIf(!hasWild)("routes, links, neighbours", () => {
  it("insights-core's iptables loads, and its REJECT answers", async () => {
    const asked = await ask(
      "insights-core/iptables",
      "8.8.8.8",
      "192.0.2.1:23",
      "--at",
      "host/iptables_save",
    );
    expect(verdicts(asked)).toEqual(["REJECTED rule-reject"]);
  });

  it.each([
    ["bad_neigh_context.txt", "bad_neigh_context.txt:6: "],
    ["ip_route_show_table_all_test_bad.txt", "ip_route_show_table_all_test_bad.txt:3: "],
  ])("%s: one clear line", async (file, said) => {
    const { err, code } = await hopscope(["trace", "a", "b", "-f", join(WILD, "insights-core/ip", file)]);
    const errors = err.split("\n").filter((line) => line.startsWith("error"));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(said);
    expect(code).toBe(2);
  });

  it.each([
    ["ip_addr_test.txt", ["lo", "eth7", "tunl0", "tunl1", "bond1.57", "ip.tun2"]],
    ["ip_d_s_link_malformed_bond_slave.txt", ["enp2s0"]],
    ["ip_s_link_all.txt", ["lo", "enp0s25", "wlp3s0", "virbr0", "virbr0-nic", "vnet0", "ppp0", "tun0"]],
    ["ip_s_link_all_3.txt", ["lo", "eth0", "eth1", "eth0_1", "vxlan_sys_4789", "gre1", "geneve1"]],
    ["ip_s_link_all_5.txt", ["lo", "ens1"]],
  ])("%s: its devices", async (file, devices) => {
    const name = file.replace(/\.txt$/, "");
    const path = join(WILD, "insights-core/ip", file);
    const { out, err } = await hopscope([
      "export",
      "--node",
      `host/${name}`,
      "--format",
      "snapshot",
      "-f",
      path,
    ]);
    expect(err.replace(/^warning:.*\n/gm, "")).toBe("");
    const { hosts } = JSON.parse(out) as { hosts: Record<string, { links: { ifname: string }[] }> };
    expect(hosts[name]?.links.map(({ ifname }) => ifname)).toEqual(expect.arrayContaining(devices));
  });

  it("the routes of insights-core lead where they say", async () => {
    const path = "insights-core/ip/ip_route_show_table_all_test_2.txt";
    const { trace } = await ask(path, "host/ip_route_show_table_all_test_2", "10.9.9.9:80");
    const routed = trace.outcomes[0]?.steps.find(({ kind }) => kind === "route")?.text;
    expect(routed).toContain("via 10.64.54.1 dev tun0");
  });

  it("OpenShift's nodes: br-ex, ovn-k8s-mp0, and the routes to pods and Services", async () => {
    const folder = "openshift-nodenetworkstate";
    const node = "ip-10-0-21-41.us-east-2.compute.internal";
    const { out } = await hopscope(["export", "--node", node, "--format", "ip", "-f", join(WILD, folder)]);
    expect(out).toContain("ip addr add 10.130.8.2/23 dev ovn-k8s-mp0");
    expect(out).toMatch(/ip addr add 169\.254\.0\.2\/17 .*dev br-ex/);
    const route = async (to: string) => {
      const { trace } = await ask(folder, `host/${node}`, to);
      return trace.outcomes[0]?.steps.find(({ kind }) => kind === "route")?.text;
    };
    expect(await route("10.128.0.5:80")).toContain("via 10.130.8.1 dev ovn-k8s-mp0");
    expect(await route("172.30.0.10:53")).toContain("via 169.254.0.4 dev br-ex");
    expect(await route("8.8.8.8:53")).toContain("via 10.0.0.1 dev br-ex");
  });
});

describe.skipIf(!hasWild)("dumps of clusters", () => {
  describe("AKS 2020", () => {
    const folder = "cluster-aks-2020";
    const POD = "pod/kube-system/omsagent-rs-67cc4766df-8nnnf";

    it.each([
      ["10.0.0.10:53/udp", ["10.244.0.10:53 1/2", "10.244.0.7:53 1/2"]],
      ["svc/kube-system/metrics-server", ["10.244.0.3:443 1/1"]],
    ])("%s", async (to, expected) => {
      expect(destinations(await ask(folder, POD, to))).toEqual(expected);
    });

    it("a target port by name is looked up in the pod", async () => {
      const from = "pod/kube-system/metrics-server-6df44d5569-hx8dv";
      const { trace } = await ask(folder, from, "svc/kube-system/healthmodel-replicaset-service");
      expect(rewriteOf(trace.outcomes[0] as Outcome, "dst")).toMatch(/^10\.244\.0\.4:\d+$/);
    });

    it("kubernetes has no selector and no endpoints: refused, not crashed", async () => {
      const asked = await ask(folder, POD, "svc/default/kubernetes:443");
      expect(verdicts(asked)).toEqual(["REJECTED rule-reject"]);
    });

    it("says which CNI it took, for nothing names one", async () => {
      const { trace } = await ask(folder, POD, "10.0.0.10:53/udp");
      expect(trace.assumptions.join("\n")).toContain("CNI flannel: nothing in the input names a CNI");
    });
  });

  it("troubleshoot: hidden addresses are reported; with --cni the cluster is built", async () => {
    const path = join(WILD, "cluster-troubleshoot-nodes");
    const refused = await hopscope(["trace", "node/smallnode-3i74t", "1.2.3.4:80", "-f", path]);
    expect(refused.code).toBe(2);
    const errors = refused.err.split("\n").filter((line) => line.startsWith("error"));
    expect(errors).toEqual([expect.stringMatching(/the CNI cilium is not modelled .*--cni flannel/)]);
    expect(refused.err).toContain("***HIDDEN***");
    const built = await hopscope([
      "trace",
      "node/smallnode-3i74t",
      "1.2.3.4:80",
      "-q",
      "--cni",
      "flannel",
      "-f",
      path,
    ]);
    expect(built.err.split("\n").filter((line) => line.startsWith("error"))).toEqual([]);
  });
});

describe.skipIf(!hasWild)("manifests", () => {
  it.each([["cni-kube-router", "kube-router"]])(
    "%s: one line names the CNI and how to go on, and that works",
    async (folder, cni) => {
      const path = join(WILD, "manifests", folder);
      const refused = await hopscope(["trace", "node/node1", "node/node2", "-f", path]);
      const errors = refused.err.split("\n").filter((line) => line.startsWith("error"));
      expect(errors).toEqual([
        expect.stringMatching(new RegExp(`the CNI ${cni} is not (?:built yet|modelled) .*--cni flannel`)),
      ]);
      const built = await hopscope([
        "trace",
        "node/node1",
        "node/node2:22",
        "-q",
        "--cni",
        "flannel",
        "-f",
        path,
      ]);
      expect(built.out).toMatch(/^DELIVERED/);
    },
  );

  it.each(["cni-flannel", "cni-calico", "cni-canal", "cni-weave"])(
    "%s, as its makers publish it",
    async (folder) => {
      const { trace } = await ask(`manifests/${folder}`, "node/node1", "node/node2:22");
      expect(trace.verdict.disposition).toBe("DELIVERED");
    },
  );

  it("online-boutique: frontend 80 goes to 8080", async () => {
    const { trace } = await ask("manifests/online-boutique", "deploy/loadgenerator", "svc/frontend:80");
    expect(trace.verdict.disposition).toBe("DELIVERED");
    expect(rewriteOf(trace.outcomes[0] as Outcome, "dst")).toMatch(/:8080$/);
  });

  it("sock-shop: front-end answers on NodePort 30001 of any node", async () => {
    const { trace } = await ask("manifests/sock-shop", "external", "node/node2:30001");
    expect(trace.outcomes.map(({ server }) => server?.host)).toEqual([
      expect.stringMatching(/^front-end-.*sock-shop/),
    ]);
  });

  it("guestbook and bookinfo answer", async () => {
    const guestbook = await ask(
      "manifests/guestbook/all-in-one_guestbook-all-in-one.yaml",
      "deploy/frontend",
      "svc/redis-master:6379",
    );
    expect(guestbook.trace.verdict.disposition).toBe("DELIVERED");
    const bookinfo = await ask("manifests/bookinfo", "deploy/productpage-v1", "svc/reviews:9080");
    expect(destinations(bookinfo)).toHaveLength(3);
  });
});
