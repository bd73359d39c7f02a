import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Host } from "../../src/kernel/host.ts";
import { hostScript } from "../../src/kernel/host-script.ts";
import { formatRoute } from "../../src/kernel/route/ip-route.ts";
import { formatRule } from "../../src/kernel/route/ip-rule.ts";
import { readSnapshot } from "../../src/world/snapshot-in.ts";
import { readRecordingText } from "../fixtures.ts";

function recorded(name: string, host: string): Host {
  const snapshot = readSnapshot(name, readRecordingText(name));
  const found = snapshot.kind === "ok" ? snapshot.world.hosts.get(host) : undefined;
  if (found === undefined) throw new Error(`${name} has no ${host}`);
  return found;
}

describe("a host as a script", () => {
  const lines = hostScript(recorded("c-vxlan-two", "node1")).split("\n");

  it("adds devices before it uses them", () => {
    const order = [
      "# devices",
      "# ports",
      "# settings of single",
      "# addresses",
      "# routes",
      "# neighbours",
      "# forwarding",
    ];
    const found = order.map((title) => lines.findIndex((line) => line.startsWith(title)));
    expect(found).toEqual([...found].sort((a, b) => a - b));
    expect(found).not.toContain(-1);
  });

  it("leaves to the kernel what the kernel makes", () => {
    expect(lines.filter((line) => line.startsWith("ip route ")).join("\n")).not.toMatch(
      /proto kernel|table local/,
    );
    expect(lines.filter((line) => line.startsWith("bridge fdb ")).join("\n")).not.toMatch(/33:33|01:00:5e/);
    expect(lines.filter((line) => line.startsWith("ip rule "))).toEqual([]);
    expect(lines.join("\n")).not.toContain("127.0.0.1");
  });

  it("forwards before it sets single devices", () => {
    const forward = lines.findIndex((line) => line.startsWith("setting net.ipv4.ip_forward "));
    const single = lines.findIndex((line) => line.startsWith("setting net.ipv4.conf.eth0."));
    expect(forward).toBeGreaterThan(0);
    expect(single).toBeGreaterThan(forward);
  });

  it("stands a veth in for what sits on another namespace's device", () => {
    expect(hostScript(recorded("g-macvlan-bridge", "web-0"))).toContain(
      "# eth0 is of the kind macvlan, which cannot be made here alone: a veth stands in for it\n",
    );
  });

  it("puts a macvlan on its device", () => {
    expect(hostScript(recorded("g-macvlan-bridge", "node1"))).toMatch(
      /^ip link add host0 link eth0 index \d+ address \S+ mtu 1500 type macvlan mode bridge$/m,
    );
  });
});

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "not root";
  const namespace = `hop-test-${process.pid}`;
  try {
    run("ip", "netns", "add", namespace);
    run("ip", "netns", "exec", namespace, "bridge", "-j", "fdb");
    return null;
  } catch (error) {
    return `no network namespaces with iproute2 here: ${String(error).split("\n")[0]}`;
  } finally {
    try {
      run("ip", "netns", "del", namespace);
    } catch {
      // It was never made: that is what is told.
    }
  }
}

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

const reason = whyNot();
if (reason !== null) console.log(`scripts are not run in real namespaces: ${reason}`);

describe.skipIf(reason !== null)("a script run in a real namespace", () => {
  it.each([
    ["a-bridge-brnf-hairpin", "node1"],
    ["c-vxlan-two", "node1"],
    ["d-services-vxlan", "node2"],
    ["e-calico-warm", "node1"],
    ["f-ecmp-weighted", "leaf1"],
    ["f-policy-nat", "gateway"],
    ["f-fabric", "core"],
    ["g-macvlan-private", "node1"],
    ["g-ptp-plain", "web-0"],
    ["h-filter-local", "fw"],
  ])("makes the same host again: %s %s", (name, hostName) => {
    const host = recorded(name, hostName);
    const live = rebuilt(host);
    expect(textsOf(live.routes.map(formatRoute))).toEqual(textsOf(host.routes.map(formatRoute)));
    expect(textsOf(live.rules.map(formatRule))).toEqual(textsOf(host.rules.map(formatRule)));
    expect(textsOf(live.addresses)).toEqual(textsOf(host.addresses));
    const own = new Set(host.devices.map((device) => device.name));
    expect(textsOf(live.devices.filter((device) => own.has(device.name)))).toEqual(textsOf(host.devices));
    const tunnels = (of: Host) => textsOf(of.fdb.filter((entry) => entry.dst !== null));
    expect(tunnels(live)).toEqual(tunnels(host));
    const permanent = (of: Host) => textsOf(of.neighbours.filter(({ state }) => state === "permanent"));
    expect(permanent(live)).toEqual(permanent(host));
  });
});

/** The host as it is read back from a namespace in which its script ran. */
function rebuilt(host: Host): Host {
  const namespace = `hop-test-${process.pid}`;
  const folder = mkdtempSync(join(tmpdir(), "hop-test-"));
  run("ip", "netns", "add", namespace);
  try {
    const script = join(folder, "host.sh");
    writeFileSync(script, hostScript(host));
    run("ip", "netns", "exec", namespace, "sh", script);
    const print = (...args: string[]) =>
      JSON.parse(run("ip", "netns", "exec", namespace, ...args)) as unknown;
    const json = {
      links: print("ip", "-j", "-d", "link"),
      addrs: print("ip", "-j", "addr"),
      routes: print("ip", "-j", "route", "show", "table", "all"),
      rules: print("ip", "-j", "rule"),
      neigh: print("ip", "-j", "neigh"),
      fdb: print("bridge", "-j", "fdb", "show"),
      bridgeLinks: print("bridge", "-j", "-d", "link"),
    };
    const snapshot = readSnapshot("live", JSON.stringify(json));
    const live = snapshot.kind === "ok" ? snapshot.world.hosts.get("live") : undefined;
    if (live === undefined) throw new Error(JSON.stringify(snapshot));
    return live;
  } finally {
    run("ip", "netns", "del", namespace);
    rmSync(folder, { recursive: true });
  }
}

/** Sorted, without origins. */
function textsOf(items: readonly object[]): string[] {
  return items.map((item) => JSON.stringify({ ...item, origin: 0 })).sort();
}
