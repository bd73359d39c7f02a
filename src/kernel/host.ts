import type { BridgeVlan } from "./device/bridge-vlan.ts";
import type {
  Device,
  FdbEntry,
  InterfaceAddress,
  InterfaceAddress6,
  Neighbour,
  Neighbour6,
} from "./device/device.ts";
import type { Ipset } from "./ipset/ipset.ts";
import type { Ipvs } from "./ipvs/virtual-service.ts";
import type { Ruleset } from "./netfilter/rule.ts";
import type { NftRuleset } from "./nft/ruleset.ts";
import type { OpenVswitch } from "./ovs/open-vswitch.ts";
import type { PolicyRule, PolicyRule6, Route, Route6 } from "./route/route.ts";
import type { Sockets } from "./socket/socket.ts";
import { NO_TRAFFIC_CONTROL, type TrafficControl } from "./tc/traffic-control.ts";

/**
 * One network namespace's configuration: plain, immutable, serialisable. A walk never changes it; only operations
 * (`operation.ts`) make a new one. The compiled form is `netns.ts`.
 */
export interface Host {
  readonly name: string;
  /** Descriptive only: node, pod, router, switch, external. */
  readonly kind: string;
  /** Version of the kernel to behave like, `major.minor`. */
  readonly kernel: string;
  readonly devices: readonly Device[];
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly Route[];
  readonly rules: readonly PolicyRule[];
  readonly neighbours: readonly Neighbour[];
  readonly addresses6: readonly InterfaceAddress6[];
  readonly routes6: readonly Route6[];
  readonly rules6: readonly PolicyRule6[];
  readonly neighbours6: readonly Neighbour6[];
  readonly fdb: readonly FdbEntry[];
  /** VLANs of bridges and their ports; a device without any has the default. */
  readonly bridgeVlans: readonly BridgeVlan[];
  /** Settings that differ from the kernel's defaults or were dumped, by name with dots. */
  readonly sysctl: ReadonlyMap<string, string>;
  /** IPv4 rules. null: the dump did not say (assumed empty). */
  readonly iptables: Ruleset | null;
  /** IPv6 rules (`ip6tables`). null: the dump did not say (assumed empty). */
  readonly ip6tables: Ruleset | null;
  /** null: the dump did not say (assumed none). */
  readonly nft: NftRuleset | null;
  /** In the order they were made. null: the dump did not say (assumed none). */
  readonly ipsets: readonly Ipset[] | null;
  /** null: the dump did not say (assumed none). */
  readonly ipvs: Ipvs | null;
  readonly sockets: Sockets;
  /** Queues and filters; a dump that says nothing has none but the kernel's own. */
  readonly tc: TrafficControl;
  /** null: the dump did not say (assumed none). */
  readonly ovs: OpenVswitch | null;
  /** Parts of a snapshot that are kept and given back, but that no rule of the walk reads: name to what the dump held. */
  readonly unmodelled: ReadonlyMap<string, unknown>;
}

export const DEFAULT_KERNEL = "6.18";

/** A host with a loopback-less, empty state: what operations start from. */
export function emptyHost(name: string, kind: string): Host {
  return {
    name,
    kind,
    kernel: DEFAULT_KERNEL,
    devices: [],
    addresses: [],
    routes: [],
    rules: [],
    neighbours: [],
    addresses6: [],
    routes6: [],
    rules6: [],
    neighbours6: [],
    fdb: [],
    bridgeVlans: [],
    sysctl: new Map(),
    iptables: null,
    ip6tables: null,
    nft: null,
    ipsets: null,
    ipvs: null,
    sockets: { kind: "listed", sockets: [] },
    tc: NO_TRAFFIC_CONTROL,
    ovs: null,
    unmodelled: new Map(),
  };
}
