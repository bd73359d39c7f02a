import type { Family } from "../../address/ip.ts";
import { ALL, type CalicoSelector, formatCalicoSelector, selects } from "../../object/calico-selector.ts";
import type { Labelled } from "../calico-labels.ts";
import { familyOf } from "../net.ts";
import type { ServiceEndpoint } from "../service-endpoints.ts";
import { setId, setName } from "./names.ts";

/** A set as Felix makes it. */
export interface FelixSet {
  readonly name: string;
  readonly type: "hash:net" | "hash:ip,port";
  /** As behind `ipset add NAME`, in order. */
  readonly members: readonly string[];
}

/** The sets that rules ask for, each once; they are known by what chooses their members. */
export class FelixSets {
  readonly family: Family;
  readonly #labelled: readonly Labelled[];
  readonly #sets = new Map<string, FelixSet>();

  readonly #endpointsOf: (service: string) => readonly ServiceEndpoint[];

  constructor(
    labelled: readonly Labelled[],
    family: Family,
    endpointsOf: (service: string) => readonly ServiceEndpoint[],
  ) {
    this.family = family;
    this.#labelled = labelled;
    this.#endpointsOf = endpointsOf;
  }

  /** Those whose name is in `wanted`, by name. */
  used(wanted: ReadonlySet<string>): FelixSet[] {
    return [...this.#sets.values()].filter(({ name }) => wanted.has(name)).sort(byName);
  }

  /** Name of the set of all addresses whose labels are chosen. */
  ofSelector(selector: CalicoSelector): string {
    const name = setName(setId("s", formatCalicoSelector(selector)), this.family);
    if (!this.#sets.has(name)) {
      const nets = this.#chosen(selector).flatMap(({ nets }) => nets);
      this.add(name, "hash:net", nets);
    }
    return name;
  }

  /** Name of the set of addresses with the port that bears a name, of those that are chosen. */
  ofNamedPort(selector: CalicoSelector | null, protocol: string, port: string): string {
    const chosen = selector ?? ALL;
    const idOfSelector = setId("s", formatCalicoSelector(chosen));
    const name = setName(setId("n", `${idOfSelector},${protocol},${port}`), this.family);
    if (!this.#sets.has(name)) {
      const members = this.#chosen(chosen).flatMap(({ nets, ports }) =>
        ports
          .filter((one) => one.name === port && one.protocol.toLowerCase() === protocol)
          .flatMap((one) => nets.map((net) => `${net},${protocol}:${one.port}`)),
      );
      this.add(name, "hash:ip,port", members);
    }
    return name;
  }

  /** Name of the set of a Service's endpoints, `namespace/name`, with their ports or without. */
  ofService(service: string, withPorts: boolean): string {
    const name = setName(setId(withPorts ? "svc" : "svcnoport", service), this.family);
    if (!this.#sets.has(name)) {
      const members = this.#endpointsOf(service).flatMap(({ address, ports }) =>
        withPorts
          ? ports.map(({ protocol, port }) => `${address},${protocol.toLowerCase()}:${port}`)
          : address,
      );
      this.add(name, withPorts ? "hash:ip,port" : "hash:net", members);
    }
    return name;
  }

  add(name: string, type: FelixSet["type"], members: readonly string[]): void {
    const own = members
      .filter((member) => familyOf(member.replace(/,.*$/, "")) === this.family)
      .flatMap((member) => (type === "hash:net" ? halved(member) : [member]));
    const set = { name, type, members: [...new Set(own)].sort() };
    // One value as long as nothing changes, so that nodes can share what is made of it.
    const before = this.#sets.get(name)?.members.join(" ");
    if (before !== set.members.join(" ")) this.#sets.set(name, set);
  }

  #chosen(selector: CalicoSelector): Labelled[] {
    return this.#labelled.filter(({ labels }) => selects(selector, labels));
  }
}

/** The kernel takes no prefix of length 0 into a set: two of length 1 are the same. */
function halved(net: string): string[] {
  if (net.endsWith("/0")) return net.includes(":") ? ["::/1", "8000::/1"] : ["0.0.0.0/1", "128.0.0.0/1"];
  return [net.replace(net.includes(":") ? /\/128$/ : /\/32$/, "")];
}

function byName(a: FelixSet, b: FelixSet): number {
  return a.name < b.name ? -1 : 1;
}
