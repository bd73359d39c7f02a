import type { Lister, Writer } from "../object/object-map.ts";

/**
 * A controller compares what there should be with what there is and writes the difference. It is told only which key to
 * look at again, never what changed. A key is what shares something: a Service with its slices, a node with its addresses,
 * the whole cluster where one range is shared by all; so no result depends on the order of keys.
 */
export interface Controller {
  readonly name: string;
  /** Every key there is to look at. */
  keys(lister: Lister): readonly string[];
  reconcile(key: string, lister: Lister, writer: Writer): void;
}

/** The one key of a controller that looks after something all share. */
export const CLUSTER_KEY = "cluster";
