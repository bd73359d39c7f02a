import { isJsonObject, type Json } from "../../kernel/json-fields.ts";
import type { TextDocument } from "../../object/yaml.ts";
import type { Output } from "./output.ts";
import type { TakenApart } from "./take-apart.ts";

/**
 * The NodeNetworkState objects that the nmstate operator keeps of every node (nmstate.io), in the form of `ip -j addr` and
 * `ip -j route`: OpenShift's archives have them where they have no outputs of tools.
 */
export function takenOfNetworkStates(documents: readonly TextDocument[]): TakenApart {
  const outputs = documents.flatMap(({ value, line }) =>
    objectsOf(value).flatMap((object) => outputsOf(object, line)),
  );
  return { outputs, hostname: null, kernel: null, others: [], isProse: false };
}

function objectsOf(value: unknown): Json[] {
  if (!isJsonObject(value)) return [];
  const { items, kind } = value;
  if (kind === "NodeNetworkState") return [value];
  return Array.isArray(items) ? items.flatMap(objectsOf) : [];
}

function outputsOf(object: Json, line: number): Output[] {
  const host = text(child(object, "metadata"), "name");
  const state = child(child(object, "status"), "currentState");
  const interfaces = list(state, "interfaces").filter((each) => text(each, "type") !== "ovs-bridge");
  const links = interfaces.filter((each) => !Object.hasOwn(each, "patch")).map(linkOf);
  const routes = list(child(state, "routes"), "running").map(routeOf);
  const output = (items: readonly Json[]): Output => ({
    tool: "json",
    lines: [{ number: line, text: JSON.stringify(items) }],
    command: null,
    host: host === "" ? null : host,
  });
  return [links, routes].filter((items) => items.length > 0).map(output);
}

/** Kinds by nmstate's names; an `ovs-interface` is a device whose switch lies outside the kernel's own. */
const KINDS: Readonly<Record<string, string>> = {
  "linux-bridge": "bridge",
  veth: "veth",
  vlan: "vlan",
  dummy: "dummy",
};

function linkOf(json: Json, index: number): Json {
  const type = text(json, "type");
  const { mtu } = json;
  const isLoopback = type === "loopback";
  const mac = [text(json, "mac-address"), text(json, "permanent-mac-address")].find((each) => MAC.test(each));
  const kind = KINDS[type];
  const isUp = text(json, "state") !== "down" && text(json, "state") !== "absent";
  const hex = (index + 1).toString(16).padStart(2, "0");
  return {
    ifindex: index + 1,
    ifname: text(json, "name"),
    flags: [...(isLoopback ? ["LOOPBACK"] : ["BROADCAST", "MULTICAST"]), ...(isUp ? ["UP", "LOWER_UP"] : [])],
    mtu: typeof mtu === "number" ? mtu : 1500,
    link_type: isLoopback ? "loopback" : "ether",
    // Archives mask MAC addresses.
    address: isLoopback ? "00:00:00:00:00:00" : (mac ?? `02:00:5e:01:00:${hex}`),
    ...(kind === undefined
      ? {}
      : { linkinfo: { info_kind: kind, ...(kind === "bridge" ? { info_data: {} } : {}) } }),
    addr_info: [...addressesOf(json, "ipv4", "inet"), ...addressesOf(json, "ipv6", "inet6")],
  };
}

const MAC = /^(?:[\da-f]{2}:){5}[\da-f]{2}$/i;

function addressesOf(json: Json, field: "ipv4" | "ipv6", family: string): Json[] {
  return list(child(json, field), "address").map((address) => {
    const { "prefix-length": prefixlen } = address;
    const local = text(address, "ip");
    const scope = /^127\.|^::1$/.test(local)
      ? "host"
      : /^(?:169\.254\.|fe80:)/.test(local)
        ? "link"
        : "global";
    return { family, local, prefixlen, scope };
  });
}

const MAIN_TABLE = 254;

function routeOf(json: Json): Json {
  const dst = text(json, "destination");
  const gateway = text(json, "next-hop-address");
  const { "table-id": table, metric } = json;
  const hasGateway = gateway !== "" && gateway !== "0.0.0.0" && gateway !== "::";
  return {
    dst: dst === "0.0.0.0/0" || dst === "::/0" ? "default" : dst,
    ...(hasGateway ? { gateway } : {}),
    dev: text(json, "next-hop-interface"),
    ...(typeof table === "number" && table !== MAIN_TABLE ? { table } : {}),
    ...(hasGateway ? {} : { scope: "link" }),
    ...(typeof metric === "number" && metric > 0 ? { metric } : {}),
    flags: [],
  };
}

function child(json: Json, name: string): Json {
  const value = json[name];
  return isJsonObject(value) ? value : {};
}

function list(json: Json, name: string): Json[] {
  const value = json[name];
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function text(json: Json, name: string): string {
  const value = json[name];
  return typeof value === "string" ? value : "";
}
