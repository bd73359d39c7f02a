import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../../src/address/ipv4.ts";
import type { Host } from "../../../src/kernel/host.ts";
import { formatIptablesSave } from "../../../src/kernel/netfilter/save/format.ts";
import { type NodeDump, readNodeDump } from "../../../src/source/node-dump/node-dump.ts";
import { takeApart } from "../../../src/source/node-dump/take-apart.ts";
import { readSource } from "../../../src/source/read-source.ts";
import { kindOfText } from "../../../src/source/text-kind.ts";
import { formatInputError } from "../../../src/world/input-error.ts";

/** A folder's files by name; without a folder they were given one by one. */
function dump(files: Readonly<Record<string, string>>, folder: string | null = "dumps/node7"): NodeDump {
  return readNodeDump(
    Object.entries(files).map(([name, text]) => ({
      name: folder === null ? name : `${folder}/${name}`,
      folder,
      taken: takeApart(text),
    })),
  );
}

function hostOf(read: NodeDump, name = "node7"): Host {
  expect(read.errors.map(formatInputError)).toEqual([]);
  const host = read.world.hosts.get(name);
  if (host === undefined) throw new Error(`the hosts are ${[...read.world.hosts.keys()].join(", ")}`);
  return host;
}

const addressesOf = (host: Host) =>
  host.addresses.map(({ dev, address, length }) => `${dev} ${formatIpv4(address)}/${length}`);

const saved = (host: Host) => (host.iptables === null ? "" : formatIptablesSave(host.iptables));

const LINKS = `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP group default qlen 1000
    link/ether 02:28:b0:60:60:fd brd ff:ff:ff:ff:ff:ff
    inet 10.0.0.7/24 brd 10.0.0.255 scope global eth0
4: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP group default qlen 1000
    link/ether 1e:e6:95:9f:b7:9d brd ff:ff:ff:ff:ff:ff
    inet 10.244.0.1/24 brd 10.244.0.255 scope global cni0
5: veth1@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue master cni0 state UP group default
    link/ether be:1c:a8:30:91:db brd ff:ff:ff:ff:ff:ff link-netnsid 0
`;
const ROUTES = `default via 10.0.0.1 dev eth0
10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.7
10.244.0.0/24 dev cni0 proto kernel scope link src 10.244.0.1
`;
const NAT =
  "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 1.2.3.4/32 -j DNAT --to-destination 10.0.0.9\nCOMMIT\n";
const FILTER = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n";

describe("which host an output is of", () => {
  it("the folder's, when its files are of one node", () => {
    const read = dump({ "a.txt": LINKS, "b.txt": ROUTES, "c.txt": NAT, "d.txt": FILTER });
    const host = hostOf(read);
    expect([...read.world.hosts.keys()]).toEqual(["node7"]);
    expect([...(host.iptables?.tables.keys() ?? [])]).toEqual(["nat", "filter"]);
    expect(host.devices.map(({ name, detail }) => `${name} ${detail.kind}`)).toEqual([
      ...["lo loopback", "eth0 ether", "cni0 bridge", "veth1 ether"],
    ]);
    expect(read.warnings).toEqual([]);
  });

  it("each file's own, when two of them say what a node has once", () => {
    const read = dump({ "node1.txt": NAT, "node2.txt": NAT });
    expect([...read.world.hosts.keys()]).toEqual(["node1", "node2"]);
    expect(read.warnings.map(({ message }) => message)).toEqual([
      "node1.txt and node2.txt both hold table nat: each file is taken for a host of its own",
    ]);
  });

  it("the prompt's, the heading's, or what hostname said", () => {
    const prompts = `root@alpha:~# ip route\n${ROUTES}[root@beta ~]# iptables-save\n${NAT}>>> 10.0.0.3\n${LINKS}`;
    expect([...dump({ x: prompts }, null).world.hosts.keys()]).toEqual(["alpha", "beta", "10.0.0.3"]);
    const said = `$ hostname\ngamma\n$ uname -r\n5.15.0-91-generic\n$ ip route\n${ROUTES}`;
    const host = hostOf(dump({ x: said }), "gamma");
    expect(host.kernel).toBe("5.15");
  });

  it("the file's name, where it was given itself", () => {
    expect([...dump({ "worker-3.txt.gz": NAT }, null).world.hosts.keys()]).toEqual(["worker-3"]);
  });
});

describe("a file with other things around its outputs", () => {
  it("Markdown: fences, indented lists, prose between them", () => {
    const text = `# My cluster\n\nThese are the rules:\n\n\`\`\`console\n$ iptables-save -t nat\n${NAT}\`\`\`\n\nand the routes:\n\n${ROUTES.replace(/^(?=.)/gm, "\t")}\nThat is all.\n`;
    const taken = takeApart(text.replace(/\n/g, "\r\n"));
    expect(taken.outputs.map(({ tool }) => tool)).toEqual(["iptables-save", "ip-route"]);
    expect(taken.others.map(({ text: line }) => line)).toEqual([
      ...["# My cluster", "These are the rules:", "and the routes:", "That is all."],
    ]);
  });

  it("keeps the line of every rule", () => {
    const read = dump({ "notes.md": `A remark.\n\n\`\`\`\n${NAT}\`\`\`\n` }, null);
    const [rule] = hostOf(read, "notes").iptables?.tables.get("nat")?.chains.get("PREROUTING")?.rules ?? [];
    expect(read.world.origins.sources[rule?.origin ?? 0]).toEqual({ file: "notes.md", field: null, line: 6 });
  });

  it("and of every route and address", () => {
    const read = dump({ "n.txt": `$ ip addr\n${LINKS}\n$ ip route\n${ROUTES}` }, null);
    const host = hostOf(read, "n");
    const sourceOf = (origin: number) => read.world.origins.sources[origin]?.line;
    expect(sourceOf(host.routes.find(({ dst }) => dst.length === 0)?.origin ?? 0)).toBe(15);
    expect(sourceOf(host.addresses.find(({ dev }) => dev === "cni0")?.origin ?? 0)).toBe(10);
  });
});

describe("mistakes are told where they stand", () => {
  it.each([
    [
      "a route",
      "$ ip route\ndefault via 10.0.0.1 dev eth0\n10.9.0.0/16 via 10.0.0.2 dev\n",
      'x:3: the line ends after "dev"',
    ],
    ["an address", `$ ip addr\n${LINKS.replace("10.0.0.7/24", "10.0.0.777/24")}`, "x:7: local: "],
    ["a rule", NAT.replace("--to-destination 10.0.0.9", "--to-destination"), "x:3: "],
    ["a policy", "$ iptables -S\n-P INPUT MAYBE\n", "x:2: "],
    [
      "a table nobody names",
      "Chain MINE (1 references)\ntarget prot opt source destination\n",
      "x:1: which table the chains MINE are of is not said",
    ],
  ])("%s", (_, text, said) => {
    const { errors } = dump({ x: text }, null);
    expect(errors.map(formatInputError)).toEqual([expect.stringContaining(said)]);
  });
});

describe("what a dump lacks is taken, and said", () => {
  it("addresses that routes prove, devices that rules name", () => {
    const read = dump({
      "r.txt":
        "default via 10.0.2.2 dev enp0s3\n10.0.2.0/24 dev enp0s3 proto kernel scope link src 10.0.2.15\n",
      "i.txt": "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\nCOMMIT\n",
    });
    const host = hostOf(read);
    expect(host.devices.map(({ name }) => name)).toEqual(["lo", "enp0s3", "docker0"]);
    expect(addressesOf(host)).toEqual(["lo 127.0.0.1/8", "enp0s3 10.0.2.15/24"]);
    const said = read.assumptions.get("node7")?.join("\n");
    expect(said).toContain('no "ip addr" or "ip link": the host is taken to have enp0s3, docker0');
    expect(said).toContain("enp0s3 10.0.2.15/24 (its route says so)");
    expect(said).toContain("net.ipv4.ip_forward is taken to be 1");
  });

  it("ifconfig, route, netstat and brctl stand in for ip and ss, and are not heard beside them", () => {
    const old = [
      "$ ifconfig",
      "cni0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1450",
      "        inet 10.244.0.1  netmask 255.255.255.0  broadcast 10.244.0.255",
      "        ether 1e:e6:95:9f:b7:9d  txqueuelen 1000  (Ethernet)",
      "",
      "mybr: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500",
      "        ether 02:e6:95:9f:b7:9d  txqueuelen 1000  (Ethernet)",
      "",
      "eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500",
      "        inet 10.0.0.8  netmask 255.255.255.0  broadcast 10.0.0.255",
      "        ether 02:28:b0:60:60:fd  txqueuelen 1000  (Ethernet)",
      "",
      "$ brctl show",
      "bridge name\tbridge id\t\tSTP enabled\tinterfaces",
      "mybr\t\t8000.02e6959fb79d\tno\t\teth0",
      "$ netstat -tln",
      "Active Internet connections (only servers)",
      "Proto Recv-Q Send-Q Local Address           Foreign Address         State      ",
      "tcp        0      0 0.0.0.0:80              0.0.0.0:*               LISTEN     ",
      "$ route -n",
      "Kernel IP routing table",
      "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface",
      "0.0.0.0         10.0.0.1        0.0.0.0         UG    0      0        0 eth0",
      "10.0.0.0        0.0.0.0         255.255.255.0   U     0      0        0 eth0",
      "",
    ].join("\n");
    const read = dump({ x: old }, null);
    const host = hostOf(read, "x");
    const kinds = host.devices.map(({ name, master, detail }) => [name, detail.kind, master]);
    expect(kinds).toEqual([
      ["cni0", "bridge", null],
      ["mybr", "bridge", null],
      ["eth0", "ether", "mybr"],
      ["lo", "loopback", null],
    ]);
    expect(addressesOf(host)).toEqual(["cni0 10.244.0.1/24", "eth0 10.0.0.8/24", "lo 127.0.0.1/8"]);
    expect(host.sockets).toMatchObject({ kind: "listed", sockets: [{ proto: "tcp", port: 80 }] });
    expect(read.warnings).toEqual([]);

    const both = dump({ a: old, b: LINKS, c: ROUTES });
    const known = hostOf(both);
    expect(known.devices.map(({ name, ifindex }) => [name, ifindex])).toEqual([
      ["lo", 1],
      ["eth0", 2],
      ["cni0", 4],
      ["veth1", 5],
      ["mybr", 6],
    ]);
    expect(known.routes.filter(({ table }) => table === "main")).toHaveLength(3);
  });

  it("a full dump is taken as it is", () => {
    const read = dump({
      "a.txt": `$ ip -d addr\n${LINKS.replace(/(4: cni0[\s\S]*?brd ff:ff:ff:ff:ff:ff)\n/, "$1\n    bridge forward_delay 1500 ageing_time 30000 vlan_filtering 0 nf_call_iptables 0 addrgenmode eui64\n")}`,
      "b.txt": ROUTES,
      "c.txt": `$ sysctl -a\nnet.ipv4.ip_forward = 1\n`,
      "d.txt": NAT,
    });
    hostOf(read);
    expect(read.assumptions.get("node7")).toEqual([]);
  });

  it("what commands printed nothing is known to be nothing", () => {
    const read = dump({ x: `$ ip addr\n${LINKS}$ iptables-save\n$ ss -Htuln\n$ ip route\n${ROUTES}` }, null);
    const host = hostOf(read, "x");
    expect(host.iptables?.tables.size).toBe(0);
    expect(host.sockets).toEqual({ kind: "listed", sockets: [] });
  });
});

describe("what people paste of a cluster", () => {
  it("kubectl cluster-info dump as it is printed, logs between the objects", () => {
    const list = (kind: string, items: string) =>
      `{"kind": "${kind}List", "apiVersion": "v1", "metadata": {}, "items": [${items}]}\n`;
    const text = `${list("Node", '{"metadata": {"name": "n1"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.7"}]}}')}==== START logs for container dns of pod kube-system/dns ====\n{"level": "info"}\n*nat\n==== END logs for container dns of pod kube-system/dns ====\n${list("Service", "")}`;
    expect(kindOfText(text)).toBe("objects");
    const { objects, errors, warnings } = readSource([{ name: "dump", text }]);
    expect(errors).toEqual([]);
    expect(warnings).toEqual([]);
    expect(objects.list("Node").map(({ metadata, place }) => [metadata.name, place.file])).toEqual([
      ["n1", "dump"],
    ]);
  });
});

describe("one table in several forms", () => {
  const LIST =
    "Chain PREROUTING (policy ACCEPT)\ntarget     prot opt source               destination\nDNAT       all  --  0.0.0.0/0            5.6.7.8              to:10.0.0.9\n";

  it("the save counts before the list, which is said", () => {
    const read = dump({ "list.txt": LIST, "save.txt": NAT });
    expect(saved(hostOf(read))).toContain("-d 1.2.3.4/32");
    expect(saved(hostOf(read))).not.toContain("5.6.7.8");
    expect(read.warnings.map(formatInputError)).toEqual([
      "dumps/node7/list.txt: its table nat is left out: dumps/node7/save.txt has it in a form that says more",
    ]);
  });

  it("rules as commands, in the order they are carried out", () => {
    const script =
      "iptables -t nat -N MINE\niptables -t nat -A MINE -p tcp --dport 80 -j REDIRECT --to-port 8080\niptables -t nat -I PREROUTING -j MINE\niptables -t nat -A PREROUTING -s 10.0.0.1 -j RETURN\niptables -t nat -I PREROUTING 2 -s 10.0.0.2 -j RETURN\niptables -t nat -D PREROUTING 1\n";
    const rules = saved(hostOf(dump({ "rules.sh": script })));
    expect(rules.match(/^-A .*$/gm)).toEqual([
      "-A PREROUTING -s 10.0.0.2/32 -j RETURN",
      "-A PREROUTING -s 10.0.0.1/32 -j RETURN",
      "-A MINE -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080",
    ]);
  });
});

describe("traffic control", () => {
  const [, qdiscs = "", , filters = ""] = readFileSync(
    new URL("../../../fixtures/node-tools/tc.txt", import.meta.url),
    "utf8",
  ).split("---\n");

  it("is read from the JSON of tc too, a command saying whose the filters are", () => {
    const addresses = LINKS.replaceAll("eth0", "va").replaceAll("cni0", "vb").replaceAll("veth1@if2", "ifb0");
    const host = hostOf(
      dump({
        "a.txt": addresses,
        "tc-qdisc.json": qdiscs,
        "c.txt": `$ tc -j filter show dev va ingress\n${filters}\n$ tc -j filter show dev vb egress\n[]\n`,
      }),
    );
    expect(host.tc.qdiscs.map(({ dev, kind, place }) => `${dev} ${kind} ${place}`)).toContain("va tbf root");
    expect(new Set(host.tc.filters.map(({ dev, hook }) => `${dev} ${hook}`))).toEqual(
      new Set(["va ingress"]),
    );
    expect(host.tc.filters).toHaveLength(12);
  });

  it.each([qdiscs, filters])("is told from objects, which have a kind as well", (text) => {
    expect(kindOfText(text)).toBe("tools");
  });
});
