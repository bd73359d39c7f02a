import type { Origin } from "../origin.ts";

/** Open vSwitch of a host: its bridges with their ports, flows and groups, as its own tools print them. Plain state. */
export interface OpenVswitch {
  /** Of the database's one row, as `ovs-vsctl show` begins; null where only flows were dumped. */
  readonly uuid: string | null;
  readonly managers: readonly OvsTarget[];
  readonly bridges: readonly OvsBridge[];
  readonly version: string | null;
}

/** Whom a bridge or the database obeys: `unix:/var/run/openvswitch/br-int.mgmt`. */
export interface OvsTarget {
  readonly target: string;
  readonly connected: boolean;
}

export interface OvsBridge {
  readonly name: string;
  readonly controllers: readonly OvsTarget[];
  /** What a bridge without a controller does: `standalone` learns like a switch, `secure` has its flows alone. */
  readonly failMode: "standalone" | "secure" | null;
  /** `system`: the kernel's; `netdev`: in user space. */
  readonly datapath: string | null;
  readonly ports: readonly OvsPort[];
  /** In the order of the dump, in which the first of equal priority counts. null: nobody dumped them. */
  readonly flows: readonly OvsFlow[] | null;
  readonly groups: readonly OvsGroup[];
  readonly origin: Origin;
}

/** A port with its one interface; of a bond's several each is a port here. */
export interface OvsPort {
  readonly name: string;
  /** The number that flows know it by (`ovs-ofctl show`), 65534 for LOCAL; null: nobody dumped it. */
  readonly number: number | null;
  /** `` a device of the system, `internal`, `vxlan`, `geneve`, `patch` … */
  readonly type: string;
  /** `remote_ip`, `key`, `dst_port`, `peer` … in the order of the dump. */
  readonly options: ReadonlyMap<string, string>;
  /** Its VLAN: untagged frames are of it. */
  readonly tag: number | null;
  /** The VLANs whose tagged frames pass; none named: all. */
  readonly trunks: readonly number[];
  /** Frames of a protected port leave by no other protected one. */
  readonly protected: boolean;
  readonly error: string | null;
  /** Are frames flooded to it (`NO_FLOOD` of `ovs-ofctl show`)? */
  readonly flood: boolean;
}

/** A flow as `ovs-ofctl dump-flows` prints it: what it looks for and what it does is read when compiled. */
export interface OvsFlow {
  readonly cookie: string;
  /** Its number, or with `--names` its name. */
  readonly table: string;
  /** 0–65535; 32768 where nothing is said. */
  readonly priority: number;
  /** `ip,in_port=1,nw_dst=10.0.0.0/24`; `` all. */
  readonly match: string;
  /** Behind `actions=`. */
  readonly actions: string;
  /** Seconds, 0 none. */
  readonly idleTimeout: number;
  readonly hardTimeout: number;
  readonly importance: number;
  /** `send_flow_rem`, `reset_counts` … */
  readonly flags: readonly string[];
  /** null: dumped with `--no-stats`, or written by hand. */
  readonly stats: OvsFlowStats | null;
  readonly origin: Origin;
}

export interface OvsFlowStats {
  /** `12.345s`. */
  readonly duration: string;
  readonly packets: string;
  readonly bytes: string;
  readonly idleAge: string | null;
  readonly hardAge: string | null;
}

/** A group as `ovs-ofctl dump-groups` prints it. */
export interface OvsGroup {
  readonly id: number;
  /** `all`, `select`, `indirect`, `ff` (the first that is alive). */
  readonly type: string;
  /** What stands between the type and the buckets: `selection_method=dp_hash`. */
  readonly options: string;
  readonly buckets: readonly OvsBucket[];
  readonly origin: Origin;
}

export interface OvsBucket {
  /** `bucket_id:0`, `weight:100`, `watch_port:2`, in the order of the dump. */
  readonly settings: ReadonlyMap<string, string>;
  readonly actions: string;
}

/** LOCAL, the port that is the bridge itself. */
export const OFPP_LOCAL = 65534;
/** A flow's priority where it has none of its own (`OFP_DEFAULT_PRIORITY`). */
export const DEFAULT_PRIORITY = 32768;

export const NO_OPEN_VSWITCH: OpenVswitch = { uuid: null, managers: [], bridges: [], version: null };
