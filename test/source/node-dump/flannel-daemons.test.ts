import { describe, expect, it } from "vitest";
import { formatIpv4 } from "../../../src/address/ipv4.ts";
import { formatPrefix4 } from "../../../src/address/prefix.ts";
import { readNodeDump } from "../../../src/source/node-dump/node-dump.ts";
import { takeApart } from "../../../src/source/node-dump/take-apart.ts";
import { sessionOf, told } from "../../walk/asking.ts";

/** Two nodes of a cluster whose flannel has the backend `udp`, as their own tools print them. */
const node = (n: number): string => `$ ip -d addr show
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 02:00:00:00:0${n}:02 brd ff:ff:ff:ff:ff:ff
    inet 192.168.50.${n}/24 brd 192.168.50.255 scope global eth0
3: flannel0: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1472 qdisc pfifo_fast state UNKNOWN group default qlen 500
    link/none 
    tun type tun pi off vnet_hdr off numtxqueues 1 numrxqueues 1
    inet 10.244.${n}.0/16 scope global flannel0
4: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1472 qdisc noqueue state UP group default qlen 1000
    link/ether 02:00:00:00:0${n}:04 brd ff:ff:ff:ff:ff:ff
    bridge forward_delay 1500 hello_time 200
    inet 10.244.${n}.1/24 brd 10.244.${n}.255 scope global cni0
$ ip route show table all
10.244.0.0/16 dev flannel0 proto kernel scope link src 10.244.${n}.0 
10.244.${n}.0/24 dev cni0 proto kernel scope link src 10.244.${n}.1 
192.168.50.0/24 dev eth0 proto kernel scope link src 192.168.50.${n} 
local 10.244.${n}.0 dev flannel0 table local proto kernel scope host src 10.244.${n}.0 
local 10.244.${n}.1 dev cni0 table local proto kernel scope host src 10.244.${n}.1 
local 192.168.50.${n} dev eth0 table local proto kernel scope host src 192.168.50.${n} 
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1 
$ ss -Htuln
udp UNCONN 0 0 192.168.50.${n}:8285 0.0.0.0:*
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*
$ sysctl -a
net.ipv4.ip_forward = 1
`;

function read(texts: Readonly<Record<string, string>>) {
  return readNodeDump(
    Object.entries(texts).map(([folder, text]) => ({
      name: `${folder}/all.txt`,
      folder,
      taken: takeApart(text),
    })),
  );
}

describe("flannel's daemons in dumps", () => {
  it("each knows the subnets of the other nodes of the dump, which is told", () => {
    const { world, assumptions, errors } = read({ n1: node(1), n2: node(2) });
    expect(errors).toEqual([]);
    const sockets = world.hosts.get("n1")?.sockets;
    const daemon = sockets?.kind === "listed" ? sockets.sockets.find(({ port }) => port === 8285) : undefined;
    expect(
      daemon?.app.kind === "tun"
        ? daemon.app.peers.map(({ subnet, address }) => `${formatPrefix4(subnet)} ${formatIpv4(address)}`)
        : null,
    ).toEqual(["10.244.2.0/24 192.168.50.2"]);
    expect(assumptions.get("n1")?.join()).toContain(
      "flanneld behind flannel0 is taken to know 10.244.2.0/24 at 192.168.50.2",
    );
  });

  it("a packet goes through both programs", () => {
    const { world } = read({ n1: node(1), n2: node(2) });
    const end = (host: string) => ({ host, device: "eth0" });
    const wired = { ...world, wires: [{ a: end("n1"), b: end("n2") }] };
    expect(told(sessionOf(wired), "n1", "icmp 10.244.2.1")).toBe("answered by 10.244.2.1, answered");
    expect(told(sessionOf(wired), "n1", "icmp 10.244.7.1")).toContain("no-tun-peer");
  });

  it("alone, it knows nobody", () => {
    const { assumptions } = read({ n1: node(1) });
    expect(assumptions.get("n1")?.join()).toContain("no other node: none of them is in the dump");
  });
});
