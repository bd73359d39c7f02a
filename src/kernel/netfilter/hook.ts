/** The five hooks of an IP family (`enum nf_inet_hooks`), in the kernel's numbering. */
export const NF_INET_PRE_ROUTING = 0;
export const NF_INET_LOCAL_IN = 1;
export const NF_INET_FORWARD = 2;
export const NF_INET_LOCAL_OUT = 3;
export const NF_INET_POST_ROUTING = 4;

/** A device's own, before the five (`NF_NETDEV_INGRESS` in families with devices only). */
export const NF_INET_INGRESS = 5;

/** And the last thing a frame meets here. */
export const NF_NETDEV_EGRESS = 6;

/** The hooks of bridges (`enum nf_br_hooks`), each less 8, and those of ARP (`NF_ARP_*`), less 16. */
export const NF_BR_PRE_ROUTING = 8;
export const NF_BR_LOCAL_IN = 9;
export const NF_BR_FORWARD = 10;
export const NF_BR_LOCAL_OUT = 11;
export const NF_BR_POST_ROUTING = 12;
export const NF_ARP_IN = 16;
export const NF_ARP_OUT = 17;

/** Names as iptables writes them, by hook number. */
export const HOOK_NAMES = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"] as const;
/** What a trace calls a hook. */
export function hookName(hook: number): string {
  if (hook === NF_INET_INGRESS) return "INGRESS";
  if (hook === NF_NETDEV_EGRESS) return "EGRESS";
  const bridge = HOOK_NAMES[hook - NF_BR_PRE_ROUTING];
  return bridge === undefined ? (HOOK_NAMES[hook] as string) : `BRIDGE ${bridge}`;
}

/** What a hook function says (linux/netfilter.h). */
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
/** Somebody else owns the packet now (a reassembly queue, an error sent in its place). */
export const NF_STOLEN = 2;
export type NfVerdict = typeof NF_DROP | typeof NF_ACCEPT | typeof NF_STOLEN;

/** Priorities of the built-in hook functions (`enum nf_ip_hook_priorities`): data, so that the order can be read off. */
export const NF_IP_PRI = {
  CONNTRACK_DEFRAG: -400,
  RAW: -300,
  CONNTRACK: -200,
  MANGLE: -150,
  NAT_DST: -100,
  FILTER: 0,
  SECURITY: 50,
  NAT_SRC: 100,
  CONNTRACK_HELPER: 300,
  CONNTRACK_CONFIRM: 0x7fffffff,
} as const;

/** Which hooks each table of iptables registers, and at which priority. nat's depends on the kind of translation. */
export const TABLE_HOOKS: Readonly<
  Record<string, readonly { readonly hook: number; readonly priority: number }[]>
> = {
  raw: [
    { hook: NF_INET_PRE_ROUTING, priority: NF_IP_PRI.RAW },
    { hook: NF_INET_LOCAL_OUT, priority: NF_IP_PRI.RAW },
  ],
  mangle: [
    { hook: NF_INET_PRE_ROUTING, priority: NF_IP_PRI.MANGLE },
    { hook: NF_INET_LOCAL_IN, priority: NF_IP_PRI.MANGLE },
    { hook: NF_INET_FORWARD, priority: NF_IP_PRI.MANGLE },
    { hook: NF_INET_LOCAL_OUT, priority: NF_IP_PRI.MANGLE },
    { hook: NF_INET_POST_ROUTING, priority: NF_IP_PRI.MANGLE },
  ],
  nat: [
    { hook: NF_INET_PRE_ROUTING, priority: NF_IP_PRI.NAT_DST },
    { hook: NF_INET_LOCAL_IN, priority: NF_IP_PRI.NAT_SRC },
    { hook: NF_INET_LOCAL_OUT, priority: NF_IP_PRI.NAT_DST },
    { hook: NF_INET_POST_ROUTING, priority: NF_IP_PRI.NAT_SRC },
  ],
  filter: [
    { hook: NF_INET_LOCAL_IN, priority: NF_IP_PRI.FILTER },
    { hook: NF_INET_FORWARD, priority: NF_IP_PRI.FILTER },
    { hook: NF_INET_LOCAL_OUT, priority: NF_IP_PRI.FILTER },
  ],
  security: [
    { hook: NF_INET_LOCAL_IN, priority: NF_IP_PRI.SECURITY },
    { hook: NF_INET_FORWARD, priority: NF_IP_PRI.SECURITY },
    { hook: NF_INET_LOCAL_OUT, priority: NF_IP_PRI.SECURITY },
  ],
};
