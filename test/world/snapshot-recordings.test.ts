import { describe, expect, it } from "vitest";
import type { Host } from "../../src/kernel/host.ts";
import type { Json } from "../../src/kernel/json-fields.ts";
import { formatHost } from "../../src/world/host-out.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { writeSnapshot } from "../../src/world/snapshot-out.ts";
import type { World } from "../../src/world/world.ts";
import { readRecording, readRecordingText, recordingNames } from "../fixtures.ts";

interface RecordingJson {
  readonly hosts: Readonly<Record<string, Json>>;
  readonly wires: unknown;
  readonly macvlans: readonly unknown[];
  readonly probes: readonly unknown[];
}

function read(file: string, text: string) {
  const snapshot = readSnapshot(file, text);
  if (snapshot.kind !== "ok") throw new Error(JSON.stringify(snapshot.errors));
  return snapshot;
}

describe.each(recordingNames())("the recording %s", (name) => {
  const { world, recording } = read(name, readRecordingText(name));
  const json = readRecording(name) as RecordingJson;

  it("is read and written to what reads as the same", () => {
    const text = writeSnapshot(world);
    const again = read(name, text).world;
    expect(withoutOrigins(again)).toEqual(withoutOrigins(world));
    expect(writeSnapshot(again)).toBe(text);
  });

  it("is given back field by field", () => {
    for (const [host, state] of world.hosts) {
      const recorded = json.hosts[host];
      if (recorded === undefined) throw new Error(host);
      compareHost(formatHost(state), recorded, host);
    }
    const written = JSON.parse(writeSnapshot(world)) as RecordingJson;
    expect(written.wires).toEqual(json.wires);
    expect(sorted(written.macvlans)).toEqual(sorted(json.macvlans));
  });

  it("keeps its probes as they were recorded", () => {
    expect(recording?.probes.map((probe) => probe.recorded)).toEqual(json.probes);
  });

  it("knows where every rule and route came from", () => {
    for (const [host, state] of world.hosts) expectOrigins(world, host, state);
  });
});

/** Items in which nothing may be lost: these hold nothing that is not modelled, or kept beside. */
const WHOLE = ["routes", "rules", "neigh", "fdb", "sysctl", "routes6", "rules6"];

/** What was written must be in the recording, field by field; shortened recordings lack whole lists. */
function compareHost(written: Json, recorded: Json, host: string): void {
  const shortened = !Object.hasOwn(recorded, "fdb");
  for (const [field, value] of Object.entries(written)) {
    if (shortened && ["links", "fdb", "bridgeLinks", "rules", "neigh", "routes"].includes(field)) continue;
    const place = `${host} ${field}`;
    if (field === "iptablesSave" || field === "ip6tablesSave")
      expect(withoutDates(String(value)), place).toBe(withoutDates(String(recorded[field])));
    else if (field === "sockets") expect(endpoints(value), place).toEqual(endpoints(recorded[field]));
    else if (WHOLE.includes(field)) expect(value, place).toEqual(recorded[field]);
    else expect(recorded[field], place).toMatchObject(value as object);
  }
  expect(Object.keys(recorded).filter((field) => !Object.hasOwn(written, field))).toEqual([]);
}

function withoutDates(iptablesSave: string): string {
  return iptablesSave.replace(/^#.*\n/gm, "");
}

/** Queue lengths are no configuration. */
function endpoints(text: unknown): string[] {
  return String(text)
    .split("\n")
    .map((line) => line.replace(/ \d+ \d+ /, " "));
}

function sorted(items: readonly unknown[]): string[] {
  return items.map((item) => JSON.stringify(item)).sort();
}

function withoutOrigins(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, item]) => [key, withoutOrigins(item)]);
  if (Array.isArray(value)) return value.map(withoutOrigins);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "origin" && key !== "origins")
      .map(([key, item]) => [key, withoutOrigins(item)]),
  );
}

function expectOrigins(world: World, host: string, state: Host): void {
  const source = (origin: number) => world.origins.sources[origin];
  for (const device of state.devices) {
    expect(source(device.origin)?.field).toMatch(/^hosts\..*\.(links|addrs)\[\d+\]$/);
  }
  for (const route of state.routes) {
    expect(source(route.origin)?.field, host).toMatch(/\.(routes\[\d+\]|addr_info\[\d+\])$/);
  }
  for (const table of state.iptables?.tables.values() ?? []) {
    for (const chain of table.chains.values()) {
      for (const rule of chain.rules) {
        const found = source(rule.origin);
        expect(found?.field).toMatch(/\.iptablesSave$/);
        expect(found?.line).toBeGreaterThan(0);
      }
    }
  }
}
