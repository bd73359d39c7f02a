/** Why no packet of the live worlds decides on something that the model knows. */

export const LACKED = "this kernel lacks it: judged by recordings alone";

const NO_OVS = "this kernel has no Open vSwitch: judged by traces of a real one";

/** What no packet of the lab can decide on, and why. */
export const ELSEWHERE: ReadonlyMap<string, string> = new Map<string, string>([
  ["match rateest", "an estimate is of the machine's time: judged by what a kernel estimated"],
  ["match nfacct", "not modelled, which the verdict says: quotas are in no dump"],
  ["match osf", "not modelled, which the verdict says: fingerprints are in no dump"],
  ["target LED", LACKED],
  ["target SECMARK", "no security module that knows of marks is active (CONFIG_LSM)"],
  ["target CONNSECMARK", "no security module that knows of marks is active (CONFIG_LSM)"],
  ["reason unmodelled-device", "a lab refuses to build a device that is not modelled"],
  ["reason no-listener-sctp", "this kernel has no SCTP: judged by recordings alone"],
  [
    "reason vlan-filtered",
    "this kernel's bridges cannot filter by VLAN (CONFIG_BRIDGE_VLAN_FILTERING): judged by recordings alone",
  ],
  [
    "reason conntrack-full",
    "the limit is the root namespace's alone (nf_conntrack_max cannot be written in another), which a lab does not touch",
  ],
  ["reason left-model", "a lab builds only what is modelled whole: nothing of it is outside"],
  ["disposition UNKNOWN", "a lab builds only what is modelled whole: nothing of it is outside"],
  [
    "reason output-blocked",
    "no packet ends so: whatever drops at the sender (a rule, a policy, conntrack) is told by its own reason, and this one is for an error of the sender's whose packet the walk has lost sight of",
  ],
  [
    "reason connection-closed",
    "a probe ends its connection before the next one begins: only a session goes on with one that it held (`hold`), which recordings with servers that wait for that have",
  ],
  ["reason ipvlan-private", LACKED],
  ["reason bond-inactive", LACKED],
  ["reason dummy-device", LACKED],
  ["reason no-tunnel", LACKED],
  ["reason not-ipv4", LACKED],
  ["reason ipvs-no-server", LACKED],
  ["reason ipvs-server-gone", LACKED],
  ["reason ipvs-no-route", LACKED],
  ["reason ipvs-old-conntrack", LACKED],
  ["reason ipvs-no-connection", LACKED],
  [
    "reason relay-failed",
    "the lab's servers are sockets that answer by themselves: none is kube-proxy's user-space proxy, which takes a connection to pass it on; judged by its own tests",
  ],
  ...["no-match", "drop", "no-port", "ttl", "too-deep", "controller", "unmodelled"].map(
    (name) => [`reason ovs-${name}`, NO_OVS] as const,
  ),
  ["device unmodelled", "a lab refuses to build a device that is not modelled"],
  ["device ether", "the lab's cards are cables' ends"],
  ...["dummy", "ipip", "ipvlan", "vlan", "geneve", "bond", "vrf"].map(
    (kind) => [`device ${kind}`, LACKED] as const,
  ),
  ...["matchall", "flower", "gact"].map((name) => [`tc ${name}`, LACKED] as const),
]);

/**
 * Targets that change no packet: that a rule with one was taken is all there is to decide, and its counter tells. A rule of
 * nftables with a statement of them alone is the same.
 */
export const COUNTED_ALONE: ReadonlySet<string> = new Set([
  ...["LOG", "NFLOG", "AUDIT", "TRACE", "IDLETIMER", "RATEEST", "CLASSIFY", "CHECKSUM"].map(
    (name) => `target ${name}`,
  ),
  ...["log", "counter", "continue"].map(
    (name) => `nft does ${name === "continue" ? "verdict continue" : name}`,
  ),
  // What they say of a connection no packet of its own is changed by.
  ...["helper", "timeout", "expectation"].map((name) => `nft does object ct ${name}`),
]);

/** What worlds of the kind `faults` alone have: no other world has such devices, filters or mistakes. */
export const OF_FAULTS: ReadonlySet<string> = new Set([
  ...["macvlan", "tun", "ifb"].map((name) => `device ${name}`),
  ...["tbf", "u32", "mirred redirect", "mirred mirror", "mirred drop"].map((name) => `tc ${name}`),
  ...[
    ...["martian-destination", "other-host", "bridge-no-port", "bridge-hairpin", "bridge-port-blocked"],
    ...[
      "vxlan-no-remote",
      "broadcast-refused",
      "mtu-black-hole",
      "tc-drop",
      "mirred-loop",
      "burst-too-small",
    ],
    ...[
      "device-down",
      "fragment-timeout",
      "loop-budget",
      "tunnel-loop",
      "vxlan-no-vni",
      "congestion-unknown",
    ],
    ...["no-tun-peer", "not-sent", "frame-too-long", "not-redirected", "ipv6-disabled", "beyond-scope"],
  ].map((name) => `reason ${name}`),
  ...["frag", "eui64"].map((name) => `match ${name}`),
]);
