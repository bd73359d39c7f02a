import { describe, expect, it } from "vitest";
import { formatElement } from "../../../src/kernel/ipset/element-text.ts";
import { ipsets, restoreText } from "../../../src/proxy/ipvs/operations.ts";
import type { VirtualServer } from "../../../src/proxy/ipvs/port-state.ts";
import { IpvsProxier } from "../../../src/proxy/ipvs/proxier.ts";
import { setName } from "../../../src/proxy/ipvs/sets.ts";
import { startOperations } from "../../../src/proxy/ipvs/start-operations.ts";
import { proxyModel } from "../../../src/proxy/model.ts";
import { kubeChains } from "../kube-chains.ts";
import { played, realOutputs } from "../real.ts";

interface Output {
  readonly iptables: string;
  /** Entries by set. */
  readonly ipsets: Readonly<Record<string, readonly string[]>>;
  /** `hash:ip,port inet` by set. */
  readonly types: Readonly<Record<string, string>>;
  /** By `address:port/TCP`. */
  readonly services: Readonly<
    Record<string, { scheduler: string; flags: number; timeout: number; servers: readonly string[] }>
  >;
  readonly sysctls: Readonly<Record<string, number>>;
}

const FLAG_PERSISTENT = 1;

function serverText({ address, port, protocol, persistentS, servers }: VirtualServer): [string, object] {
  const host = address.includes(":") ? `[${address}]` : address;
  return [
    `${host}:${port}/${protocol.toUpperCase()}`,
    { persistentS, servers: servers.map(({ text }) => `${text} weight 1`).sort() },
  ];
}

describe.each(["IPv4", "IPv6"] as const)("what kube-proxy 1.34 keeps in IPVS mode, %s", (family) => {
  const outputs = Object.entries(realOutputs<Output>("ipvs", "1.34", family));

  it("was played with as many cases as there are", () => {
    expect(outputs.length).toBeGreaterThanOrEqual(55);
  });

  it.each(outputs)("%s", (name, output) => {
    const { services, slices, configuration, node } = played(name, family, "1.34");
    const proxier = new IpvsProxier(proxyModel(services, slices, family), configuration);
    const state = proxier.stateFor(node);
    // No order is promised among Services.
    expect(kubeChains(restoreText(state), ["KUBE-IPVS-OUT-FILTER"])).toEqual(
      kubeChains(output.iptables, ["KUBE-IPVS-OUT-FILTER"]),
    );
    expect(
      Object.fromEntries(
        [...state.sets].map(([set, entries]) => [setName(set, family), [...entries.keys()].sort()]),
      ),
    ).toEqual(
      Object.fromEntries(Object.entries(output.ipsets).map(([set, list]) => [set, [...list].sort()])),
    );
    expect(
      Object.fromEntries(
        ipsets(state).map(({ name: set, type, storage }) => [
          set,
          `${type} ${storage.kind === "hash" && storage.family === 6 ? "inet6" : "inet"}`,
        ]),
      ),
    ).toEqual(family === "IPv4" ? output.types : withoutFamilyOfPorts(output.types));
    const real = Object.entries(output.services).map(([key, { flags, timeout, servers }]) => [
      key,
      { persistentS: (flags & FLAG_PERSISTENT) === 0 ? null : timeout, servers: [...servers].sort() },
    ]);
    expect(Object.fromEntries(state.servers.map(serverText))).toEqual(Object.fromEntries(real));
    expect(new Set(Object.values(output.services).map(({ scheduler }) => scheduler))).toEqual(
      new Set(state.servers.length === 0 ? [] : [configuration.ipvs.scheduler]),
    );
    const sysctls = startOperations(configuration, "6.18").map((operation) =>
      operation.kind === "sysctl" ? [operation.name.replaceAll(".", "/"), Number(operation.value)] : [],
    );
    expect(Object.fromEntries(sysctls)).toEqual(output.sysctls);
  });

  it("every entry is one that ipset takes", () => {
    for (const [name] of outputs) {
      const { services, slices, configuration, node } = played(name, family, "1.34");
      const state = new IpvsProxier(proxyModel(services, slices, family), configuration).stateFor(node);
      for (const [i, [, wanted]] of [...state.sets].entries()) {
        const entries = ipsets(state)[i]?.entries ?? [];
        expect(entries.map(({ parts }) => formatElement(parts)).length).toBe(wanted.size);
      }
    }
  });
});

/** A set of ports alone is of no family. */
function withoutFamilyOfPorts(types: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(types).map(([set, type]) => [set, type.replace(/^(bitmap:\S+) inet6$/, "$1 inet")]),
  );
}
