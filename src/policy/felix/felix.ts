import type { Family } from "../../address/ip.ts";
import { selects } from "../../object/calico-selector.ts";
import type { Lister } from "../../object/object-map.ts";
import type { PolicyDirection } from "../../object/policy-types.ts";
import type { Labels } from "../../object/selector.ts";
import { labelledOf, workloadLabels } from "../calico-labels.ts";
import {
  ANY_DEVICE,
  failsafesOf,
  hostEndpointOf,
  hostEndpointsOn,
  type NodeDevice,
} from "../host-endpoint.ts";
import { familyOf } from "../net.ts";
import { endpointsOfService } from "../service-endpoints.ts";
import { ADMIN_TIER, BASELINE_TIER, byOrder, DEFAULT_TIER, type PolicyTier, tiersOf } from "../tier.ts";
import type { Workload } from "../workload.ts";
import { dispatchChains, UNKNOWN_DEVICE } from "./dispatch-chains.ts";
import { endpointChains, fromWorkload, toWorkload } from "./endpoint-chains.ts";
import { fromAdminPolicy } from "./from-admin.ts";
import { fromCalicoPolicy, rulesFromCalico } from "./from-calico.ts";
import { fromNetworkPolicy } from "./from-kubernetes.ts";
import { hostEndpointChains, type LocalHostEndpoint } from "./host-endpoint-chains.ts";
import { type FelixSet, FelixSets } from "./ip-sets.ts";
import { ANY_PACKET, type FelixPolicy, type PolicyRule } from "./policy.ts";
import { PolicyChains, policyChain, profileChain } from "./policy-chains.ts";
import { type FelixChain, fromDevice, toDevice } from "./rule-text.ts";
import { type FelixSettings, marksOf } from "./settings.ts";
import {
  filterChains,
  mangleChains,
  natChains,
  networkSets,
  rawChains,
  type StaticChains,
  type StaticSurroundings,
  type Tunnel,
} from "./static-chains.ts";

/** What Felix knows of its own node, and of the network that joins the nodes. */
export interface FelixNode {
  readonly name: string;
  readonly workloads: readonly LocalWorkload[];
  /** The node's own devices, without those of workloads. */
  readonly devices: readonly NodeDevice[];
  readonly tunnels: readonly Tunnel[];
  /** Addresses of all nodes, which tunnels' packets come from. */
  readonly hosts: readonly string[];
  readonly pools: readonly AddressPool[];
}

/** A workload and the node's end of its cable. */
export interface LocalWorkload {
  readonly device: string;
  readonly workload: Workload;
}

export interface AddressPool {
  readonly cidr: string;
  /** Packets from it to what is of no pool leave under the node's address. */
  readonly natOutgoing: boolean;
}

/** All that Felix writes on a node, of one family. */
export interface FelixState {
  readonly family: Family;
  readonly insertMode: FelixSettings["insertMode"];
  readonly tables: readonly FelixTable[];
  readonly sets: readonly FelixSet[];
}

export interface FelixTable extends StaticChains {
  readonly name: "raw" | "mangle" | "nat" | "filter";
}

/** Felix of all nodes, of one family: what the objects say is read once, the rules are made for each node. */
export class Felix {
  readonly #objects: Lister;
  readonly #settings: FelixSettings;
  readonly #policies: readonly FelixPolicy[];
  readonly #tiers: readonly PolicyTier[];
  readonly #sets: FelixSets;
  readonly #chains: PolicyChains;
  readonly #policyChains: readonly FelixChain[];
  readonly #profiles = new Map<string, readonly FelixChain[]>();
  /** Of endpoints by their labels, which pods of one workload share. */
  readonly #responsible = new Map<string, readonly (readonly FelixPolicy[])[]>();

  constructor(objects: Lister, settings: FelixSettings, family: Family = 4) {
    this.#objects = objects;
    this.#settings = settings;
    this.#tiers = tiersOf(objects);
    this.#policies = policiesOf(objects, this.#tiers);
    this.#sets = new FelixSets(labelledOf(objects), family, (service) =>
      endpointsOfService(objects, service),
    );
    this.#chains = new PolicyChains(settings, this.#sets);
    this.#policyChains = this.#policies.flatMap((policy) => this.#chainsOf(policy));
  }

  stateFor(node: FelixNode): FelixState {
    const settings = this.#settings;
    const { family } = this.#sets;
    const surroundings: StaticSurroundings = {
      ...{ settings, family, marks: marksOf(settings) },
      tunnels: node.tunnels.filter((tunnel) => tunnel.family === family),
      natOutgoing: node.pools.some(({ cidr, natOutgoing }) => natOutgoing && familyOf(cidr) === family),
    };
    const hosts = this.#hostEndpoints(node);
    const failsafes = failsafesOf(this.#objects);
    const ruled = [...this.#policyChains, ...this.#profileChains(node, hosts)];
    const ofTable = (name: FelixTable["name"], fixed: StaticChains, more: readonly FelixChain[]) =>
      withoutUnused({ ...fixed, name, chains: [...fixed.chains, ...more] });
    const tables = [
      ofTable("raw", rawChains(surroundings), [
        ...hostEndpointChains("raw", hosts, failsafes, settings, family),
        ...ruled,
      ]),
      ofTable("mangle", mangleChains(surroundings), [
        ...hostEndpointChains("mangle", hosts, failsafes, settings, family),
        ...ruled,
      ]),
      ofTable("nat", natChains(surroundings), []),
      ofTable("filter", filterChains(surroundings), [
        ...this.#workloadChains(node.workloads),
        ...hostEndpointChains("filter", hosts, failsafes, settings, family),
        ...ruled,
      ]),
    ];
    return { family, tables, insertMode: settings.insertMode, sets: this.#setsFor(node, tables) };
  }

  /** Those of the network are the same on all its nodes. */
  #setsFor({ hosts, pools }: FelixNode, tables: readonly FelixTable[]): FelixSet[] {
    const sets = this.#sets;
    const names = networkSets(sets.family);
    sets.add(names.hosts, "hash:net", hosts);
    sets.add(names.vxlanHosts, "hash:net", hosts);
    sets.add(
      names.pools,
      "hash:net",
      pools.map(({ cidr }) => cidr),
    );
    const masqueraded = pools.filter(({ natOutgoing }) => natOutgoing);
    sets.add(
      names.masqueraded,
      "hash:net",
      masqueraded.map(({ cidr }) => cidr),
    );
    const used = tables.flatMap(({ chains }) =>
      chains.flatMap(({ rules }) =>
        rules.flatMap(({ match }) => [...match.matchAll(/--match-set (\S+)/g)].map(([, name = ""]) => name)),
      ),
    );
    return sets.used(new Set(used));
  }

  #workloadChains(workloads: readonly LocalWorkload[]): FelixChain[] {
    const settings = this.#settings;
    const own = workloads.flatMap(({ device, workload }) => {
      const labels = workloadLabels(workload, this.#objects);
      const profiles = profilesOf(workload);
      const shared = { profiles, kind: "normal", established: "accept", failsafeChain: null } as const;
      const tiers = (direction: PolicyDirection) => this.#tiersForWorkload(labels, direction);
      return [
        ...endpointChains(
          {
            ...{ ...shared, name: toWorkload(device), direction: "Ingress", forbidsTunnels: false },
            tiers: tiers("Ingress"),
          },
          settings,
        ),
        ...endpointChains(
          {
            ...{ ...shared, name: fromWorkload(device), direction: "Egress", forbidsTunnels: true },
            tiers: tiers("Egress"),
          },
          settings,
        ),
      ];
    });
    const devices = workloads.map(({ device }) => device);
    const end = [UNKNOWN_DEVICE];
    return [
      ...own,
      ...dispatchChains({
        ...{ chain: "cali-from-wl-dispatch", devices, match: fromDevice, target: fromWorkload, end },
      }),
      ...dispatchChains({
        ...{ chain: "cali-to-wl-dispatch", devices, match: toDevice, target: toWorkload, end },
      }),
    ];
  }

  #tiersForWorkload(labels: Labels, direction: PolicyDirection): readonly (readonly FelixPolicy[])[] {
    const key = `${direction} ${JSON.stringify(labels)}`;
    const found = this.#responsible.get(key) ?? this.#tiersFor(labels, direction, isForWorkloads);
    this.#responsible.set(key, found);
    return found;
  }

  #tiersFor(
    labels: Labels,
    direction: PolicyDirection,
    wanted: (policy: FelixPolicy) => boolean,
  ): FelixPolicy[][] {
    return this.#tiers.map(({ name }) =>
      this.#policies.filter(
        (policy) =>
          policy.tier.name === name &&
          policy.directions.includes(direction) &&
          wanted(policy) &&
          selects(policy.selector, labels),
      ),
    );
  }

  #chainsOf({ name, ingress, egress, object }: FelixPolicy): FelixChain[] {
    return [
      this.#chains.chain(policyChain(name, "Ingress"), `Policy ${name}`, "Ingress", ingress, object),
      this.#chains.chain(policyChain(name, "Egress"), `Policy ${name}`, "Egress", egress, object),
    ];
  }

  /** A namespace's lets everything pass, a service account's is empty; host endpoints name profiles that somebody wrote. */
  #profileChains({ workloads }: FelixNode, hosts: readonly LocalHostEndpoint[]): FelixChain[] {
    const named = new Set([
      ...workloads.flatMap(({ workload }) => profilesOf(workload)),
      ...hosts.flatMap(({ endpoint }) => endpoint.spec.profiles ?? []),
    ]);
    return [...named].flatMap((name) => {
      const chains = this.#profiles.get(name) ?? this.#profile(name);
      this.#profiles.set(name, chains);
      return chains;
    });
  }

  #profile(name: string): FelixChain[] {
    const object = this.#objects.get("Profile", name) ?? null;
    const rules = (direction: "ingress" | "egress"): readonly PolicyRule[] => {
      if (object !== null) return rulesFromCalico(object.spec[direction] ?? [], direction, null);
      const allowsAll = name.startsWith("kns.") || name === ALLOWING;
      return allowsAll ? [{ ...ANY_PACKET, action: "allow", field: [] }] : [];
    };
    const chain = (direction: PolicyDirection, own: readonly PolicyRule[]) =>
      this.#chains.chain(profileChain(name, direction), `Profile ${name}`, direction, own, object);
    return [chain("Ingress", rules("ingress")), chain("Egress", rules("egress"))];
  }

  #hostEndpoints({ name, devices }: FelixNode): LocalHostEndpoint[] {
    const made = (endpoint: LocalHostEndpoint["endpoint"], device: string | null): LocalHostEndpoint => ({
      ...{ endpoint, device },
      tiersOf: (direction, wanted) => this.#tiersFor(endpoint.metadata.labels ?? {}, direction, wanted),
    });
    const ofDevices = devices.flatMap((device) => {
      const endpoint = hostEndpointOf(this.#objects, device);
      const isAny = endpoint?.spec.interfaceName === ANY_DEVICE;
      return endpoint === undefined || isAny ? [] : [made(endpoint, device.name)];
    });
    const any = hostEndpointsOn(this.#objects, name).find(({ spec }) => spec.interfaceName === ANY_DEVICE);
    return any === undefined ? ofDevices : [...ofDevices, made(any, null)];
  }
}

/** The profile that lets everything pass, which is always there. */
const ALLOWING = "projectcalico-default-allow";

function profilesOf({ namespace, serviceAccount }: Workload): string[] {
  return [`kns.${namespace}`, `ksa.${namespace}.${serviceAccount}`];
}

const isForWorkloads = ({ doNotTrack, preDNAT }: FelixPolicy) => !doNotTrack && !preDNAT;

function policiesOf(objects: Lister, tiers: readonly PolicyTier[]): FelixPolicy[] {
  const tier = (name: string) => tiers.filter((one) => one.name === name);
  const calico = [...objects.list("CalicoNetworkPolicy"), ...objects.list("GlobalNetworkPolicy")];
  const all = [
    ...tier(DEFAULT_TIER).flatMap((own) =>
      objects.list("NetworkPolicy").map((policy) => fromNetworkPolicy(policy, own)),
    ),
    ...tier(ADMIN_TIER).flatMap((own) =>
      objects.list("AdminNetworkPolicy").map((policy) => fromAdminPolicy(policy, own, objects)),
    ),
    ...tier(BASELINE_TIER).flatMap((own) =>
      objects.list("BaselineAdminNetworkPolicy").map((policy) => fromAdminPolicy(policy, own, objects)),
    ),
    ...calico.flatMap((policy) =>
      tier(policy.spec.tier ?? DEFAULT_TIER).map((own) => fromCalicoPolicy(policy, own)),
    ),
  ];
  return all.sort(byOrder);
}

/** Felix writes only chains that something leads to. */
function withoutUnused(table: FelixTable): FelixTable {
  const byName = new Map(table.chains.map((chain) => [chain.name, chain]));
  const used = new Set<string>();
  const queue = [...table.inserted, ...table.appended];
  for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
    for (const { action } of chain.rules) {
      const to = byName.get(/^--(?:jump|goto) (\S+)$/.exec(action)?.[1] ?? "");
      if (to === undefined || used.has(to.name)) continue;
      used.add(to.name);
      queue.push(to);
    }
  }
  const chains = [...byName.values()].filter(({ name }) => used.has(name));
  return { ...table, chains: chains.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}
