import { expect } from "vitest";
import { Machine, type MachineState, MemoryFiles, newNetns } from "../../src/cni/machine.ts";
import { runPlugin } from "../../src/cni/run-plugin.ts";
import type { Host } from "../../src/kernel/host.ts";
import { ORIGIN_NONE } from "../../src/kernel/origin.ts";
import { WALKED_DHCP } from "../../src/walk/dhcp.ts";
import { hostOf, modelled, type RecordedCall, type RecordedRun, recordedNames } from "./recorded-run.ts";

/** A run of the real plugins played again with ours, step by step, from the state the first one found. */
export class Replay {
  readonly #run: RecordedRun;
  readonly #files = new MemoryFiles();
  #state: MachineState;

  constructor(run: RecordedRun, pods: readonly string[]) {
    this.#run = run;
    const node = hostOf("node", run.states["0-before"]?.node ?? {});
    const made = pods.map((name): [string, Host] => [name, newPod(name, node)]);
    const outside = run.states["0-before"]?.["outside"];
    this.#state =
      outside === undefined
        ? { node: "node", hosts: new Map([["node", node], ...made]), wires: [] }
        : {
            node: "node",
            hosts: new Map([["node", node], ["outside", hostOf("outside", outside)], ...made]),
            wires: [{ a: { host: "node", device: "eth0" }, b: { host: "outside", device: "eth0" } }],
          };
  }

  /** Every call of a step prints the same, and leaves the same on node, pods and disk. */
  step(name: string): void {
    const { calls = [], ipam } = this.#run.steps[name] ?? {};
    for (const recorded of calls) {
      const done = this.#call(name, recorded);
      // Where the plugins lie is the machine's affair.
      const printed = JSON.parse(
        JSON.stringify(done.printed)
          .replace("/opt/cni/bin", "/usr/lib/cni")
          .replace(/index \d+ is/g, "index 0 is")
          .replace(/Ifindex: \d+/g, "Ifindex: 0"),
      ) as unknown;
      // And where in the program's memory something lies, and which number a device got.
      const said = JSON.parse(
        JSON.stringify(recorded.stdout)
          .replace(/0xc[0-9a-f]{9}/g, "0xc000000000")
          .replace(/index \d+ is/g, "index 0 is")
          .replace(/Ifindex: \d+/g, "Ifindex: 0"),
      ) as unknown;
      expect({ exit: done.exit, printed }).toEqual({ exit: recorded.exit, printed: said });
    }
    for (const [host, json] of Object.entries(this.#run.states[name] ?? {})) {
      const own = this.#state.hosts.get(host);
      expect(own).toBeDefined();
      if (own === undefined) continue;
      const says = json["ip6tablesSave"] !== undefined;
      expect(modelled(own, says)).toEqual(modelled(hostOf(host, json), says));
    }
    if (ipam !== undefined && Object.keys(ipam).length > 0) expect(this.#ipamFiles()).toEqual(ipam);
  }

  #call(step: string, recorded: RecordedCall): { readonly exit: number; readonly printed: unknown } {
    const { env, stdin } = recorded;
    const node = this.#state.hosts.get("node") ?? newNetns("node", "node");
    const names = recordedNames(this.#run, step, recorded, node);
    const around = { now: 0, dhcp: WALKED_DHCP };
    const machine = new Machine(this.#state, this.#files, names, ORIGIN_NONE, around);
    const outcome = runPlugin(
      machine,
      {
        command: env.CNI_COMMAND,
        containerId: env.CNI_CONTAINERID,
        netns: env.CNI_NETNS,
        ifName: env.CNI_IFNAME,
        args: env.CNI_ARGS ?? "",
      },
      { ...stdin, type: recorded.plugin },
      "1.1",
    );
    this.#state = machine.finish();
    return {
      exit: outcome.kind === "error" ? 1 : 0,
      printed: outcome.kind === "error" ? outcome.error : (outcome.result ?? ""),
    };
  }

  #ipamFiles(): Record<string, string> {
    return Object.fromEntries(
      [...this.#files.stores].flatMap(([network, store]) =>
        [...store.toFiles()].map(([name, content]) => [`${network}/${name}`, content.replace("\r", "")]),
      ),
    );
  }
}

/** A container's namespace as it was before the first step: as new, on some machines with an idle tunl0. */
function newPod(name: string, node: Host): Host {
  const made = newNetns(name, "pod");
  const tunnel = node.devices.filter((device) => device.name === "tunl0");
  return { ...made, devices: [...made.devices, ...tunnel] };
}
