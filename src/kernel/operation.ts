import type { Family } from "../address/ip.ts";
import type { BridgeVlan } from "./device/bridge-vlan.ts";
import type {
  Device,
  FdbEntry,
  InterfaceAddress,
  InterfaceAddress6,
  Neighbour,
  Neighbour6,
} from "./device/device.ts";
import type { EntryBatch } from "./entry-batch.ts";
import type { Ipset, IpsetEntry } from "./ipset/ipset.ts";
import type {
  IpvsTimeouts,
  RealServer,
  VirtualService,
  VirtualServiceSelector,
} from "./ipvs/virtual-service.ts";
import type { Rule, Ruleset } from "./netfilter/rule.ts";
import type { NftCommand } from "./nft/command.ts";
import type { NftRuleset } from "./nft/ruleset.ts";
import type { OpenVswitch } from "./ovs/open-vswitch.ts";
import type { PolicyRule, PolicyRule6, Route, Route6 } from "./route/route.ts";
import type { Socket, Sockets } from "./socket/socket.ts";
import type { Qdisc, TcFilter, TcHook } from "./tc/traffic-control.ts";

/**
 * The only way a host's state changes: typed values in the tools' own vocabulary. Each has an origin inside the value it
 * carries and one text form, what the real tool is given (`operation-text.ts`). Agents, imports, steps, the lab and
 * `export` all speak these; nothing else edits state.
 */
export type Operation =
  | { readonly kind: "link-add"; readonly device: Device }
  | { readonly kind: "link-delete"; readonly name: string }
  | { readonly kind: "link-set"; readonly name: string; readonly up: boolean }
  /** What a device can change while it is there: by `ip link set`, or of itself (its carrier, its port's state). */
  | { readonly kind: "link-change"; readonly name: string; readonly change: LinkChange }
  | { readonly kind: "address-add"; readonly address: InterfaceAddress | InterfaceAddress6 }
  | { readonly kind: "address-delete"; readonly address: InterfaceAddress | InterfaceAddress6 }
  | { readonly kind: "route-add"; readonly route: Route | Route6 }
  | { readonly kind: "route-replace"; readonly route: Route | Route6 }
  | { readonly kind: "route-delete"; readonly route: Route | Route6 }
  /** A rule may hold no address to tell its family by. */
  | { readonly kind: "rule-add"; readonly family?: 4; readonly rule: PolicyRule }
  | { readonly kind: "rule-add"; readonly family: 6; readonly rule: PolicyRule6 }
  /** The first rule with the same priority, selectors and action. */
  | { readonly kind: "rule-delete"; readonly family?: 4; readonly rule: PolicyRule }
  | { readonly kind: "rule-delete"; readonly family: 6; readonly rule: PolicyRule6 }
  | { readonly kind: "neighbour-replace"; readonly neighbour: Neighbour | Neighbour6 }
  | { readonly kind: "fdb-append"; readonly entry: FdbEntry }
  | { readonly kind: "bridge-vlan-add"; readonly vlan: BridgeVlan }
  | {
      readonly kind: "bridge-vlan-delete";
      readonly dev: string;
      readonly self: boolean;
      readonly from: number;
      readonly to: number;
    }
  /** All entries of a batch (`ip -batch`, `bridge -batch`) but those of one group, counting from 0; null: all. */
  | { readonly kind: "batch-add"; readonly batch: EntryBatch; readonly without: number | null }
  | { readonly kind: "sysctl"; readonly name: string; readonly value: string }
  /** `iptables-restore`, for family 6 `ip6tables-restore`; with `noflush` only the chains named in it are replaced. */
  | {
      readonly kind: "iptables-restore";
      /** Absent: 4. */
      readonly family?: Family;
      readonly ruleset: Ruleset;
      readonly noflush: boolean;
    }
  /** `iptables -A`/`-I` (`index` counts from 1; null appends). */
  | {
      readonly kind: "iptables-insert";
      readonly family?: Family;
      readonly table: string;
      readonly chain: string;
      readonly index: number | null;
      readonly rule: Rule;
    }
  | {
      readonly kind: "iptables-delete";
      readonly family?: Family;
      readonly table: string;
      readonly chain: string;
      readonly index: number;
    }
  /** `nft flush ruleset` and `nft -f` of everything that a dump holds. */
  | { readonly kind: "nft-restore"; readonly ruleset: NftRuleset }
  /** `nft -f`: a script of commands. */
  | { readonly kind: "nft"; readonly commands: readonly NftCommand[] }
  /** `ipset restore` of sets that are not there yet. */
  | { readonly kind: "ipset-restore"; readonly sets: readonly Ipset[] }
  | { readonly kind: "ipset-destroy"; readonly set: string }
  /** `ipset add`; with `exist` an element that is there already is renewed instead of refused. */
  | {
      readonly kind: "ipset-add";
      readonly set: string;
      readonly entry: IpsetEntry;
      readonly exist: boolean;
    }
  | { readonly kind: "ipset-delete"; readonly set: string; readonly entry: IpsetEntry }
  /** `ipvsadm -R` of services that are not there yet, their servers in the kernel's order. */
  | { readonly kind: "ipvs-restore"; readonly services: readonly VirtualService[] }
  /** `ipvsadm -A`, `-E`: without servers; an edit leaves them. */
  | { readonly kind: "virtual-server-add"; readonly service: VirtualService }
  | { readonly kind: "virtual-server-edit"; readonly service: VirtualService }
  | { readonly kind: "virtual-server-delete"; readonly selector: VirtualServiceSelector }
  /** `ipvsadm -a`: it stands first then. */
  | {
      readonly kind: "real-server-add";
      readonly selector: VirtualServiceSelector;
      readonly server: RealServer;
    }
  | {
      readonly kind: "real-server-edit";
      readonly selector: VirtualServiceSelector;
      readonly server: RealServer;
    }
  | {
      readonly kind: "real-server-delete";
      readonly selector: VirtualServiceSelector;
      readonly server: Pick<RealServer, "address" | "port">;
    }
  /** `ipvsadm -C`. */
  | { readonly kind: "ipvs-clear" }
  /** `ipvsadm --set`; 0 leaves a time as it is. */
  | { readonly kind: "ipvs-timeouts"; readonly timeouts: IpvsTimeouts }
  | { readonly kind: "sockets"; readonly sockets: Sockets }
  | { readonly kind: "socket-open"; readonly socket: Socket }
  /** `tc qdisc replace`. */
  | { readonly kind: "qdisc-add"; readonly qdisc: Qdisc }
  | { readonly kind: "qdisc-delete"; readonly dev: string; readonly place: string }
  /** `tc filter add`: behind those of its preference. */
  | { readonly kind: "tc-filter-add"; readonly filter: TcFilter }
  /** `head` as `tc filter show` prints it; null: all of the hook. */
  | {
      readonly kind: "tc-filter-delete";
      readonly dev: string;
      readonly hook: TcHook;
      readonly head: string | null;
    }
  /** All of Open vSwitch: its database, and the flows and groups of its bridges. */
  | { readonly kind: "ovs"; readonly ovs: OpenVswitch }
  /** Part of a snapshot that no rule of the walk reads: kept, and given back by `export`. */
  | { readonly kind: "unmodelled"; readonly name: string; readonly value: unknown };

/** New values of a device's fields; a field that is left out stays. */
export type LinkChange = Partial<Omit<Device, "name" | "ifindex" | "origin">>;

/** What stands in the way of an operation, in one sentence. */
export interface OperationError {
  readonly operation: Operation;
  readonly message: string;
}
