import { describe, expect, it } from "vitest";
import { outcome, sessionOf, told, trace } from "../../walk/asking.ts";
import { type HostSpec, smallWorld } from "../../walk/small-world.ts";

/**
 * A bridge of Open vSwitch between two pods and its own host. What flows do is held against Open vSwitch itself in
 * `../ovs/traces.test.ts`; here is what they are a part of: devices, wires, tunnels, conversations.
 */

const OWN = { kind: "openvswitch" } as const;
const VSCTL = `    Bridge br0
        fail_mode: secure
        Port br0
            Interface br0
                type: internal
        Port p1
            Interface p1
        Port p2
            Interface p2
        Port vx
            Interface vx
                type: vxlan
                options: {key=flow, remote_ip=flow}
`;
const SHOW = ` 1(p1): addr:02:00:00:00:02:03
     config:     0
 2(p2): addr:02:00:00:00:02:04
     config:     0
 3(vx): addr:02:00:00:00:02:05
     config:     0
 LOCAL(br0): addr:02:00:00:00:02:02
     config:     0
`;

function world(flows: string, groups = "", more: HostSpec = {}) {
  const ovs = {
    vsctl: VSCTL,
    show: { br0: SHOW },
    flows: { br0: flows },
    ...(groups === "" ? {} : { groups: { br0: groups } }),
  };
  return smallWorld(
    {
      a: { links: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.1"] },
      n: {
        links: { br0: { addresses: "10.0.0.1/24", detail: OWN }, p1: "", p2: "" },
        ovs,
        ...more,
      },
      b: { links: { eth0: "10.0.0.3/24" }, routes: ["default via 10.0.0.1"], listen: ["tcp 80", "udp 53"] },
    },
    ["a:eth0 n:p1", "n:p2 b:eth0"],
  );
}

describe("a bridge of Open vSwitch", () => {
  it("learns and forwards by NORMAL", () => {
    expect(told(sessionOf(world("priority=0 actions=NORMAL")), "a", "tcp 10.0.0.3:80")).toBe(
      "connected by b, answered",
    );
    expect(told(sessionOf(world("priority=0 actions=NORMAL")), "a", "icmp 10.0.0.1")).toBe(
      "answered by 10.0.0.1, answered",
    );
    expect(told(sessionOf(world("priority=0 actions=NORMAL")), "n", "icmp 10.0.0.3")).toBe(
      "answered by 10.0.0.3, answered",
    );
  });

  it.each([
    [
      "the flow that drops",
      "priority=9,tcp,tp_dst=80 actions=drop\npriority=0 actions=NORMAL",
      "timeout, ovs-drop",
    ],
    ["no flow", "arp actions=NORMAL", "timeout, ovs-no-match"],
    ["no flow in the next table", "ip actions=resubmit(,7)\narp actions=NORMAL", "timeout, ovs-no-match"],
    ["a port that is not there", "ip actions=output:9\narp actions=NORMAL", "timeout, ovs-no-port"],
    ["the controller", "ip actions=CONTROLLER:128\narp actions=NORMAL", "timeout, ovs-controller"],
    ["what is not modelled", "ip actions=encap(nsh)\narp actions=NORMAL", "timeout, ovs-unmodelled"],
    ["a loop", "ip actions=resubmit(,0)\narp actions=NORMAL", "timeout, ovs-too-deep"],
    ["the port it came in by", "ip,in_port=1 actions=output:1\narp actions=NORMAL", "timeout, ovs-drop"],
  ])("%s ends a packet with a reason of its own", (_, flows, expected) => {
    expect(told(sessionOf(world(flows)), "a", "tcp 10.0.0.3:80")).toBe(expected);
  });

  it("the trace names the bridge, the table and the flow", () => {
    const { steps } = outcome(
      sessionOf(
        world(
          "ip,nw_dst=10.0.0.3 actions=load:0x5->NXM_NX_REG0[],resubmit(,4)\ntable=4,reg0=0x5,ip actions=output:2\npriority=1 actions=NORMAL",
        ),
      ),
      "a",
      "udp 10.0.0.3:53",
    );
    const texts = steps.filter(({ kind }) => kind === "ovs").map(({ text }) => text);
    expect(texts.slice(0, 2)).toEqual([
      "br0 table 0: ip,nw_dst=10.0.0.3 actions=load:0x5->NXM_NX_REG0[],resubmit(,4)",
      "br0 table 4: reg0=0x5,ip actions=output:2",
    ]);
  });

  it("a responder answers ARP in a machine's place", () => {
    const responder =
      "priority=9,arp,arp_op=1,arp_tpa=10.0.0.3 actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],mod_dl_src:02:00:00:00:03:02," +
      "load:0x2->NXM_OF_ARP_OP[],move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],load:0x020000000302->NXM_NX_ARP_SHA[]," +
      "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],load:0x0a000003->NXM_OF_ARP_SPA[],IN_PORT\npriority=0 actions=NORMAL";
    const { arp } = outcome(sessionOf(world(responder)), "a", "tcp 10.0.0.3:80");
    expect(told(sessionOf(world(responder)), "a", "tcp 10.0.0.3:80")).toBe("connected by b, answered");
    // b never hears the question.
    expect(
      arp.some(({ host, arp: { op, tpa } }) => host === "b" && op === "request" && tpa === "10.0.0.3"),
    ).toBe(false);
  });

  it("ct tracks, translates and answers come back", () => {
    const flows = [
      "priority=100,arp actions=NORMAL",
      "priority=90,ip,nw_dst=10.96.0.1 actions=ct(commit,table=2,zone=10,nat(dst=10.0.0.3:80),exec(load:0x7->NXM_NX_CT_MARK[]))",
      "priority=80,ip actions=ct(table=2,zone=10,nat)",
      "table=2,priority=9,ct_state=+trk+new,ct_mark=0x7,ip actions=mod_dl_dst:02:00:00:00:03:02,output:2",
      "table=2,priority=9,ct_state=+trk+est-rpl,ct_mark=0x7,ip actions=mod_dl_dst:02:00:00:00:03:02,output:2",
      "table=2,priority=9,ct_state=+trk+est+rpl,ip actions=output:1",
      "table=2,priority=0 actions=drop",
    ].join("\n");
    expect(told(sessionOf(world(flows)), "a", "tcp 10.96.0.1:8080")).toBe("connected by b, answered");
  });

  it("a group takes one bucket, with the odds of its weights", () => {
    const groups =
      "group_id=5,type=select,bucket=bucket_id:0,weight:100,actions=output:2,bucket=bucket_id:1,weight:300,actions=drop";
    const session = sessionOf(
      world("priority=9,in_port=1,tcp actions=group:5\npriority=0 actions=NORMAL", groups),
    );
    const { outcomes } = trace(session, "a", "tcp 10.0.0.3:80");
    expect(outcomes.map(({ verdict, probability }) => [verdict.reason, probability])).toEqual([
      ["ovs-drop", { num: 3, den: 4 }],
      ["answered", { num: 1, den: 4 }],
    ]);
  });

  const oddsOf = (actions: string) => {
    const flows = `priority=9,in_port=1,tcp actions=${actions}\ntable=5,reg0=0x1 actions=output:2\ntable=5,priority=0 actions=drop\npriority=0 actions=NORMAL`;
    const { outcomes } = trace(sessionOf(world(flows)), "a", "tcp 10.0.0.3:80");
    return outcomes.map(
      ({ verdict, probability }) => `${verdict.reason} ${probability?.num}/${probability?.den}`,
    );
  };

  it.each([
    [
      "multipath(symmetric_l4,1024,hrw,4,0,NXM_NX_REG0[]),resubmit(,5)",
      ["answered 1/4", "ovs-drop 1/4", "ovs-drop 1/4", "ovs-drop 1/4"],
    ],
    ["multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[0..7]),resubmit(,5)", ["ovs-drop 1/1"]],
    ["bundle(eth_src,0,hrw,ofport,members:2,1)", ["answered 1/2", "ovs-drop 1/2"]],
    ["bundle(eth_src,0,active_backup,ofport,members:9,2,1)", ["answered 1/1"]],
    ["bundle(eth_src,0,active_backup,ofport,slaves:9)", ["ovs-drop 1/1"]],
    [
      "bundle_load(eth_src,0,active_backup,ofport,NXM_NX_REG0[],members:9,1,2),resubmit(,5)",
      ["answered 1/1"],
    ],
    [
      "bundle_load(eth_src,0,active_backup,ofport,NXM_NX_REG0[0..15],members:9),output:NXM_NX_REG0[]",
      ["ovs-no-port 1/1"],
    ],
    ["multipath(symmetric_l4,1024,dice,4,0,NXM_NX_REG0[]),resubmit(,5)", ["ovs-unmodelled 1/1"]],
  ])("%s: %j", (actions, expected) => {
    expect(oddsOf(actions).sort()).toEqual(expected);
  });
});

describe("tunnels of Open vSwitch", () => {
  const node = (at: number, other: number, key: string): HostSpec => ({
    links: {
      br0: { detail: OWN },
      p1: "",
      eth0: `192.0.2.${at}/24`,
      vxlan_sys_4789: { detail: { kind: "external", type: "vxlan", port: 4789 }, mtu: 65_000 },
    },
    ovs: {
      vsctl: VSCTL.replace(/ {8}Port p2\n.*\n/, ""),
      show: { br0: SHOW.replace(/ 2\(p2\).*\n.*\n/, "") },
      flows: {
        br0: [
          `priority=9,in_port=1 actions=set_field:0x${key}->tun_id,set_field:192.0.2.${other}->tun_dst,output:3`,
          "priority=9,in_port=3,tun_id=0x77 actions=output:1",
        ].join("\n"),
      },
    },
  });
  const two = (key: string) =>
    smallWorld(
      {
        a: { links: { eth0: "10.0.0.2/24" } },
        m: node(1, 2, key),
        n: node(2, 1, key),
        b: { links: { eth0: "10.0.0.3/24" }, listen: ["tcp 80"] },
      },
      ["a:eth0 m:p1", "m:eth0 n:eth0", "n:p1 b:eth0"],
    );

  it("the flow names the other end and the key", () => {
    const { frames } = outcome(sessionOf(two("77")), "a", "tcp 10.0.0.3:80");
    expect(told(sessionOf(two("77")), "a", "tcp 10.0.0.3:80")).toBe("connected by b, answered");
    const outer = frames.find(({ host, device }) => host === "m" && device === "eth0");
    expect(outer?.vxlan).toEqual({ vni: 0x77 });
    expect(outer?.ip).toMatchObject({ src: "192.0.2.1", dst: "192.0.2.2", ttl: 64, df: true });
    expect(frames.some(({ host, device }) => host === "n" && device === "vxlan_sys_4789")).toBe(true);
  });

  it("the sender of what is too long for the way is told by the tunnel, as if by whom it wrote to", () => {
    const { client, frames } = outcome(sessionOf(two("77")), "a", "icmp 10.0.0.3 size=1472 df ttl=33");
    expect(client.icmp).toMatchObject({ type: 3, code: 4, from: "10.0.0.3", mtu: 1450 });
    const error = frames.find(({ icmp, device }) => icmp?.type === 3 && device === "vxlan_sys_4789");
    expect(error).toMatchObject({ host: "m", direction: "in", ip: { ttl: 33, df: true, len: 576 } });
    expect(told(sessionOf(two("77")), "a", "icmp 10.0.0.3 size=1422 df")).toBe(
      "answered by 10.0.0.3, answered",
    );
  });

  it("another key meets no flow", () => {
    expect(told(sessionOf(two("78")), "a", "tcp 10.0.0.3:80")).toContain("no-neighbour");
  });
});
