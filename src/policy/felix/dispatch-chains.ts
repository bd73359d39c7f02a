import { DROP, type FelixChain, type FelixRule, felixRule, goto } from "./rule-text.ts";

/**
 * Chains that lead a packet to the chain of its device's endpoint, through one more for devices that share a letter more
 * than all do (felix `rules/dispatch.go`).
 */
export interface Dispatch {
  readonly chain: string;
  readonly devices: readonly string[];
  /** `--in-interface` or `--out-interface` with the device. */
  readonly match: (device: string) => string;
  readonly target: (device: string) => string;
  /** What becomes of packets of any other device. */
  readonly end: readonly FelixRule[];
}

/** A workload's device of which Felix has not heard yet. */
export const UNKNOWN_DEVICE: FelixRule = felixRule("", DROP, "Unknown interface");

export function dispatchChains({ chain, devices, match, target, end }: Dispatch): FelixChain[] {
  const names = [...new Set(devices)].sort();
  const common = commonPrefix(names);
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const prefix = name.slice(0, common.length + 1);
    groups.set(prefix, [...(groups.get(prefix) ?? []), name]);
  }
  const children: FelixChain[] = [];
  const root = [...groups].map(([prefix, members]) => {
    const [only = ""] = members;
    if (members.length === 1) return felixRule(match(only), goto(target(only)));
    const child = `${chain}-${prefix.slice(common.length)}`;
    const rules = members.map((name) => felixRule(match(name), goto(target(name))));
    children.push({ name: child, rules: [...rules, ...end] });
    return felixRule(match(`${prefix}+`), goto(child));
  });
  return [...children, { name: chain, rules: [...root, ...end] }];
}

function commonPrefix([first = "", ...rest]: readonly string[]): string {
  let length = first.length;
  for (const name of rest) {
    while (!name.startsWith(first.slice(0, length))) length--;
  }
  return first.slice(0, length);
}
