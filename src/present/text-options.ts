import type { Names } from "../inventory/names.ts";
import type { Paint } from "./paint.ts";

export interface TextOptions {
  readonly width: number;
  readonly paint: Paint;
  /** `quiet`: the verdict alone. `verbose`: every hook and rule. */
  readonly detail: "quiet" | "normal" | "verbose";
  /** Frames of ARP and of neighbour discovery too. */
  readonly arp: boolean;
  /** What hosts and addresses are called. */
  readonly names: Names;
  /** FROM and TO as they were typed, where that says more than the hosts and addresses they came to. */
  readonly asked?: { readonly from: string; readonly to: string } | null;
}
