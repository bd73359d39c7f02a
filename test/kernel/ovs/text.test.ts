import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ORIGIN_NONE } from "../../../src/kernel/origin.ts";
import { formatOvsFlows, parseOvsFlows } from "../../../src/kernel/ovs/dump-flows.ts";
import { formatOvsGroups, parseOvsGroups } from "../../../src/kernel/ovs/dump-groups.ts";
import { parseOfctlShow } from "../../../src/kernel/ovs/ofctl-show.ts";
import { formatVsctlShow, parseVsctlShow } from "../../../src/kernel/ovs/vsctl-show.ts";

/** The texts are Open vSwitch 3.1.0's own: `ovs-ofctl` over OpenFlow 1.0, 1.3 and 1.5, and `ovs-vsctl show`. */

const none = () => ORIGIN_NONE;

const FLOWS = [
  " cookie=0x0, duration=0.047s, table=0, n_packets=0, n_bytes=0, idle_age=0, priority=200,ip,in_port=1,nw_dst=10.0.0.0/24 actions=ct(commit,table=2,zone=5,nat(dst=10.1.1.1-10.1.1.5:80-90),exec(load:0x1->NXM_NX_CT_MARK[4],load:0xff->NXM_NX_CT_LABEL[0..7]))",
  " cookie=0x77, duration=0.047s, table=0, n_packets=0, n_bytes=0, idle_timeout=30, idle_age=0, priority=100,arp,arp_tpa=10.0.0.9,arp_op=1 actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],mod_dl_src:aa:bb:cc:dd:ee:ff,load:0x2->NXM_OF_ARP_OP[],move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],IN_PORT",
  " cookie=0x0, duration=0.070s, table=2, n_packets=0, n_bytes=0, reset_counts ct_state=-new+trk,ct_mark=0x10/0xf0,tcp,reg0=0x1/0xffff,tp_dst=80 actions=resubmit(,3),group:7",
  " cookie=0x0, duration=0.109s, table=2, n_packets=0, n_bytes=0, reset_counts idle_age=0, ipv6,ipv6_dst=fd00::/64 actions=dec_ttl,set_field:::1/::ffff:ffff:ffff:ffff->tun_ipv6_dst,set_field:fd00::/64->tun_ipv6_dst,output:NXM_NX_REG1[],clone(set_field:0x5->tun_id,output:2)",
  " cookie=0x0, duration=0.070s, table=3, n_packets=0, n_bytes=0, hard_timeout=90, send_flow_rem reset_counts priority=9,reg0=0x5,dl_vlan=7 actions=conjunction(5,1/2)",
  " cookie=0x0, duration=0.047s, table=3, n_packets=0, n_bytes=0, idle_age=0, udp,tun_id=0x7,tun_src=1.2.3.4 actions=learn(table=20,hard_timeout=60,priority=10,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:NXM_OF_IN_PORT[]),controller(reason=no_match,id=5),resubmit(,9)",
  ' priority=200,ip,in_port="p 2",nw_dst=10.0.0.0/24 actions=output:"p 2"',
  " table=4, priority=0 actions=drop",
  " actions=NORMAL",
].map((line) => `${line}\n`);

const GROUPS = [
  " group_id=7,type=select,bucket=bucket_id:0,weight:100,actions=ct(commit,nat(dst=10.0.0.3)),output:2,bucket=bucket_id:1,weight:50,actions=resubmit(,4)\n",
  " group_id=8,type=ff,bucket=watch_port:1,actions=output:1\n",
].join("");

const SHOW = `fbceacb4-91d4-4542-95f9-ce6eb4f3128f
    Manager "ptcp:6640:127.0.0.1"
        is_connected: true
    Bridge br0
        Controller "tcp:127.0.0.1:6653"
        fail_mode: secure
        datapath_type: dummy
        Port p9
            tag: 10
            Interface p9
        Port br0
            Interface br0
                type: internal
        Port vx
            Interface vx
                type: vxlan
                options: {key=flow, remote_ip="192.0.2.9"}
        Port gone
            Interface gone
                error: "could not open network device gone (No such device)"
    ovs_version: "3.1.0"
`;

describe("what ovs-ofctl and ovs-vsctl print", () => {
  it.each(FLOWS)("flows come back byte for byte: %s", (line) => {
    const { flows, errors } = parseOvsFlows(line, none);
    expect(errors).toEqual([]);
    expect(formatOvsFlows(flows)).toBe(line);
  });

  it("the reply's header is none of the flows; a file for add-flows is read as well", () => {
    const text =
      "OFPST_FLOW reply (OF1.3) (xid=0x2):\n# by hand\ntable=1, priority=5,ip,nw_src=10.0.0.1 , actions=output:2\n";
    expect(formatOvsFlows(parseOvsFlows(text, none).flows)).toBe(
      " table=1, priority=5,ip,nw_src=10.0.0.1 actions=output:2\n",
    );
  });

  it.each([
    ["no flow", "cookie=0x0, table=0", "is no flow"],
    ["cut off", "priority=5 actions=ct(commit,nat(src=10.0.0.1", "cut off"],
    ["a wrong number", "priority=99999 actions=drop", "a number up to 65535 is expected"],
  ])("%s is one clear line", (_, line, message) => {
    const { flows, errors } = parseOvsFlows(line, none);
    expect(flows).toEqual([]);
    expect(errors[0]?.message).toContain(message);
  });

  it("groups and the database come back byte for byte", () => {
    const { groups, errors } = parseOvsGroups(GROUPS, none);
    expect(errors).toEqual([]);
    expect(formatOvsGroups(groups)).toBe(GROUPS);
    const read = parseVsctlShow(SHOW, none);
    expect(read.errors).toEqual([]);
    expect(formatVsctlShow(read.ovs)).toBe(SHOW);
  });

  it("ports have their numbers", () => {
    const text = ` 2(p1): addr:aa:55:aa:55:00:10
     config:     NO_FLOOD
     state:      LIVE
 LOCAL(br0): addr:36:e7:91:b0:7e:41
     config:     0
`;
    expect(parseOfctlShow(text).map(({ name, number, config }) => [name, number, config])).toEqual([
      ["p1", 2, "NO_FLOOD"],
      ["br0", 65534, "0"],
    ]);
  });

  it("whatever it is given, it reads it or says what is wrong", () => {
    const text = fc.oneof(
      fc.string(),
      fc.tuple(fc.constantFrom(...FLOWS, GROUPS, SHOW), fc.nat(300)).map(([one, at]) => one.slice(0, at)),
      fc
        .tuple(fc.constantFrom(...FLOWS), fc.nat(300), fc.string({ maxLength: 3 }))
        .map(([one, at, more]) => one.slice(0, at) + more + one.slice(at)),
    );
    fc.assert(
      fc.property(text, (one) => {
        const { flows } = parseOvsFlows(one, none);
        const printed = formatOvsFlows(flows);
        expect(formatOvsFlows(parseOvsFlows(printed, none).flows)).toBe(printed);
        const groups = formatOvsGroups(parseOvsGroups(one, none).groups);
        expect(formatOvsGroups(parseOvsGroups(groups, none).groups)).toBe(groups);
        const show = formatVsctlShow(parseVsctlShow(one, none).ovs);
        expect(formatVsctlShow(parseVsctlShow(show, none).ovs)).toBe(show);
      }),
      { numRuns: 1000 },
    );
  });
});
