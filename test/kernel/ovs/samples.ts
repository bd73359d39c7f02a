/** The texts are Open vSwitch 3.1.0's own: `ovs-ofctl` over OpenFlow 1.0, 1.3 and 1.5, and `ovs-vsctl show`. */

export const FLOWS = [
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

export const GROUPS = [
  " group_id=7,type=select,bucket=bucket_id:0,weight:100,actions=ct(commit,nat(dst=10.0.0.3)),output:2,bucket=bucket_id:1,weight:50,actions=resubmit(,4)\n",
  " group_id=8,type=ff,bucket=watch_port:1,actions=output:1\n",
].join("");

export const SHOW = `fbceacb4-91d4-4542-95f9-ce6eb4f3128f
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
