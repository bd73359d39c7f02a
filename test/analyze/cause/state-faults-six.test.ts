import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { askAfter } from "./cluster.ts";

/** The same faults in IPv6: named in its words, and the remedy's command, given to the host it names, mends them. */

const pod = (name: string, node: string): string =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, labels: {app: ${name}}}, spec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 8080}]}]}}`;
const service = (name: string, app: string, more: string): string =>
  `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {selector: {app: ${app}}, ${more}}}`;

const CLUSTER = [
  '{apiVersion: kubeadm.k8s.io/v1beta3, kind: ClusterConfiguration, networking: {podSubnet: "fd00:10:244::/56", serviceSubnet: "fd00:10:96::/112"}}',
  "{apiVersion: v1, kind: Node, metadata: {name: n1}}",
  "{apiVersion: v1, kind: Node, metadata: {name: n2}}",
  ...[pod("client", "n1"), pod("near", "n1"), pod("server", "n2")],
  service(
    "web",
    "server",
    'type: NodePort, clusterIP: "fd00:10:96::10", ports: [{port: 80, targetPort: 8080, nodePort: 30080}]',
  ),
  service("near", "near", 'clusterIP: "fd00:10:96::11", ports: [{port: 80, targetPort: 8080}]'),
];

function written(name: string, ...more: readonly string[]): string[] {
  const path = join(mkdtempSync(join(tmpdir(), "hopscope-")), `${name}.yaml`);
  writeFileSync(path, [...CLUSTER, ...more].join("\n---\n"));
  return ["-f", path];
}

const SOURCE = written("six");
const PORTS = written(
  "ports",
  "{apiVersion: kubeproxy.config.k8s.io/v1alpha1, kind: KubeProxyConfiguration, clusterCIDR: fd00:10:244::/56, nodePortAddresses: [fc00:ffff::/32]}",
);

type Row = readonly [
  what: string,
  faults: readonly (readonly [host: string, command: string])[],
  query: Readonly<Record<string, string>>,
  cause: RegExp,
  /** What the first remedy's command begins with. */
  command: string,
];

const ROWS: readonly Row[] = [
  [
    "a flannel route that is gone",
    [["n1", "ip -6 route del fd00:10:244:1::/64"]],
    { from: "pod/client", to: "pod/server:8080" },
    /^n1 has no route to fd00:10:244:1::\/64, the pods of n2$/,
    "ip -6 route add fd00:10:244:1::/64 via fd00:10:244:1:: dev flannel-v6.1 onlink",
  ],
  [
    "the route back that is gone",
    [["n2", "ip -6 route del fd00:10:244::/64 dev flannel-v6.1"]],
    { from: "pod/client", to: "pod/server:8080" },
    /^n2 has no route to fd00:10:244::\/64, the pods of n1$/,
    "ip -6 route add",
  ],
  [
    "forwarding off",
    [["n1", "sysctl -w net.ipv6.conf.all.forwarding=0"]],
    { from: "pod/client", to: "svc/web" },
    /^n1 does not forward \(net.ipv6.conf.all.forwarding is 0\)$/,
    "sysctl -w net.ipv6.conf.all.forwarding=1",
  ],
  [
    "bridged answers past ip6tables",
    [["n1", "sysctl -w net.bridge.bridge-nf-call-ip6tables=0"]],
    { from: "pod/client", to: "svc/near" },
    /^n1 bridges the answer past ip6tables \(bridge-nf-call-ip6tables is 0\)/,
    "sysctl -w net.bridge.bridge-nf-call-ip6tables=1",
  ],
  [
    "a translation that is not masqueraded",
    [["n1", "ip6tables -t nat -I POSTROUTING 1 -j ACCEPT"]],
    { from: "external", to: "node/n1:30080" },
    /^the answer goes past n1, which translated the request but did not masquerade it$/,
    "ip6tables -t nat -I POSTROUTING 1 -s 2001:db8:203:113::10 -d fd00:10:244:1::2 -p tcp --dport 8080 -j MASQUERADE",
  ],
  [
    "a rule that drops",
    [["n1", "ip6tables -I FORWARD 1 -p tcp --dport 8080 -j DROP"]],
    { from: "pod/client", to: "svc/web" },
    /^rule 1 of FORWARD \(filter\) on n1 drops it$/,
    "ip6tables -t filter -I FORWARD 1 -s fd00:10:244::2",
  ],
  [
    "a rule that rejects pings",
    [["n2", "ip6tables -I INPUT 1 -p ipv6-icmp --icmpv6-type echo-request -j REJECT"]],
    { from: "pod/client", to: "node/n2/icmp" },
    /^rule 1 of INPUT \(filter\) on n2 rejects it$/,
    "ip6tables -t filter -I INPUT 1 -s f",
  ],
  [
    "a rule of nftables that drops",
    [
      ["n1", "nft add table ip6 guard"],
      ["n1", "nft add chain ip6 guard fwd '{ type filter hook forward priority 0 ; policy accept ; }'"],
      ["n1", "nft add rule ip6 guard fwd tcp dport 8080 drop"],
    ],
    { from: "pod/client", to: "svc/web" },
    /^rule 1 of fwd \(ip6 guard\) on n1 drops it$/,
    "nft insert rule ip6 guard fwd index 0 ip6 saddr fd00:10:244::2 ip6 daddr fd00:10:244:1::2 tcp dport 8080 accept",
  ],
  [
    "a policy of nftables that drops",
    [
      ["n2", "nft add table ip6 guard"],
      ["n2", "nft add chain ip6 guard in '{ type filter hook input priority 0 ; policy drop ; }'"],
      ["n2", "nft add rule ip6 guard in tcp dport != 10250 accept"],
      ["n2", "nft add rule ip6 guard in meta l4proto ipv6-icmp accept"],
    ],
    { from: "pod/client", to: "node/n2:10250" },
    /^no rule of in \(ip6 guard\) on n2 lets the packet pass, and the chain's policy is DROP$/,
    "nft add rule ip6 guard in ip6 saddr f",
  ],
  [
    "a device that is down",
    [["n1", "ip link set flannel-v6.1 down"]],
    { from: "pod/client", to: "pod/server:8080" },
    /^n1 has no route to fd00:10:244:1::\/64, the pods of n2: flannel-v6.1 is down, and its routes are gone$/,
    "ip link set flannel-v6.1 up",
  ],
  [
    "pings ignored",
    [["n2", "sysctl -w net.ipv6.icmp.echo_ignore_all=1"]],
    { from: "pod/client", to: "node/n2/icmp" },
    /^n2 answers no pings \(net.ipv6.icmp.echo_ignore_all is 1\)$/,
    "sysctl -w net.ipv6.icmp.echo_ignore_all=0",
  ],
];

describe("a fault of a host's state is named, and its remedy makes the trace pass", () => {
  it.each(ROWS)("%s", async (_, faults, query, cause, command) => {
    const told = await askAfter(SOURCE, faults, query);
    expect(told.verdict.disposition).not.toBe("DELIVERED");
    expect(told.cause).toMatch(cause);
    const fixes = told.remedies.map((remedy) => [remedy.host ?? "", remedy.command ?? ""] as const);
    expect(fixes[0]?.[1].slice(0, command.length)).toBe(command);
    const after = await askAfter(SOURCE, [...faults, ...fixes], query);
    expect(after.verdict.disposition, `${fixes[0]?.join("# ")}: ${after.cause}`).toBe("DELIVERED");
  });
});

describe("what was asked wrongly", () => {
  it.each([
    [
      "[fd00:10:96::99]:80",
      /^fd00:10:96::99 lies in the Services' range, but no Service has it$/,
      /^Ask fd00:10:96::1[01], the address of Service default\/(web|near), if that was meant\.$/,
    ],
    [
      "[fd00:10:96::10]:81",
      /^Service default\/web has no port 81\/tcp, only 80\/tcp$/,
      /svc\/default\/web:80/,
    ],
    ["[fd00:10:96::10]/icmp", /a ping proves nothing$/, /svc\/default\/web:80/],
  ])("%s", async (to, cause, remedy) => {
    const told = await askAfter(SOURCE, [], { from: "pod/client", to });
    expect(told.cause).toMatch(cause);
    expect(told.remedies[0]?.text).toMatch(remedy);
  });

  it("a cluster IP from outside: the node port is offered in IPv6", async () => {
    const told = await askAfter(SOURCE, [], { from: "external", to: "svc/web" });
    expect(told.cause).toMatch(/^fd00:10:96::10 is the cluster IP of Service default\/web/);
    expect(told.remedies[0]?.text).toBe("Ask its node port on any node: [fc00:f853:ccd:e793::2]:30080.");
  });

  it("a node port at an address that is not served", async () => {
    const told = await askAfter(PORTS, [], { from: "external", to: "node/n1:30080" });
    expect(told.cause).toMatch(/^no address of n1 is among kube-proxy's nodePortAddresses/);
    expect(told.remedies[0]?.text).toContain("take in fc00:f853:ccd:e793::2/128.");
  });
});
