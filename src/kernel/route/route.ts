import type { PrefixOf } from "../../address/family.ts";
import type { Ipv4 } from "../../address/ipv4.ts";
import type { Ipv6Words } from "../../address/ipv6.ts";
import type { Scope } from "../device/device.ts";
import type { Origin } from "../origin.ts";
import type { RouteMetrics } from "./metrics.ts";
import type { Realms } from "./realms.ts";

/** A route's type, `RTN_*` by name as `ip route` writes it. */
export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "multicast"
  | "anycast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "throw";

/** One way out of a route. */
export interface NextHopOf<Address> {
  readonly dev: string | null;
  readonly gateway: Address | null;
  /** 1–256; odds of a multipath route are weights over their sum. */
  readonly weight: number;
  /** The gateway is reachable directly whatever the prefixes say. */
  readonly onlink: boolean;
  /** Not used (`dead`, `linkdown`). */
  readonly dead: boolean;
  /** Of IPv4. */
  readonly realms?: Realms;
}

/** A route of a table (`ip route show table all`): plain state. */
export interface RouteOf<Address> {
  readonly type: RouteType;
  readonly dst: PrefixOf<Address>;
  /** Table by name as `ip route` writes it: `main`, `local`, `default`, or a number. */
  readonly table: string;
  readonly protocol: string | null;
  readonly scope: Scope;
  readonly prefsrc: Address | null;
  readonly metric: number;
  readonly tos: number;
  /** 0: the device's. */
  readonly mtu: number;
  readonly metrics?: RouteMetrics;
  /** Of IPv6: only what comes from there takes it. Absent: all. */
  readonly from?: PrefixOf<Address>;
  /** Of IPv6: seconds until it is gone, where a router advertised it. The walk does not wait for that. */
  readonly expires?: number;
  /** Of IPv6: how much its router is to be preferred (RFC 4191). Absent: medium. */
  readonly preference?: "high" | "low";
  readonly nextHops: readonly NextHopOf<Address>[];
  readonly origin: Origin;
}

/** A policy rule (`ip rule`): which table is asked, for whom. */
export interface PolicyRuleOf<Address> {
  readonly priority: number;
  readonly src: PrefixOf<Address> | null;
  readonly dst: PrefixOf<Address> | null;
  readonly iif: string | null;
  readonly oif: string | null;
  readonly fwmark: { readonly value: number; readonly mask: number } | null;
  readonly tos: number;
  readonly ipproto: number | null;
  readonly sport: { readonly from: number; readonly to: number } | null;
  readonly dport: { readonly from: number; readonly to: number } | null;
  readonly uidRange: { readonly from: number; readonly to: number } | null;
  readonly not: boolean;
  /** Of IPv4. */
  readonly realms?: Realms;
  readonly action:
    | { readonly kind: "lookup"; readonly table: string; readonly suppressPrefixLength: number | null }
    /** The table of the VRF that the packet is in. */
    | { readonly kind: "l3mdev" }
    | { readonly kind: "goto"; readonly priority: number }
    | { readonly kind: "nop" | "blackhole" | "unreachable" | "prohibit" };
  readonly origin: Origin;
}

export type Route = RouteOf<Ipv4>;
export type PolicyRule = PolicyRuleOf<Ipv4>;

/** IPv6: the scope is always global, TOS 0, and the metric 1024 where nobody said another (0 in table local). */
export type Route6 = RouteOf<Ipv6Words>;
export type PolicyRule6 = PolicyRuleOf<Ipv6Words>;
