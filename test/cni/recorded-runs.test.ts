import { describe, expect, it } from "vitest";
import { Machine, type MachineState, MemoryFiles, newNetns } from "../../src/cni/machine.ts";
import { runPlugin } from "../../src/cni/run-plugin.ts";
import type { Host } from "../../src/kernel/host.ts";
import {
  hostOf,
  modelled,
  type RecordedCall,
  type RecordedRun,
  readRun,
  recordedNames,
  runNames,
} from "./recorded-run.ts";

/** A container's namespace as it was before the first step: as new, on some machines with an idle tunl0. */
function newPod(name: string, node: Host): Host {
  const made = newNetns(name, "pod");
  const tunnel = node.devices.filter((device) => device.name === "tunl0");
  return { ...made, devices: [...made.devices, ...tunnel] };
}

function startOf(run: RecordedRun): MachineState {
  const node = hostOf("node", run.states["0-before"]?.node ?? {});
  const pods = ["pod1", "pod2", "pod3"].map((name): [string, Host] => [name, newPod(name, node)]);
  return { node: "node", hosts: new Map([["node", node], ...pods]), wires: [] };
}

function call(
  state: MachineState,
  files: MemoryFiles,
  run: RecordedRun,
  step: string,
  recorded: RecordedCall,
) {
  const { env, stdin } = recorded;
  const node = state.hosts.get("node") ?? newNetns("node", "node");
  const machine = new Machine(state, files, recordedNames(run, step, recorded, node));
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
  const printed = outcome.kind === "error" ? outcome.error : (outcome.result ?? "");
  return { state: machine.finish(), exit: outcome.kind === "error" ? 1 : 0, printed };
}

function ipamFiles(files: MemoryFiles): Record<string, string> {
  return Object.fromEntries(
    [...files.stores].flatMap(([network, store]) =>
      [...store.toFiles()].map(([name, content]) => [`${network}/${name}`, content.replace("\r", "")]),
    ),
  );
}

describe.each(runNames())("%s", (name) => {
  const run = readRun(name);
  let state = startOf(run);
  const files = new MemoryFiles();
  for (const [step, { calls, ipam }] of Object.entries(run.steps)) {
    it(step, () => {
      for (const recorded of calls) {
        const done = call(state, files, run, step, recorded);
        state = done.state;
        expect({ exit: done.exit, printed: done.printed }).toEqual({
          exit: recorded.exit,
          printed: recorded.stdout,
        });
      }
      for (const [host, json] of Object.entries(run.states[step] ?? {})) {
        const own = state.hosts.get(host);
        expect(own).toBeDefined();
        if (own !== undefined) expect(modelled(own)).toEqual(modelled(hostOf(host, json)));
      }
      if (ipam !== undefined && Object.keys(ipam).length > 0) {
        expect(ipamFiles(files)).toEqual(ipam);
      }
    });
  }
});
