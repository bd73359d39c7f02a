import type { Ipv4 } from "../../address/ipv4.ts";
import type { Prefix4 } from "../../address/prefix.ts";
import type { Scope } from "../device/device.ts";
import type { Origin } from "../origin.ts";

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
export interface NextHop {
  readonly dev: string | null;
  readonly gateway: Ipv4 | null;
  /** 1–256; odds of a multipath route are weights over their sum. */
  readonly weight: number;
  /** The gateway is reachable directly whatever the prefixes say. */
  readonly onlink: boolean;
  /** Not used (`dead`, `linkdown`). */
  readonly dead: boolean;
}

/** A route of a table (`ip route show table all`): plain state. */
export interface Route {
  readonly type: RouteType;
  readonly dst: Prefix4;
  /** Table by name as `ip route` writes it: `main`, `local`, `default`, or a number. */
  readonly table: string;
  readonly protocol: string | null;
  readonly scope: Scope;
  readonly prefsrc: Ipv4 | null;
  readonly metric: number;
  readonly tos: number;
  /** 0: the device's. */
  readonly mtu: number;
  readonly nextHops: readonly NextHop[];
  readonly origin: Origin;
}

/** A policy rule (`ip rule`): which table is asked, for whom. */
export interface PolicyRule {
  readonly priority: number;
  readonly src: Prefix4 | null;
  readonly dst: Prefix4 | null;
  readonly iif: string | null;
  readonly oif: string | null;
  readonly fwmark: { readonly value: number; readonly mask: number } | null;
  readonly tos: number;
  readonly ipproto: number | null;
  readonly sport: { readonly from: number; readonly to: number } | null;
  readonly dport: { readonly from: number; readonly to: number } | null;
  readonly uidRange: { readonly from: number; readonly to: number } | null;
  readonly not: boolean;
  readonly action:
    | { readonly kind: "lookup"; readonly table: string; readonly suppressPrefixLength: number | null }
    | { readonly kind: "goto"; readonly priority: number }
    | { readonly kind: "nop" | "blackhole" | "unreachable" | "prohibit" };
  readonly origin: Origin;
}
