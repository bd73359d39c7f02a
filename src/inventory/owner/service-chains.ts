import type { Ruleset, Table } from "../../kernel/netfilter/rule.ts";
import type { Lister } from "../../object/object-map.ts";
import { isServiceChain, type Protocol, serviceHash, servicePortName } from "../../proxy/names.ts";
import { protocolOf } from "../../proxy/service-ports.ts";
import type { Owner } from "../../world/world.ts";
import { chainAfter, type NameSource, type PlacedRule } from "./placed-rule.ts";
import { ownerOfPort, portInComment } from "./service-comment.ts";

const PROTOCOLS: readonly Protocol[] = ["tcp", "udp", "sctp"];

/**
 * kube-proxy's chains by the hashes in their names: exactly where the Services are known as objects, and where they are not,
 * by the names that comments of the same rules hold, hashed again. An endpoint's chain belongs to the port whose chain leads
 * to it.
 */
export class ServiceChains {
  /** The 16 characters behind `KUBE-SVC-`, `KUBE-EXT-` … */
  readonly #ports = new Map<string, Owner>();
  readonly #byComment = new Map<string, Owner>();
  readonly #endpoints = new Map<string, Owner>();

  constructor(ruleset: Ruleset, objects: Lister | null) {
    if (objects !== null) this.#takeObjects(objects);
    const nat = ruleset.tables.get("nat");
    for (const table of ruleset.tables.values()) this.#takeComments(table);
    if (nat !== undefined) this.#takeEndpoints(nat);
  }

  readonly ownerOf: NameSource = (placed) => {
    const next = chainAfter(placed.rule);
    return (
      this.#ofChain(placed.chain) ??
      (next === undefined ? undefined : this.#ofChain(next)) ??
      this.#ofComment(placed)
    );
  };

  #takeObjects(objects: Lister): void {
    for (const service of objects.list("Service")) {
      const { name, namespace = "default" } = service.metadata;
      for (const [index, port] of (service.spec.ports ?? []).entries()) {
        const protocol = protocolOf(port.protocol);
        if (protocol === undefined) continue;
        const portName = servicePortName(namespace, name, port.name ?? "");
        const owner: Owner = {
          kind: "Service",
          namespace,
          name,
          field: `spec.ports[${index}]`,
          inferred: true,
        };
        this.#ports.set(serviceHash(portName, protocol), owner);
        this.#byComment.set(portName, owner);
      }
    }
  }

  #takeComments(table: Table): void {
    for (const { name: chain, rules } of table.chains.values()) {
      for (const rule of rules) {
        const port = portInComment({ table: table.name, chain, rule });
        if (port === undefined) continue;
        const name = servicePortName(port.namespace, port.service, port.port);
        if (this.#byComment.has(name)) continue;
        const owner = ownerOfPort(port);
        this.#byComment.set(name, owner);
        for (const protocol of PROTOCOLS) this.#ports.set(serviceHash(name, protocol), owner);
      }
    }
  }

  #takeEndpoints(nat: Table): void {
    for (const { name, rules } of nat.chains.values()) {
      const owner = this.#ports.get(hashOf(name));
      if (owner === undefined) continue;
      for (const rule of rules) {
        const next = chainAfter(rule);
        if (next?.startsWith("KUBE-SEP-")) this.#endpoints.set(next, owner);
      }
    }
  }

  #ofChain(chain: string): Owner | undefined {
    if (!isServiceChain(chain)) return undefined;
    return chain.startsWith("KUBE-SEP-") ? this.#endpoints.get(chain) : this.#ports.get(hashOf(chain));
  }

  /** A name without a port is also that of a Service whose ports all have names, where old releases left them out. */
  #ofComment(placed: PlacedRule): Owner | undefined {
    const port = portInComment(placed);
    if (port === undefined) return undefined;
    return this.#byComment.get(servicePortName(port.namespace, port.service, port.port)) ?? ownerOfPort(port);
  }
}

function hashOf(chain: string): string {
  return chain.slice(chain.lastIndexOf("-") + 1);
}
