import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import { readArguments } from "../arguments.ts";
import { fail } from "../cni-error.ts";
import { requireIpamTypes } from "../field-types.ts";
import { containsIp, parseIpNet } from "../ip.ts";
import { field, object, objects, text, texts } from "../json.ts";
import { type CniIp, parseCniRoute, parseDns, requireIp } from "../result.ts";
import { type Ipam, type IpamCall, type IpamResult, requireOneEach } from "./ipam.ts";

/** The `static` plugin: the addresses that the configuration names, unchecked and unremembered. */
export const STATIC: Ipam = { add, del: () => {}, check: (call) => void add(call) };

function add({ args, config }: IpamCall): IpamResult {
  return readAddresses({ args, config });
}

function readAddresses({ args, config }: Pick<IpamCall, "args" | "config">): IpamResult {
  const ipam = field(config, "ipam");
  if (!isJsonObject(ipam)) fail("IPAM config missing 'ipam' key");
  requireIpamTypes("static", ipam);
  // The decoder comes to what is no gateway before anybody looks at the addresses.
  for (const item of objects(ipam, "addresses")) {
    const gateway = text(item, "gateway");
    if (gateway !== "") requireIp(gateway);
  }
  const routes = objects(ipam, "routes").map(parseCniRoute);
  const ips = addresses({ args, config });
  requireOneEach(
    config,
    ips.map(({ address }) => address.ip.family),
  );
  return {
    ips,
    routes,
    dns: parseDns(object(ipam, "dns")),
  };
}

/** Fails for addresses or routes that are none, whoever calls. */
export function requireAddresses(config: Json): void {
  readAddresses({ args: "", config: { cniVersion: "1.0.0", ...config } });
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
  for (const address of extra) {
    if (parseIpNet(address) === undefined)
      fail(`the 'ip' field is expected to be in CIDR notation, got: '${address}'`);
  }
  return [...named, ...extra.map((address) => ({ address }))].map((item) => {
    const written = text(item, "address");
    const address =
      parseIpNet(written) ??
      fail(`the 'address' field is expected to be in CIDR notation, got: '${written}'`);
    const own = text(item, "gateway");
    const gateway =
      own !== ""
        ? requireIp(own)
        : (gateways.map(requireIp).find((candidate) => containsIp(address, candidate)) ?? null);
    return { interface: null, address, gateway };
  });
}
