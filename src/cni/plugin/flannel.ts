import type { Json } from "../../kernel/json-fields.ts";
import { fail } from "../cni-error.ts";
import { parseSubnetEnv, SUBNET_ENV_PATH, type SubnetEnv } from "../flannel/subnet-env.ts";
import { formatIpNet, networkOf } from "../ip.ts";
import { field, flag, object, text } from "../json.ts";
import type { CniResult } from "../result.ts";
import { BRIDGE } from "./bridge.ts";
import type { Plugin, PluginCall } from "./plugin.ts";

/** The `flannel` plugin: reads what flanneld wrote about the node's subnet, and hands on to another plugin. */
export const FLANNEL: Plugin = { add, del, check: (call) => BRIDGE.check(delegated(call)), status };

function add(call: PluginCall): CniResult {
  const inner = delegated(call);
  call.machine.files.write(delegatePath(call), JSON.stringify(inner.config));
  return BRIDGE.add(inner);
}

/** What ADD handed on is what DEL hands on, whatever flanneld says by now. */
function del(call: PluginCall): void {
  const { files } = call.machine;
  const kept = files.read(delegatePath(call));
  if (kept === undefined) return;
  BRIDGE.del({ ...call, config: JSON.parse(kept) as Json });
  files.remove(delegatePath(call));
}

function delegatePath({ containerId }: PluginCall): string {
  return `flannel/${containerId}`;
}

function delegated(call: PluginCall): PluginCall {
  return { ...call, config: delegateConfig(call, subnetEnvOf(call)) };
}

function subnetEnvOf({ machine, config }: PluginCall): SubnetEnv {
  const path = text(config, "subnetFile") || SUBNET_ENV_PATH;
  const content = machine.files.read(path);
  if (content === undefined) {
    return fail(`loadFlannelSubnetEnv failed: open ${path}: no such file or directory`);
  }
  const env = parseSubnetEnv(content);
  return env.kind === "ok"
    ? env.value
    : fail(`loadFlannelSubnetEnv failed: ${path} is missing ${env.missing.join(", ")}`);
}

/** The delegate's own settings stand; flannel fills in the rest. */
function delegateConfig({ config, network }: Pick<PluginCall, "config" | "network">, env: SubnetEnv): Json {
  const delegate = object(config, "delegate");
  if (field(delegate, "name") !== undefined)
    fail("'delegate' dictionary must not have 'name' field, it'll be set by flannel");
  if (field(delegate, "ipam") !== undefined)
    fail("'delegate' dictionary must not have 'ipam' field, it'll be set by flannel");
  const type = text(delegate, "type") || "bridge";
  if (type !== "bridge") fail(`failed to find plugin ${JSON.stringify(type)} in path [/opt/cni/bin]`);
  return {
    ipMasq: !env.ipMasq,
    mtu: env.mtu,
    isGateway: true,
    ...delegate,
    name: network,
    type,
    cniVersion: text(config, "cniVersion"),
    ...(field(config, "runtimeConfig") === undefined
      ? {}
      : { runtimeConfig: field(config, "runtimeConfig") }),
    ...(flag(delegate, "isDefaultGateway") ? { isDefaultGateway: true } : {}),
    ipam: {
      ...object(config, "ipam"),
      type: "host-local",
      ranges: [[{ subnet: formatIpNet(networkOf(env.subnet)) }]],
      routes: [{ dst: formatIpNet(env.network) }],
    },
  };
}

function status(call: PluginCall): void {
  subnetEnvOf(call);
}
