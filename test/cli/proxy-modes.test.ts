import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hopscope } from "./cli.ts";

/** A cluster of objects under each of kube-proxy's modes: chosen by its document or the flag, traced and compared. */

const folder = mkdtempSync(join(tmpdir(), "hopscope-"));

function node(name: string, address: string, podCIDR: string): object {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    spec: { podCIDR, podCIDRs: [podCIDR] },
    status: { addresses: [{ type: "InternalIP", address }], nodeInfo: { kubeletVersion: "v1.34.0" } },
  };
}

function pod(name: string, nodeName: string, podIP: string, port?: number): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name.replace(/-\d$/, "") } },
    spec: {
      nodeName,
      containers: [
        { name: "c", image: "x", ...(port === undefined ? {} : { ports: [{ containerPort: port }] }) },
      ],
    },
    status: { phase: "Running", podIP, conditions: [{ type: "Ready", status: "True" }] },
  };
}

function service(name: string, clusterIP: string, app: string, more: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: {
      type: "NodePort",
      clusterIP,
      selector: { app },
      ports: [{ name: "http", port: 80, targetPort: 8080, nodePort: Number(`30${clusterIP.slice(-3)}`) }],
      ...more,
    },
  };
}

const OBJECTS = [
  node("n1", "192.168.0.2", "10.244.0.0/24"),
  node("n2", "192.168.0.3", "10.244.1.0/24"),
  pod("client", "n1", "10.244.0.5"),
  pod("web-0", "n1", "10.244.0.6", 8080),
  pod("web-1", "n2", "10.244.1.6", 8080),
  pod("db-0", "n2", "10.244.1.7", 8080),
  service("web", "10.96.0.120", "web"),
  service("near", "10.96.0.121", "db", { internalTrafficPolicy: "Local", externalTrafficPolicy: "Local" }),
  service("inner", "10.96.0.124", "db", {
    type: "ClusterIP",
    internalTrafficPolicy: "Local",
    ports: [{ name: "http", port: 80, targetPort: 8080 }],
  }),
  service("nobody", "10.96.0.122", "nobody"),
  service("closed", "10.96.0.123", "web", {
    type: "LoadBalancer",
    loadBalancerSourceRanges: ["10.9.9.0/24"],
  }),
];

function written(name: string, ...more: object[]): string {
  const path = join(folder, `${name}.json`);
  const items = OBJECTS.map((one) =>
    JSON.stringify(one).includes('"name":"closed"')
      ? { ...one, status: { loadBalancer: { ingress: [{ ip: "198.51.100.9" }] } } }
      : one,
  );
  writeFileSync(path, [...items, ...more].map((one) => JSON.stringify(one)).join("\n"));
  return path;
}

function proxyDocument(mode: string, more: object = {}): object {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode,
    clusterCIDR: "10.244.0.0/16",
    ...more,
  };
}

/** The verdict's line. */
async function verdict(path: string, from: string, to: string, ...more: string[]): Promise<string> {
  const { out } = await hopscope(["trace", from, to, "-q", "-f", path, ...more]);
  return out.trimEnd();
}

const MODES = ["iptables", "ipvs", "nftables"] as const;

describe.each(MODES)("a cluster in mode %s", (mode) => {
  const path = written(mode, proxyDocument(mode));

  it("a Service answers, from a pod and from outside", async () => {
    expect(await verdict(path, "pod/client", "svc/web:80")).toMatch(
      /^DELIVERED .* answered by pod default\/web-[01] or pod default\/web-[01]$/,
    );
    expect(await verdict(path, "external", "192.168.0.3:30120")).toMatch(/^DELIVERED /);
  });

  it("the fault of a Service without endpoints is its selector", async () => {
    const line = await verdict(path, "pod/client", "svc/nobody:80");
    expect(line).toMatch(mode === "ipvs" ? /^REFUSED/ : /^REJECTED/);
    expect(line).toContain("the selector app=nobody of Service default/nobody matches no pod");
  });

  it("the fault of a Service without endpoints here is its policy", async () => {
    const inside = await verdict(path, "pod/client", "svc/near:80");
    const outside = await verdict(path, "external", "192.168.0.2:30121");
    const inner = await verdict(path, "pod/client", "svc/inner:80");
    const has = (policy: string) => `has ${policy} Local and no ready endpoint on n1; n2 has one`;
    expect(inner).toMatch(mode === "ipvs" ? /^REFUSED/ : /^DROPPED/);
    expect(inner).toContain(`Service default/inner ${has("internalTrafficPolicy")}`);
    if (mode === "ipvs") {
      // Where there are ways from outside, IPVS has the endpoints elsewhere too and keeps to no policy.
      expect(inside).toMatch(/^DELIVERED .* answered by pod default\/db-0$/);
      expect(outside).not.toMatch(/^DROPPED/);
    } else {
      expect(inside).toContain(`Service default/near ${has("internalTrafficPolicy")}`);
      expect(outside).toContain(`Service default/near ${has("externalTrafficPolicy")}`);
    }
  });

  it("the fault of a client outside the source ranges is the ranges", async () => {
    const line = await verdict(path, "external", "198.51.100.9:80");
    expect(line).toMatch(
      /^DROPPED .* 203\.0\.113\.\d+ is in none of the loadBalancerSourceRanges of Service default\/closed/,
    );
  });

  it("its node's state is exported in the tools' forms, and traced the same from there", async () => {
    const { out } = await hopscope(["export", "--node", "n1", "--format", "snapshot", "-f", path]);
    const { hosts } = JSON.parse(out) as { hosts: Record<string, Record<string, string>> };
    const text = JSON.stringify(hosts["n1"]);
    expect(text.includes("KUBE-SVC-")).toBe(mode === "iptables");
    expect(text.includes("table ip kube-proxy")).toBe(mode === "nftables");
    expect(text.includes("KUBE-IPVS-IPS")).toBe(mode === "ipvs");
    const again = await hopscope([
      "export",
      "--node",
      "n1",
      "--format",
      mode === "ipvs" ? "ipvsadm" : mode === "nftables" ? "nft" : "iptables-save",
      "-f",
      path,
    ]);
    expect(again.code).toBe(0);
    expect(again.out).toContain("10.96.0.120");
  });
});

describe("which mode", () => {
  it("the flag has it over the document", async () => {
    const path = written("flag", proxyDocument("iptables"));
    expect(await verdict(path, "pod/client", "10.96.0.120/icmp", "--proxy-mode", "nftables")).toMatch(
      /^REJECTED/,
    );
    expect(await verdict(path, "pod/client", "10.96.0.120/icmp")).toMatch(/^UNREACHABLE/);
  });

  it("IPVS is set by its own section: the scheduler, ARP, times", async () => {
    const path = written(
      "sections",
      proxyDocument("ipvs", { ipvs: { scheduler: "lc", strictARP: true, tcpTimeout: "10m30s" } }),
    );
    const ipvs = await hopscope(["export", "--node", "n1", "--format", "ipvsadm", "-f", path]);
    expect(ipvs.out).toContain("-A -t 10.96.0.120:80 -s lc\n");
    const { out } = await hopscope(["export", "--node", "n1", "--format", "snapshot", "-f", path]);
    const text = out.replaceAll(/\s/g, "");
    expect(text).toContain('"net.ipv4.conf.all.arp_ignore":"1"');
    expect(text).toContain('"net.ipv4.vs.conntrack":"1"');
    expect(text).toContain("630120300");
  });
});

describe("a node with an IPv6 address", () => {
  const six = (name: string, four: string, address: string, podCIDR: string): object => {
    const made = node(name, four, podCIDR) as { status: { addresses: object[] } };
    made.status.addresses.push({ type: "InternalIP", address });
    return made;
  };
  const objects = [
    six("n1", "192.168.0.2", "fd00:1::2", "10.244.0.0/24"),
    six("n2", "192.168.0.3", "fd00:1::3", "10.244.1.0/24"),
    service("both", "10.96.0.130", "both", {
      clusterIPs: ["10.96.0.130", "fd00:96::130"],
      ipFamilies: ["IPv4", "IPv6"],
      selector: undefined,
    }),
    ...["IPv4", "IPv6"].map((addressType) => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: `both-${addressType.toLowerCase()}`,
        labels: { "kubernetes.io/service-name": "both" },
      },
      addressType,
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: [{ addresses: [addressType === "IPv6" ? "fd00:1::3" : "192.168.0.3"], nodeName: "n2" }],
    })),
  ];
  const pathOf = (mode: string): string => {
    const file = join(folder, `six-${mode}.json`);
    writeFileSync(file, [...objects, proxyDocument(mode)].map((one) => JSON.stringify(one)).join("\n"));
    return file;
  };

  it.each([
    ["iptables", "ip6tables-save", "-A KUBE-SERVICES -d fd00:96::130/128 -p tcp"],
    ["nftables", "nft", "fd00:96::130 . tcp . 80 : goto service-"],
    ["ipvs", "ip6tables-save", "--match-set KUBE-6-CLUSTER-IP"],
    ["ipvs", "ipset", "add KUBE-6-CLUSTER-IP fd00:96::130,tcp:80"],
    ["ipvs", "ipvsadm", "-A -t [fd00:96::130]:80 -s rr\n-a -t [fd00:96::130]:80 -r [fd00:1::3]:8080 -m -w 1"],
    ["ipvs", "ip", "ip addr replace fd00:96::130/128 dev kube-ipvs0"],
  ])("has the rules of both families in mode %s", async (mode, format, rule) => {
    const { out, code } = await hopscope(["export", "--node", "n1", "--format", format, "-f", pathOf(mode)]);
    expect(code).toBe(0);
    expect(out).toContain(rule);
  });

  it.each(MODES)("source ranges of IPv6 know a client by its address in mode %s", async (mode) => {
    const file = join(folder, `ranges-${mode}.json`);
    const closed = service("closed", "10.96.0.131", "both", {
      clusterIPs: ["10.96.0.131", "fd00:96::131"],
      ipFamilies: ["IPv4", "IPv6"],
      selector: undefined,
      type: "LoadBalancer",
      loadBalancerSourceRanges: ["2001:db8:9::/48"],
    });
    const balanced = { ...closed, status: { loadBalancer: { ingress: [{ ip: "2001:db8:100::9" }] } } };
    const own = JSON.parse(JSON.stringify(objects).replaceAll("both", "closed")) as object[];
    const items = [
      ...own.filter((one) => !JSON.stringify(one).includes('"Service"')),
      balanced,
      proxyDocument(mode),
    ];
    writeFileSync(file, items.map((one) => JSON.stringify(one)).join("\n"));
    const told = (from: string) => verdict(file, from, "[2001:db8:100::9]:80");
    expect(await told("external/2001:db8:8::7")).toMatch(
      /^DROPPED .* 2001:db8:8::7 is in none of the loadBalancerSourceRanges of Service default\/closed/,
    );
    expect(await told("external/2001:db8:9::7")).not.toMatch(/^DROPPED/);
  });

  it.each(MODES)("a node port is translated in mode %s", async (mode) => {
    const { out } = await hopscope([
      "trace",
      "node/n1",
      "[fd00:1::3]:30130",
      "-o",
      "json",
      "-f",
      pathOf(mode),
    ]);
    const [outcome] = (JSON.parse(out) as { outcomes: { rewrites: { field: string; to: string }[] }[] })
      .outcomes;
    expect(outcome?.rewrites.find(({ field }) => field === "dst")?.to).toBe("[fd00:1::3]:8080");
  });

  it("a release without nftables mode is said to be taken for the first that has one", async () => {
    const old = JSON.stringify(objects).replaceAll("v1.34.0", "v1.27.3");
    const file = join(folder, "old.json");
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: JSON.parse(old) }));
    const { out } = await hopscope([
      "trace",
      "node/n1",
      "10.96.0.130:80",
      "--proxy-mode",
      "nftables",
      "-f",
      file,
    ]);
    expect(out.replaceAll(/\s+/g, " ")).toContain(
      "kube-proxy v1.27.3 of n1 and of 1 more nodes has no nftables mode: it writes what 1.29, the first with one, does",
    );
  });
});

describe("trace --compare-proxy-modes", () => {
  interface Compared {
    readonly schema: string;
    readonly questions: readonly {
      readonly title: string;
      readonly from: string;
      readonly to: string;
      readonly differs: boolean;
      readonly answers: Record<
        string,
        {
          readonly verdict: { readonly disposition: string; readonly reason: string };
          readonly outcomes: readonly {
            readonly client: string;
            readonly server?: object;
            readonly icmp?: object;
          }[];
        }
      >;
    }[];
  }

  const path = written("compared");
  const compare = (...more: string[]) =>
    hopscope(["trace", "pod/client", "svc/web:80", "--compare-proxy-modes", "-f", path, ...more]);

  it("lists what each mode does where they differ", async () => {
    const { out, code } = await compare("-o", "json");
    expect(code).toBe(0);
    const { schema, questions } = JSON.parse(out) as Compared;
    expect(schema).toBe("hopscope.proxy-modes/v1");
    const told = Object.fromEntries(
      questions.map(({ title, answers }) => [
        title,
        Object.fromEntries(
          Object.entries(answers).map(
            ([
              mode,
              {
                verdict: { reason },
              },
            ]) => [mode, reason],
          ),
        ),
      ]),
    );
    expect(told).toEqual({
      "the question": { iptables: "answered", ipvs: "answered", nftables: "answered" },
      "the cluster IP, from a node itself": { iptables: "answered", ipvs: "answered", nftables: "answered" },
      "a ping to the cluster IP": { iptables: "no-route", ipvs: "rule-reject", nftables: "rule-reject" },
      "a port that the Service does not have": {
        iptables: "no-route",
        ipvs: "rule-reject",
        nftables: "rule-reject",
      },
      "the node's own port at the cluster IP": {
        iptables: "no-route",
        ipvs: "rule-reject",
        nftables: "rule-reject",
      },
      "the node port, from outside": { iptables: "answered", ipvs: "answered", nftables: "answered" },
      "the node port, from inside": { iptables: "answered", ipvs: "answered", nftables: "answered" },
      "the node port at the address of another interface": {
        iptables: "answered",
        ipvs: "answered",
        nftables: "no-listener-tcp",
      },
      "the node port at 127.0.0.1": {
        iptables: "answered",
        ipvs: "no-listener-tcp",
        nftables: "no-listener-tcp",
      },
      "an address of no Service": { iptables: "no-route", ipvs: "no-route", nftables: "rule-drop" },
    });
    for (const { differs, answers } of questions) {
      const ends = Object.values(answers).map(({ outcomes }) => JSON.stringify(outcomes));
      expect(differs).toBe(new Set(ends).size > 1);
    }
  });

  it("in text, what differs first", async () => {
    const { out, code } = await compare();
    expect(code).toBe(0);
    expect(out).toMatch(/^kube-proxy's modes differ in 6 of 10 questions\n/);
    expect(out).toContain("a ping to the cluster IP: pod/client → 10.96.0.120/icmp\n");
    expect(out).toContain("    nftables  DROPPED (rule-drop): timeout\n");
    expect(out.indexOf("alike in all three")).toBeGreaterThan(out.indexOf("127.0.0.1"));
  });

  it("the exit code is that of the question in all modes", async () => {
    const { code, out } = await hopscope([
      "trace",
      "pod/client",
      "svc/nobody:80",
      "--compare-proxy-modes",
      "-f",
      path,
    ]);
    expect(code).toBe(1);
    // Whoever asks gets the same ICMP error, whether a rule or IPVS sends it.
    expect(out).toMatch(
      /alike in all three\n {2}the question: pod\/client → svc\/nobody:80: refused, by ICMP 3\/3/,
    );
  });

  it("asks in IPv6 where the question is one of IPv6, and of a name in both families", async () => {
    const lines = [
      '{apiVersion: kubeadm.k8s.io/v1beta3, kind: ClusterConfiguration, networking: {podSubnet: "10.244.0.0/16,fd00:10:244::/56", serviceSubnet: "10.96.0.0/16,fd00:10:96::/112"}}',
      "{apiVersion: v1, kind: Node, metadata: {name: n1}}",
      "{apiVersion: v1, kind: Node, metadata: {name: n2}}",
      ...["client", "server"].map(
        (name, i) =>
          `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, labels: {app: ${name}}}, spec: {nodeName: n${i + 1}, containers: [{name: c, ports: [{containerPort: 8080}]}]}}`,
      ),
      '{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: NodePort, selector: {app: server}, ipFamilyPolicy: RequireDualStack, clusterIP: 10.96.0.10, clusterIPs: ["10.96.0.10", "fd00:10:96::10"], externalIPs: ["2001:db8:7::7"], ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}}',
    ];
    const dual = join(folder, "dual.yaml");
    writeFileSync(dual, lines.join("\n---\n"));
    const compared = async (to: string): Promise<Record<string, Record<string, string>>> => {
      const args = ["trace", "pod/client", to, "--compare-proxy-modes", "-o", "json", "-f", dual];
      const { questions } = JSON.parse((await hopscope(args)).out) as Compared;
      return Object.fromEntries(
        questions.map(({ title, answers }) => [
          title,
          Object.fromEntries(Object.entries(answers).map(([mode, { verdict: told }]) => [mode, told.reason])),
        ]),
      );
    };
    const apart = (iptables: string, ipvs: string, nftables: string) => ({ iptables, ipvs, nftables });
    const alike = apart("answered", "answered", "answered");
    const six = {
      "the cluster IP, from a node itself": alike,
      "a ping to the cluster IP": apart("no-route", "rule-reject", "rule-reject"),
      "a port that the Service does not have": apart("no-route", "rule-reject", "rule-reject"),
      "the node's own port at the cluster IP": apart("no-route", "rule-reject", "rule-reject"),
      "an address for outside, from outside": alike,
      "an address for outside, from inside": alike,
      "an address for outside, from a node itself": alike,
      "the node port, from outside": alike,
      "the node port, from inside": alike,
      "the node port at the address of another interface": apart("answered", "answered", "no-listener-tcp"),
      // Of IPv4 alone iptables mode serves node ports at localhost.
      "the node port at ::1": apart("no-listener-tcp", "no-listener-tcp", "no-listener-tcp"),
      "an address of no Service": apart("no-route", "no-route", "rule-drop"),
    };
    expect(await compared("[fd00:10:96::10]:80")).toEqual({ "the question": alike, ...six });
    const both = await compared("svc/web:80");
    expect(both).toMatchObject({
      "the node port at 127.0.0.1": apart("answered", "no-listener-tcp", "no-listener-tcp"),
      "the cluster IP, in IPv6": alike,
      ...Object.fromEntries(Object.entries(six).map(([title, told]) => [`${title}, in IPv6`, told])),
    });
  });

  it("a question that makes no sense is told once", async () => {
    const { err, code } = await hopscope([
      "trace",
      "pod/client",
      "svc/wbe:80",
      "--compare-proxy-modes",
      "-f",
      path,
    ]);
    expect(code).toBe(2);
    expect(err.match(/^error: /gm)).toHaveLength(1);
  });
});
