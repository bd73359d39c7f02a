import type { Origin } from "../origin.ts";

/** Traffic control of a host (tc(8)): queues of devices, and filters where frames come in and leave. */
export interface TrafficControl {
  readonly qdiscs: readonly Qdisc[];
  readonly filters: readonly TcFilter[];
}

export const NO_TRAFFIC_CONTROL: TrafficControl = { qdiscs: [], filters: [] };

/** A queueing discipline as `tc qdisc show` prints it. */
export interface Qdisc {
  readonly dev: string;
  /** `tbf`, `ingress`, `clsact`, `htb` … */
  readonly kind: string;
  /** `8001:`; `0:` of one that the kernel made. */
  readonly handle: string;
  /** `root`, or `parent` and whose class it hangs on. */
  readonly place: string;
  /** The rest of the line: `refcnt 2 rate 1Mbit burst 10000b lat 25ms`. */
  readonly options: string;
  readonly origin: Origin;
}

/** A filter as `tc filter show dev DEV ingress|egress` prints it: what it looks for and what it does is read off when compiled. */
export interface TcFilter {
  readonly dev: string;
  readonly hook: TcHook;
  /** Behind `filter`: `parent ffff: protocol all pref 1 u32 chain 0 fh 800::800 …`. */
  readonly head: string;
  /** The lines under it, with their blanks. */
  readonly lines: readonly string[];
  readonly origin: Origin;
}

export type TcHook = "ingress" | "egress";
