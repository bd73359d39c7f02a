import { explainIpv4, parseIpv4 } from "../address/ipv4.ts";
import { explainIpv6, parseIpv6, splitZone } from "../address/ipv6.ts";
import type { LowerDevice } from "../kernel/device/device.ts";
import type { Host } from "../kernel/host.ts";
import { describeJson, Faults, fieldOf, isJsonObject, type Json, JsonFields } from "../kernel/json-fields.ts";
import { suggestion } from "../kernel/nearest-word.ts";
import { parseProtocol } from "../kernel/netfilter/save/protocol.ts";
import type { HostPlaces } from "./host-in/reading.ts";
import { isHostJson, readHost } from "./host-in.ts";
import type { InputError } from "./input-error.ts";
import { explainJsonText } from "./json-text.ts";
import { OriginTable } from "./origins.ts";
import type { Probe, Recording } from "./probe.ts";
import type { Wire, WireEnd, World } from "./world.ts";

export type Snapshot =
  | { readonly kind: "ok"; readonly world: World; readonly recording: Recording | null }
  | { readonly kind: "invalid"; readonly errors: readonly InputError[] };

/** At most so many mistakes are listed; a last line says how many more there are. */
const LISTED_ERRORS = 20;

/**
 * A snapshot as text: `{"hosts": {…}, "wires": […], "macvlans": […]}`, the same with `probes` (a recording), or one host's
 * JSON alone, which is then named by its `name` or by the file. Read whole or not at all; all mistakes are told at once.
 */
export function readSnapshot(file: string, text: string, onProgress?: (fraction: number) => void): Snapshot {
  const json = parseText(file, text);
  if (json.kind === "invalid") return json;
  const faults = new Faults(LISTED_ERRORS);
  const reader = new SnapshotReader(file, new JsonFields(json.value, "", faults), onProgress);
  const snapshot = reader.read();
  return faults.count === 0 ? snapshot : { kind: "invalid", errors: listFaults(file, faults) };
}

/**
 * Hosts in a snapshot's form that were put together from other files, which `places` knows by the host's name. The faults'
 * fields are paths and lines of the hosts' JSON: whoever put it together knows where those stand.
 */
export function readHosts(
  file: string,
  hosts: Json,
  places: ReadonlyMap<string, HostPlaces>,
): { readonly world: World; readonly faults: Faults } {
  const faults = new Faults(LISTED_ERRORS);
  const reader = new SnapshotReader(file, new JsonFields({ hosts }, "", faults), undefined, places);
  return { world: reader.readWorld(), faults };
}

type Parsed = { readonly kind: "ok"; readonly value: Json } | Extract<Snapshot, { kind: "invalid" }>;

function parseText(file: string, text: string): Parsed {
  const clean = text.startsWith("\ufeff") ? text.slice(1) : text;
  let value: unknown;
  try {
    value = JSON.parse(clean);
  } catch {
    const { line, message } = explainJsonText(clean, "a whole snapshot");
    return invalid(file, line, message);
  }
  if (isJsonObject(value)) return { kind: "ok", value };
  return invalid(file, null, `an object with "hosts" is expected, not ${describeJson(value)}`);
}

function invalid(file: string, line: number | null, message: string): Parsed {
  return { kind: "invalid", errors: [{ file, line, field: null, message }] };
}

function listFaults(file: string, faults: Faults): InputError[] {
  const errors: InputError[] = faults.kept.map(({ field, message }) => ({
    file,
    line: null,
    field: field === "" ? null : field,
    message,
  }));
  const more = faults.count - errors.length;
  if (more > 0) {
    const message = `${more} more ${more === 1 ? "mistake" : "mistakes"} of ${faults.count} in all`;
    errors.push({ file, line: null, field: null, message });
  }
  return errors;
}

class SnapshotReader {
  readonly #file: string;
  readonly #json: JsonFields;
  readonly #onProgress: (fraction: number) => void;
  readonly #origins = new OriginTable();
  readonly #hosts = new Map<string, Host>();
  /** Device names by host, made when the first wire asks. */
  readonly #names = new Map<string, ReadonlySet<string>>();
  readonly #wired = new Set<string>();
  readonly #wires: Wire[] = [];
  readonly #places: ReadonlyMap<string, HostPlaces>;

  constructor(
    file: string,
    json: JsonFields,
    onProgress: (fraction: number) => void = () => {},
    places: ReadonlyMap<string, HostPlaces> = new Map(),
  ) {
    this.#places = places;
    this.#file = file;
    this.#json = json;
    this.#onProgress = onProgress;
  }

  read(): Snapshot {
    const json = this.#json;
    const world = this.readWorld();
    return { kind: "ok", world, recording: json.has("probes") ? this.#readRecording() : null };
  }

  readWorld(): World {
    const json = this.#json;
    if (json.has("hosts")) {
      this.#readHosts();
      this.#readWires();
      this.#readMacvlans();
    } else if (isHostJson(json.json)) {
      this.#readHost(json.optionalText("name") ?? nameOfFile(this.#file), json);
    } else {
      json.faults.add("", 'holds no "hosts", nor the state of one host ("links", "addrs", "routes", …)');
    }
    this.#wireWithinHosts();
    return { hosts: this.#hosts, wires: this.#wires, origins: this.#origins.finish() };
  }

  #readHosts(): void {
    const hosts = this.#json.object("hosts");
    if (hosts === undefined) {
      if (this.#json.get("hosts") === null) this.#json.fault("hosts", "null is not an object");
      return;
    }
    const entries = Object.entries(hosts.json);
    if (entries.length === 0) this.#json.fault("hosts", "holds no host");
    for (const [i, [name, value]] of entries.entries()) {
      if (isJsonObject(value)) {
        this.#readHost(name, new JsonFields(value, fieldOf(hosts.path, name), hosts.faults));
      } else hosts.fault(name, `an object with the host's state is expected, not ${describeJson(value)}`);
      this.#onProgress((i + 1) / entries.length);
    }
  }

  #readHost(name: string, json: JsonFields): void {
    const kernel = this.#json.optionalText("kernel");
    const places = this.#places.get(name);
    this.#hosts.set(name, readHost({ name, json, file: this.#file, kernel, origins: this.#origins, places }));
  }

  #readWires(): void {
    for (const { path, texts } of this.#quadruples("wires")) {
      const [hostA, deviceA, hostB, deviceB] = texts;
      const ends: [WireEnd, WireEnd] = [
        { host: hostA, device: deviceA },
        { host: hostB, device: deviceB },
      ];
      const known = ends.every((end, i) => this.#checkEnd(end, path, 2 * i));
      if (!known) continue;
      const again = ends.find((end) => this.#wired.has(keyOf(end)));
      if (again !== undefined) {
        this.#json.faults.add(
          path,
          `${again.device} of ${again.host} has a wire already: a cable has two ends`,
        );
        continue;
      }
      this.#wire(...ends);
    }
  }

  #wire(a: WireEnd, b: WireEnd): void {
    this.#wired.add(keyOf(a)).add(keyOf(b));
    this.#wires.push({ a, b });
  }

  /** Which device a macvlan or ipvlan sits on, in another namespace too; of kinds not modelled it is kept with the host. */
  #readMacvlans(): void {
    const byHost = new Map<string, unknown[]>();
    for (const { path, texts } of this.#quadruples("macvlans")) {
      const [host, device, parentHost, parent] = texts;
      const known = [
        this.#checkEnd({ host, device }, path, 0),
        this.#checkEnd({ host: parentHost, device: parent }, path, 2),
      ];
      if (known.includes(false) || this.#placeOn(host, device, { host: parentHost, device: parent }))
        continue;
      const list = byHost.get(host) ?? [];
      byHost.set(host, [...list, texts]);
    }
    for (const [name, list] of byHost) {
      const host = this.#hosts.get(name);
      if (host === undefined) continue;
      this.#hosts.set(name, { ...host, unmodelled: new Map(host.unmodelled).set("macvlans", list) });
    }
  }

  #placeOn(hostName: string, name: string, lower: LowerDevice): boolean {
    const host = this.#hosts.get(hostName);
    const found = host?.devices.find((device) => device.name === name);
    if (host === undefined || found === undefined || !("lower" in found.detail)) return false;
    const place = lower.host === hostName ? { ...lower, host: null } : lower;
    const placed = { ...found, detail: { ...found.detail, lower: place } };
    const devices = host.devices.map((device) => (device === found ? placed : device));
    this.#hosts.set(hostName, { ...host, devices });
    return true;
  }

  #quadruples(field: string): { path: string; texts: readonly [string, string, string, string] }[] {
    const list = this.#json.get(field) ?? [];
    if (!Array.isArray(list)) {
      this.#json.fault(field, `${describeJson(list)} is not a list`);
      return [];
    }
    const found: { path: string; texts: readonly [string, string, string, string] }[] = [];
    for (const [i, item] of (list as readonly unknown[]).entries()) {
      const path = `${field}[${i}]`;
      if (Array.isArray(item) && item.length === 4 && item.every((text) => typeof text === "string")) {
        found.push({ path, texts: item as unknown as readonly [string, string, string, string] });
      } else {
        this.#json.faults.add(path, `four texts are expected: [host, device, host, device]`);
      }
    }
    return found;
  }

  #checkEnd({ host, device }: WireEnd, path: string, index: number): boolean {
    const found = this.#hosts.get(host);
    if (found === undefined) {
      const near = suggestion(host, this.#hosts.keys());
      this.#json.faults.add(`${path}[${index}]`, `there is no host ${JSON.stringify(host)}${near}`);
      return false;
    }
    const names = this.#deviceNames(found);
    // A host that could not be read has no devices, and has been reported.
    if (names.size === 0 || names.has(device)) return true;
    const message = `host ${host} has no device ${JSON.stringify(device)}${suggestion(device, names)}`;
    this.#json.faults.add(`${path}[${index + 1}]`, message);
    return false;
  }

  #deviceNames(host: Host): ReadonlySet<string> {
    let names = this.#names.get(host.name);
    if (names === undefined) {
      names = new Set(host.devices.map(({ name }) => name));
      this.#names.set(host.name, names);
    }
    return names;
  }

  /** A veth whose `link` names a device of the same host needs no wire to be said. */
  #wireWithinHosts(): void {
    for (const [host, { devices }] of this.#hosts) {
      const links = this.#linkNames(host);
      for (const { name, detail } of devices) {
        const peer = links.get(name);
        if (detail.kind !== "veth" || peer === undefined || links.get(peer) !== name) continue;
        const a = { host, device: name };
        const b = { host, device: peer };
        if (!this.#wired.has(keyOf(a)) && !this.#wired.has(keyOf(b))) this.#wire(a, b);
      }
    }
  }

  #linkNames(host: string): Map<string, string> {
    const names = new Map<string, string>();
    const all = this.#json.get("hosts");
    const json = isJsonObject(all) ? all[host] : this.#json.json;
    const { links } = isJsonObject(json) ? json : {};
    for (const link of Array.isArray(links) ? (links as readonly unknown[]) : []) {
      if (!isJsonObject(link)) continue;
      const { ifname, link: peer } = link;
      if (typeof ifname === "string" && typeof peer === "string") names.set(ifname, peer);
    }
    return names;
  }

  #readRecording(): Recording {
    const json = this.#json;
    const probes = json.objects("probes").map((entry) => this.#readProbe(entry));
    return {
      file: this.#file,
      name: json.optionalText("name") ?? nameOfFile(this.#file),
      description: json.optionalText("description") ?? "",
      setup: setupOf(json.get("setup")),
      probes,
    };
  }

  #readProbe(entry: JsonFields): Probe {
    const query = entry.object("query");
    if (query === undefined) {
      if (!entry.has("query")) entry.fault("query", "is missing: what was sent is expected");
      return { query: {}, recorded: entry.json };
    }
    if (query.has("step")) this.#checkHost(query, "host", false);
    else {
      this.#checkHost(query, "from", true);
      const { proto } = query.json;
      // Of any other protocol a bare packet is.
      if (typeof proto !== "string" || parseProtocol(proto) === undefined)
        query.word("proto", ["tcp", "udp", "icmp", "sctp"], "tcp");
      checkAddress(query, "dst", true);
      checkAddress(query, "src", false);
      for (const port of ["dport", "sport"]) query.integer(port, 0, 65_535, 0);
    }
    return { query: query.json, recorded: entry.json };
  }

  #checkHost(query: JsonFields, field: string, needed: boolean): void {
    if (!needed && !query.has(field)) return;
    const name = query.text(field);
    if (name === "" || this.#hosts.has(name)) return;
    query.fault(field, `there is no host ${JSON.stringify(name)}${suggestion(name, this.#hosts.keys())}`);
  }
}

/** An address of either family, with a zone where it is IPv6. */
function checkAddress(query: JsonFields, field: string, needed: boolean): void {
  if (!needed && !query.has(field)) return;
  const text = query.text(field);
  if (text === "") return;
  if (text.includes(":")) {
    const { address } = splitZone(text);
    if (parseIpv6(address) === undefined) query.fault(field, explainIpv6(address));
  } else if (parseIpv4(text) === undefined) query.fault(field, explainIpv4(text));
}

function keyOf({ host, device }: WireEnd): string {
  return `${host} ${device}`;
}

/** `dumps/node-7.json.gz` is called node-7; `-` has no name. */
function nameOfFile(file: string): string {
  const base = file.split(/[\\/]/).at(-1) ?? "";
  const name = base.replace(/\.gz$/, "").replace(/\.json$/, "");
  return name === "" || name === "-" ? "host" : name;
}

/** Pairs of a host and what was run there; descriptive, so that what is none is left out. */
function setupOf(value: unknown): (readonly [string, string])[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown) => {
    const [host, text] = Array.isArray(item) ? (item as readonly unknown[]) : [];
    return typeof host === "string" && typeof text === "string" ? [[host, text] as const] : [];
  });
}
