import { formatIpv4 } from "../../address/ipv4.ts";
import { formatMac } from "../../address/mac.ts";
import type { Json, JsonFields } from "../json-fields.ts";
import { suggestion } from "../nearest-word.ts";
import type { Origin } from "../origin.ts";
import type { Neighbour } from "./device.ts";

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
  const dst = json.get("dst");
  if (typeof dst !== "string" || !dst.includes(":")) return false;
  json.checkIpv6("dst");
  return true;
}

export function parseNeighbour(json: JsonFields, origin: Origin): Neighbour {
  const proxy = json.has("proxy");
  return {
    dst: json.address("dst"),
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
  const { dst, dev, lladdr, state, proxy } = neighbour;
  return {
    dst: formatIpv4(dst),
    dev,
    ...(lladdr === null ? {} : { lladdr: formatMac(lladdr) }),
    ...(proxy ? { proxy: null } : {}),
    ...(proxy && state === "permanent" ? {} : { state: [state.toUpperCase()] }),
  };
}
