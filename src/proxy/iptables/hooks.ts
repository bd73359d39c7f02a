/**
 * The jumps from built-in chains into kube-proxy's. Each is put on top of its chain unless it is there already, in this
 * order, so on a fresh node the last one comes first.
 */
export interface Hook {
  readonly table: "filter" | "nat";
  readonly from: string;
  readonly to: string;
  /** What stands between `-A CHAIN` and `-j`; empty for an unconditional jump. */
  readonly match: string;
}

const NEW = "-m conntrack --ctstate NEW ";

export const HOOKS: readonly Hook[] = [
  ...hooks(
    "filter",
    ["INPUT", "FORWARD"],
    "KUBE-EXTERNAL-SERVICES",
    NEW,
    "kubernetes externally-visible service portals",
  ),
  ...hooks("filter", ["INPUT"], "KUBE-NODEPORTS", "", "kubernetes health check service ports"),
  ...hooks("filter", ["FORWARD", "OUTPUT"], "KUBE-SERVICES", NEW, "kubernetes service portals"),
  ...hooks("filter", ["FORWARD"], "KUBE-FORWARD", "", "kubernetes forwarding rules"),
  ...hooks(
    "filter",
    ["INPUT", "OUTPUT", "FORWARD"],
    "KUBE-PROXY-FIREWALL",
    NEW,
    "kubernetes load balancer firewall",
  ),
  ...hooks("nat", ["OUTPUT", "PREROUTING"], "KUBE-SERVICES", "", "kubernetes service portals"),
  ...hooks("nat", ["POSTROUTING"], "KUBE-POSTROUTING", "", "kubernetes postrouting rules"),
];

/** Only where there is a chain KUBE-FIREWALL; the kubelet makes the same ones. */
export const FIREWALL_HOOKS: readonly Hook[] = ["INPUT", "OUTPUT"].map((from) => ({
  table: "filter",
  from,
  to: "KUBE-FIREWALL",
  match: "",
}));

/** As `iptables-restore` takes it. */
export function hookRule({ from, to, match }: Hook): string {
  return `-A ${from} ${match === "" ? "" : `${match} `}-j ${to}`;
}

function hooks(
  table: Hook["table"],
  from: readonly string[],
  to: string,
  condition: string,
  comment: string,
): Hook[] {
  const match = `${condition}-m comment --comment "${comment}"`;
  return from.map((chain) => ({ table, from: chain, to, match }));
}
