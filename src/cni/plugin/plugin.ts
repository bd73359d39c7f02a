import type { Json } from "../../kernel/json-fields.ts";
import { goQuote } from "../chain-name.ts";
import { fail } from "../cni-error.ts";
import type { Holder } from "../ipam/store.ts";
import type { Machine } from "../machine.ts";
import type { Netns } from "../netns.ts";
import type { CniInterface, CniResult } from "../result.ts";
import type { CniVersion, Release } from "../version.ts";

/** One call of a plugin, checked and decoded. */
export interface PluginCall {
  readonly machine: Machine;
  readonly containerId: string;
  /** Path of the container's namespace; empty when the runtime knows of none any more. */
  readonly netns: string;
  readonly ifName: string;
  readonly args: string;
  readonly network: string;
  readonly config: Json;
  readonly version: CniVersion;
  readonly release: Release;
  /** What the plugins before in the chain made. */
  readonly prevResult: CniResult | null;
}

/** A plugin: a program that reads a machine's state and changes it. Each call gives up by `fail`. */
export interface Plugin {
  readonly add: (call: PluginCall) => CniResult;
  readonly del: (call: PluginCall) => void;
  readonly check: (call: PluginCall) => void;
  /** Removes what belongs to nobody of the valid ones. */
  readonly gc?: (call: PluginCall, valid: readonly Holder[]) => void;
  readonly status?: (call: PluginCall) => void;
  /** A result of its own is printed in the form of 1.0.0 under whatever version was asked for. */
  readonly isUnconverted?: true;
}

/** The container's namespace, which ADD and CHECK cannot do without. */
export function openNetns({ machine, netns }: PluginCall): Netns {
  return (
    machine.netns(netns) ??
    fail(
      `failed to open netns ${goQuote(netns)}: failed to Statfs ${goQuote(netns)}: no such file or directory`,
    )
  );
}

/** What an earlier call made, which CHECK cannot do without. */
export function previousResult({ prevResult }: PluginCall): CniResult {
  return prevResult ?? fail("Required prevResult missing");
}

/** The container's interface in what an earlier call made, which is of this very namespace; undefined: it names none. */
export function containerIn(
  { interfaces }: CniResult,
  { ifName, netns }: PluginCall,
): CniInterface | undefined {
  const container = interfaces.find(({ name, sandbox }) => name === ifName && sandbox !== "");
  if (container !== undefined && container.sandbox !== netns) {
    fail(`Sandbox in prevResult ${container.sandbox} doesn't match configured netns: ${netns}`);
  }
  return container;
}
