import { describe, expect, it } from "vitest";
import { parseOvsFlows } from "../../../src/kernel/ovs/dump-flows.ts";
import { readNodeDump } from "../../../src/source/node-dump/node-dump.ts";
import { takeApart } from "../../../src/source/node-dump/take-apart.ts";
import { formatHost } from "../../../src/world/host-out.ts";
import { outcome, sessionOf, told } from "../../walk/asking.ts";

/** A node's folder as `collect` gathers it, with a bridge of Open vSwitch between its pods' ports. */

const VSCTL = `$ ovs-vsctl -t 5 show
fbceacb4-91d4-4542-95f9-ce6eb4f3128f
    Bridge br-int
        fail_mode: secure
        datapath_type: system
        Port antrea-gw0
            Interface antrea-gw0
                type: internal
        Port br-int
            Interface br-int
                type: internal
        Port web-0
            Interface web-0
    ovs_version: "2.17.7"
`;
const SHOW = `$ ovs-ofctl -O OpenFlow13 show br-int
OFPT_FEATURES_REPLY (OF1.3) (xid=0x2): dpid:000036e791b07e41
 1(web-0): addr:aa:55:aa:55:00:10
     config:     0
 2(antrea-gw0): addr:02:00:00:00:00:02
     config:     0
 LOCAL(br-int): addr:36:e7:91:b0:7e:41
     config:     0
OFPT_GET_CONFIG_REPLY (OF1.3) (xid=0x5): frags=normal miss_send_len=0
`;
const FLOWS = `$ ovs-ofctl -O OpenFlow13 dump-flows br-int
OFPST_FLOW reply (OF1.3) (xid=0x2):
 cookie=0x1, duration=9.1s, table=0, n_packets=0, n_bytes=0, priority=200,arp actions=NORMAL
 cookie=0x1, duration=9.1s, table=0, n_packets=0, n_bytes=0, priority=200,ip,in_port=2,nw_dst=10.10.0.9 actions=drop
 cookie=0x1, duration=9.1s, table=0, n_packets=0, n_bytes=0, priority=190,ip actions=ct(table=1,zone=65520)
 cookie=0x1, duration=9.1s, table=1, n_packets=0, n_bytes=0, priority=1,ct_state=+trk-inv,ip actions=NORMAL
`;
const ADDR = `$ ip -d addr show
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
2: ovs-system: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default qlen 1000
    link/ether 02:00:00:00:00:03 brd ff:ff:ff:ff:ff:ff promiscuity 1
    openvswitch
3: br-int: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default qlen 1000
    link/ether 36:e7:91:b0:7e:41 brd ff:ff:ff:ff:ff:ff promiscuity 1
    openvswitch
4: antrea-gw0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN group default qlen 1000
    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff promiscuity 1
    openvswitch
    inet 10.10.0.1/24 brd 10.10.0.255 scope global antrea-gw0
5: web-0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue master ovs-system state UP group default
    link/ether 02:00:00:00:00:05 brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 1
    veth
    openvswitch_slave
`;

function read(files: Readonly<Record<string, string>>) {
  return readNodeDump(
    Object.entries(files).map(([name, text]) => ({ name, folder: "node1", taken: takeApart(text) })),
  );
}
const FILES = { "addr.txt": ADDR, "vsctl.txt": VSCTL, "show.txt": SHOW, "flows.txt": FLOWS };

describe("a node with Open vSwitch in plain outputs", () => {
  it("its flows are walked, up to the port whose other end is in no dump", () => {
    const { world, errors, warnings } = read(FILES);
    expect([...errors, ...warnings]).toEqual([]);
    const session = sessionOf(world);
    const { frames, arp, verdict } = outcome(session, "node1", "tcp 10.10.0.5:80");
    expect(verdict.reason).toBe("left-model");
    expect([...frames, ...arp].map(({ device }) => device)).toContain("web-0");
  });

  it("a flow knows the file and line it was read from", () => {
    const { world } = read(FILES);
    const flow = world.hosts.get("node1")?.ovs?.bridges[0]?.flows?.[1];
    expect(world.origins.sources[flow?.origin ?? 0]).toMatchObject({ file: "flows.txt", line: 4 });
  });

  it("all texts are given back", () => {
    const host = read(FILES).world.hosts.get("node1");
    if (host === undefined) throw new Error("no host");
    const { ovsVsctl, ovsFlows, ovsShow } = formatHost(host);
    expect(`$ ovs-vsctl -t 5 show\n${ovsVsctl}`).toBe(VSCTL);
    expect(ovsFlows).toEqual({ "br-int": FLOWS.split("\n").slice(2).join("\n") });
    expect((ovsShow as Record<string, string>)["br-int"]).toContain(
      " 2(antrea-gw0): addr:02:00:00:00:00:02\n",
    );
  });

  it("a line that is no flow is an error with its place; flows of no known bridge are left out, which is said", () => {
    const cut = read({ ...FILES, "flows.txt": FLOWS.replace("zone=65520)", "zone=65520") });
    expect(cut.errors.map(({ file, line }) => [file, line])).toEqual([["flows.txt", 5]]);
    const bare = FLOWS.split("\n").slice(1).join("\n");
    const { warnings } = read({ "addr.txt": ADDR, "flows.txt": bare });
    expect(warnings[0]?.message).toContain("of which bridge this is nothing says");
    // With one bridge there is no doubt.
    const { world } = read({ ...FILES, "flows.txt": bare });
    const count = parseOvsFlows(bare, () => 0).flows.length;
    expect(world.hosts.get("node1")?.ovs?.bridges[0]?.flows?.length).toBe(count);
  });

  it("numbers of ports that nobody tells are an assumption", () => {
    const { "show.txt": _, ...rest } = FILES;
    const { assumptions } = read(rest);
    expect(assumptions.get("node1")?.join("\n")).toContain('"ovs-ofctl show br-int" does');
    expect(read(FILES).assumptions.get("node1")?.join("\n")).not.toContain("ovs-ofctl show");
  });

  it("the bridge without its flows says so", () => {
    const { world } = read({ "addr.txt": ADDR, "vsctl.txt": VSCTL });
    expect(told(sessionOf(world), "node1", "tcp 10.10.0.5:80")).toContain("left-model");
  });
});
