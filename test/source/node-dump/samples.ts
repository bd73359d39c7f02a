import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** Real outputs of every tool that is recognised, by a name; what no recording holds was printed by the tool's own machine. */
const FOLDER = new URL("../../../fixtures/node-tools/", import.meta.url);

const read = (name: string) => readFileSync(new URL(name, FOLDER), "utf8");

interface Pair {
  readonly command: string;
  readonly text: string;
  readonly json: unknown;
}

const pairs = JSON.parse(
  gunzipSync(readFileSync(new URL("iproute2.json.gz", FOLDER))).toString("utf8"),
) as Pair[];

/** What `$ COMMAND` printed, as a file of commands and their outputs has it. */
const printed = (file: string, command: string): string =>
  read(file)
    .split(/^\$ /m)
    .find((part) => part.startsWith(`${command}\n`))
    ?.slice(command.length + 1) ?? "";

const listed = (command: string): string => printed("iptables-nft.lists", command);

/** Tools of before iproute2. */
const older = (command: string): string => printed("net-tools.txt", command);

export const SAMPLES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(pairs.filter(({ text }) => text !== "").map(({ command, text }) => [command, text])),
  "ip -j -d addr show": JSON.stringify(pairs.find(({ command }) => command === "ip -d addr show")?.json),
  "iptables-save": read("iptables-nft.save"),
  "iptables -t nat -S": listed("iptables -t nat -S"),
  "iptables -t filter -L -n -v": listed("iptables -t filter -L -n -v"),
  "iptables -t nat -L -n": listed("iptables -t nat -L -n"),
  "arp -n": [
    "Address                  HWtype  HWaddress           Flags Mask            Iface",
    "172.17.0.2               ether   02:42:ac:11:00:02   C                     docker0",
    "172.17.0.9                       (incomplete)                              docker0",
    "192.168.77.9             ether   02:00:00:00:00:09   CM                    eth0",
    "",
  ].join("\n"),
  "sysctl -a":
    "net.ipv4.ip_forward = 1\nnet.ipv4.conf.flannel/1.rp_filter = 0\nnet.ipv4.ip_local_port_range = 32768\t60999\n",
  "ss -tulpn": [
    "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess",
    'udp   UNCONN 0      0      127.0.0.53%lo:53        0.0.0.0:*    users:(("systemd-resolve",pid=1,fd=3))',
    'tcp   LISTEN 0      4096   127.0.0.1:10248      0.0.0.0:*    users:(("kubelet",pid=2,fd=9))',
    "tcp   LISTEN 0      4096   *:10250              *:*",
    "",
  ].join("\n"),
  "ipset list": [
    "Name: KUBE-CLUSTER-IP",
    "Type: hash:ip,port",
    "Revision: 6",
    "Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x56945d70",
    "Size in memory: 408",
    "References: 3",
    "Number of entries: 2",
    "Members:",
    "10.96.0.1,tcp:443",
    "10.96.0.10,udp:53",
    "",
    "Name: nets",
    "Type: hash:net",
    "Header: family inet hashsize 64 maxelem 100",
    "Members:",
    "10.70.0.0/16",
    "10.70.2.159 nomatch",
    "",
  ].join("\n"),
  "ipvsadm -Ln": [
    "IP Virtual Server version 1.2.1 (size=4096)",
    "Prot LocalAddress:Port Scheduler Flags",
    "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
    "TCP  10.0.0.1:443 rr persistent 10800",
    "  -> 192.168.0.1:6443             Masq    1      1          0",
    "UDP  10.0.0.10:53 sh (sh-fallback,sh-port)",
    "  -> 172.17.0.2:53                Route   3      0          0",
    "",
  ].join("\n"),
  "conntrack -L":
    "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [ASSURED] mark=0 use=1\n",
  ...Object.fromEntries(
    ["ifconfig -a", "route -n", "netstat -tulpn", "brctl show"].map((command) => [command, older(command)]),
  ),
};
