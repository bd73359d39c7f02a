import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { whyUnfit } from "../../src/lab/live/fit.ts";
import type { RecordedProbe, RecordedQuery } from "../../src/lab/recorded.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import type { World } from "../../src/world/world.ts";
import { quickSettings, SAID_ONCE } from "./draft.ts";
import { judged, raising, recording, sideBySide, sweep, sweepOwn, TooSlow } from "./probing.ts";

/** Recorded worlds of IPv6, built again on this machine's kernel: every frame, neighbour discovery too, and every counter. */

const unfit = whyUnfit({ hosts: new Map(), wires: [], origins: { sources: [] } });
if (unfit.length > 0) console.warn(`skipped: IPv6 on this machine's kernel: ${unfit.join("; ")}`);

interface Recorded {
  readonly world: World;
  readonly queries: readonly RecordedQuery[];
}

/** One flow each, and what the client chooses given; its neighbours do not age. */
function recorded(name: string): Recorded {
  const text = gunzipSync(readFileSync(join("fixtures/truth", `${name}.json.gz`))).toString();
  const snapshot = readSnapshot(name, text);
  if (snapshot.kind === "invalid" || snapshot.recording === null) throw new Error(`${name} is no recording`);
  const queries = snapshot.recording.probes.map((probe, i): RecordedQuery => {
    const { keepState: _, ...query } = probe.query as unknown as RecordedQuery;
    return { ...query, count: 1, ...(query.proto === "icmp" ? { sport: query.sport ?? 5000 + i } : {}) };
  });
  const hosts = [...snapshot.world.hosts].map(([host, state]) => {
    const devices = state.devices.map((device) => device.name);
    const quick = [...Object.entries(SAID_ONCE), ...quickSettings(devices, [4, 6])] as const;
    return [host, { ...state, sysctl: new Map([...state.sysctl, ...quick]) }] as const;
  });
  return { world: { ...snapshot.world, hosts: new Map(hosts) }, queries };
}

function* probing({ world, queries }: Recorded): Generator<void, RecordedProbe[]> {
  const standing = yield* raising(world);
  try {
    return yield* recording(standing, queries);
  } finally {
    standing.lab.close();
  }
}

const ATTEMPTS = 4;

function probed(given: Recorded): RecordedProbe[] {
  for (let attempt = 1; ; attempt++) {
    const [probes] = sideBySide([probing(given)]);
    if (probes instanceof TooSlow && attempt < ATTEMPTS) continue;
    if (probes === undefined || probes instanceof Error) throw probes;
    return probes;
  }
}

describe.skipIf(unfit.length > 0)(`recorded worlds of IPv6 on kernel ${release()}`, () => {
  afterAll(() => {
    sweep();
    sweepOwn();
  });

  it.each(["k-filter-matches", "k-bridge-on", "k-route-fabric"])(
    "%s: the kernel does what the model says",
    (name) => {
      const given = recorded(name);
      const probes = probed(given);
      expect(probes.some(({ ndp = [] }) => ndp.length > 0)).toBe(true);
      const told = judged(given.world, probes).flatMap(({ recorded: { query }, difference }) =>
        difference === null ? [] : [`${JSON.stringify(query)}: ${difference}`],
      );
      expect(told).toEqual([]);
    },
    60_000,
  );
});
