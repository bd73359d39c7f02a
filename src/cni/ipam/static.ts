import { isJsonObject } from "../../kernel/json-fields.ts";
import { readArguments } from "../arguments.ts";
import { fail } from "../cni-error.ts";
import { containsIp } from "../ip.ts";
import { field, object, objects, text, texts } from "../json.ts";
import { type CniIp, parseCniRoute, parseDns, requireIp, requireIpNet } from "../result.ts";
import type { Ipam, IpamCall, IpamResult } from "./ipam.ts";

/** The `static` plugin: the addresses that the configuration names, unchecked and unremembered. */
export const STATIC: Ipam = { add, del: () => {}, check: (call) => void add(call) };

function add({ args, config }: IpamCall): IpamResult {
  const ipam = field(config, "ipam");
  if (!isJsonObject(ipam)) fail("IPAM config missing 'ipam' key");
  return {
    ips: addresses({ args, config }),
    routes: objects(ipam, "routes").map(parseCniRoute),
    dns: parseDns(object(ipam, "dns")),
  };
}

/** `runtimeConfig.ips` and `args.cni.ips` are taken instead of the configuration's, `CNI_ARGS`' `IP` beside them. */
function addresses({ args, config }: Pick<IpamCall, "args" | "config">): readonly CniIp[] {
  const known = readArguments(args, ["IP", "GATEWAY"]);
  const extra = (known.get("IP") ?? "").split(",").filter((name) => name !== "");
  const gateways = (known.get("GATEWAY") ?? "").split(",").filter((name) => name !== "");
  const runtime = texts(object(config, "runtimeConfig"), "ips");
  const argument = texts(object(object(config, "args"), "cni"), "ips");
  const instead = runtime.length > 0 ? runtime : argument;
  const configured = objects(object(config, "ipam"), "addresses");
  const named = instead.length > 0 ? instead.map((address) => ({ address })) : configured;
  return [...named, ...extra.map((address) => ({ address }))].map((item) => {
    const address = requireIpNet(text(item, "address"));
    const own = text(item, "gateway");
    const gateway =
      own !== ""
        ? requireIp(own)
        : (gateways.map(requireIp).find((candidate) => containsIp(address, candidate)) ?? null);
    return { interface: null, address, gateway };
  });
}
