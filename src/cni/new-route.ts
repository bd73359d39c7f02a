import type { Route } from "../kernel/route/route.ts";
import type { Ip, IpNet } from "./ip.ts";

/** A route that a plugin asks for. */
export interface NewRoute {
  readonly dst: IpNet;
  readonly gw: Ip | null;
  readonly dev: string;
  readonly scope?: Route["scope"];
  readonly src?: Ip;
  readonly table?: string;
  readonly protocol?: string;
  readonly onlink?: boolean;
}
