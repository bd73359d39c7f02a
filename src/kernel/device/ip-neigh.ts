import { type AddressFamily, IPV4, IPV6 } from "../../address/family.ts";
import { formatMac } from "../../address/mac.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import { suggestion } from "../nearest-word.ts";
import type { Origin } from "../origin.ts";
import type { Neighbour, Neighbour6, NeighbourOf } from "./device.ts";

/** Neighbours as `ip -j neigh` and `ip -j neigh show proxy` print them. */

const STATES: readonly Neighbour["state"][] = [
  "permanent",
  "noarp",
  "reachable",
  "stale",
  "delay",
  "probe",
  "incomplete",
  "failed",
];

export function isIpv6Neighbour(json: JsonFields): boolean {
  return json.mentionsIpv6(["dst"]);
}

export function parseNeighbour(json: JsonFields, origin: Origin): Neighbour {
  return parseEntry(json, IPV4, origin);
}

export function parseNeighbour6(json: JsonFields, origin: Origin): Neighbour6 {
  return { ...parseEntry(json, IPV6, origin), router: json.has("router") };
}

function parseEntry<Address>(
  json: JsonFields,
  of: AddressFamily<Address>,
  origin: Origin,
): NeighbourOf<Address> {
  const proxy = json.has("proxy");
  return {
    dst: json.addressOf(of, "dst"),
    dev: json.text("dev"),
    lladdr: json.has("lladdr") ? json.mac("lladdr") : null,
    state: proxy && !json.has("state") ? "permanent" : parseState(json),
    proxy,
    origin,
  };
}

function parseState(json: JsonFields): Neighbour["state"] {
  const value = json.get("state");
  const names = typeof value === "string" ? [value] : json.texts("state");
  const name = names[0];
  if (name === undefined) {
    json.fault("state", 'is missing: a list such as ["REACHABLE"] is expected');
    return "failed";
  }
  const state = STATES.find((known) => known.toUpperCase() === name.toUpperCase());
  if (state !== undefined) return state;
  const known = STATES.map((each) => each.toUpperCase());
  json.fault("state", `${JSON.stringify(name)} is no state of a neighbour${suggestion(name, known)}`);
  return "failed";
}

export function formatNeighbour(neighbour: Neighbour): Json {
  return formatEntry(IPV4, neighbour, false);
}

export function formatNeighbour6(neighbour: Neighbour6): Json {
  return formatEntry(IPV6, neighbour, neighbour.router);
}

function formatEntry<Address>(
  of: AddressFamily<Address>,
  { dst, dev, lladdr, state, proxy }: NeighbourOf<Address>,
  router: boolean,
): Json {
  return {
    dst: of.format(dst),
    dev,
    ...(lladdr === null ? {} : { lladdr: formatMac(lladdr) }),
    ...(router ? { router: null } : {}),
    ...(proxy ? { proxy: null } : {}),
    ...(proxy && state === "permanent" ? {} : { state: [state.toUpperCase()] }),
  };
}
