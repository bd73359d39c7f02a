import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hopscope } from "./cli.ts";

const NETNS = "nodes-in-collect";
const folder = mkdtempSync(join(tmpdir(), "hopscope-collect-"));
const script = join(folder, "collect.sh");

/** Runs in the namespace; what it printed. */
const inside = (...command: readonly string[]): string =>
  execFileSync("ip", ["netns", "exec", NETNS, ...command], { encoding: "utf8" });

const canMake =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  ["ip -V", "iptables -V", "dash -c true"].every((line) => spawnSync("sh", ["-c", line]).status === 0) &&
  spawnSync("ip", ["netns", "add", NETNS]).status === 0;

if (!canMake)
  console.log("collect in a real namespace is left out: it needs Linux, root, iproute2, iptables and dash");

const STATE = `
link set lo up
link add br0 type bridge
link add v0 type veth peer name v1
link add eth0 type veth peer name far0
link set v0 master br0
link set br0 up
link set v0 up
link set v1 up
link set eth0 up
link set far0 up
addr add 10.7.0.1/24 brd + dev br0
addr add 10.7.0.2/24 dev br0
addr add 192.168.77.2/24 brd + dev eth0
route add default via 192.168.77.1 dev eth0 metric 100
route add 10.8.0.0/16 via 192.168.77.9 mtu 1400
route add blackhole 10.9.0.0/16
route add 10.10.0.0/16 nexthop via 192.168.77.3 weight 1 nexthop via 192.168.77.4 weight 3
rule add from 10.7.0.0/24 fwmark 0x100/0xf00 lookup 100 priority 1000
neigh add 192.168.77.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent
link add vx1 type vxlan id 7 local 192.168.77.2 dev eth0 dstport 8472 nolearning
link set vx1 up`;

const RULES = [
  [
    "-t",
    "nat",
    "-A",
    "PREROUTING",
    "-d",
    "10.96.0.10",
    "-p",
    "udp",
    "--dport",
    "53",
    "-m",
    "comment",
    "--comment",
    "kube dns: x",
    "-j",
    "DNAT",
    "--to-destination",
    "10.7.0.5:53",
  ],
  ["-P", "FORWARD", "DROP"],
  [
    "-A",
    "FORWARD",
    "-i",
    "br0",
    "!",
    "-o",
    "br0",
    "-m",
    "conntrack",
    "--ctstate",
    "NEW,ESTABLISHED",
    "-j",
    "ACCEPT",
  ],
];

interface HostJson {
  readonly [field: string]: unknown;
  readonly sysctl: Readonly<Record<string, string>>;
}

/** The host as `export --format snapshot` gives it, of a source. */
async function exported(path: string, name: string): Promise<{ host: HostJson; err: string }> {
  const { out, err } = await hopscope(["export", "--node", name, "--format", "snapshot", "-f", path]);
  if (out === "") throw new Error(err);
  const { hosts } = JSON.parse(out) as { hosts: Record<string, HostJson> };
  return { host: hosts[name] as HostJson, err };
}

/** Learned entries and counters come and go between two looks. */
function steady(host: HostJson): unknown {
  const { links, addrs, routes, rules, fdb, bridgeLinks, iptablesSave, sockets } = host;
  // Addresses of IPv6 are kept unread, lifetimes and all, which text does not have in the same form.
  const four = (addrs as { addr_info: { family: string }[] }[]).map((entry) => ({
    ...entry,
    addr_info: entry.addr_info.filter(({ family }) => family === "inet"),
  }));
  const kept = (fdb as { state: string; mac: string }[]).filter(({ state }) => state === "permanent");
  return {
    ...{ links, addrs: four, routes, rules, bridgeLinks, sockets },
    fdb: kept.map((entry) => JSON.stringify(entry)).sort(),
    rulesOfTables: String(iptablesSave).replace(/\[\d+:\d+\]/g, ""),
    forward: host.sysctl["net.ipv4.ip_forward"],
    rpFilter: host.sysctl["net.ipv4.conf.eth0.rp_filter"],
  };
}

it("prints a script that a POSIX shell reads", async () => {
  const { out, code } = await hopscope(["collect"]);
  expect(code).toBe(0);
  expect(out.startsWith("#!/bin/sh\n")).toBe(true);
  // Nothing that only bash has.
  expect(out).not.toMatch(/\[\[|^\s*local\s|^\s*function\s|<\(|\$'|&>|\bpipefail\b|==/m);
  expect(spawnSync("sh", ["-n"], { input: out }).status).toBe(0);
});

describe.skipIf(!canMake)("in a real network namespace", { timeout: 30_000 }, () => {
  let expected: unknown;

  beforeAll(async () => {
    const { out } = await hopscope(["collect"]);
    writeFileSync(script, out);
    // IPv6 addresses come and settle by themselves.
    inside("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1");
    for (const line of STATE.trim().split("\n")) inside("ip", ...line.split(" "));
    for (const rule of RULES) inside("iptables", ...rule);
    inside("sysctl", "-qw", "net.ipv4.ip_forward=1");
    // The second way: the JSON of the tools and the settings' files, put together here as a snapshot.
    const json = (...command: string[]) => JSON.parse(inside(...command) || "[]") as unknown;
    const setting = (name: string) => inside("cat", `/proc/sys/${name.replaceAll(".", "/")}`).trim();
    const host = {
      links: json("ip", "-j", "-d", "link"),
      addrs: json("ip", "-j", "addr"),
      routes: json("ip", "-j", "route", "show", "table", "all"),
      rules: json("ip", "-j", "rule"),
      fdb: json("bridge", "-j", "fdb", "show"),
      bridgeLinks: json("bridge", "-j", "-d", "link"),
      iptablesSave: inside("iptables-save"),
      sockets: inside("ss", "-Htuln"),
      sysctl: Object.fromEntries(
        ["net.ipv4.ip_forward", "net.ipv4.conf.eth0.rp_filter"].map((name) => [name, setting(name)]),
      ),
    };
    const path = join(folder, "second.json");
    writeFileSync(path, JSON.stringify({ hosts: { second: host } }));
    expected = steady((await exported(path, "second")).host);
  });

  afterAll(() => {
    spawnSync("ip", ["netns", "del", NETNS]);
  });

  const collect = (args: readonly string[], path?: string) =>
    spawnSync("ip", ["netns", "exec", NETNS, "dash", script, ...args], {
      encoding: "utf8",
      env: { ...process.env, ...(path === undefined ? {} : { PATH: path }) },
    });

  it("gives one file that holds what the kernel holds", async () => {
    const { stdout } = collect([]);
    const path = join(folder, "one.txt");
    writeFileSync(path, stdout);
    const { host, err } = await exported(path, hostname());
    expect(err).toBe("");
    expect(steady(host)).toEqual(expected);
  });

  it("gives a folder that does, a file for each command", async () => {
    const into = join(folder, "node");
    const { stderr } = collect([into]);
    expect(stderr).toContain(`wrote ${into}`);
    expect(readdirSync(into)).toEqual(
      expect.arrayContaining(["ip-addr.txt", "iptables-save.txt", "sysctl.txt"]),
    );
    const { host, err } = await exported(into, hostname());
    expect(err).toBe("");
    expect(steady(host)).toEqual(expected);
  });

  it("does with an ip and a bridge that print text only", async () => {
    const old = join(folder, "old");
    mkdirSync(old);
    for (const tool of ["ip", "bridge"]) {
      const real = execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
      const lines = [
        "#!/bin/sh",
        'for word; do case "$word" in -j) exit 255;; esac; done',
        `exec ${real} "$@"`,
        "",
      ];
      writeFileSync(join(old, tool), lines.join("\n"));
      chmodSync(join(old, tool), 0o755);
    }
    const run = spawnSync("ip", ["netns", "exec", NETNS, "sh", "-c", `PATH=${old}:$PATH dash ${script}`], {
      encoding: "utf8",
    });
    expect(run.stdout).toContain("$ ip -d addr show\n");
    const path = join(folder, "text.txt");
    writeFileSync(path, run.stdout);
    const { host, err } = await exported(path, hostname());
    expect(err).toBe("");
    expect(steady(host)).toEqual(expected);
  });

  it("says what it left out for want of a tool, or of root", () => {
    const none = join(folder, "none");
    mkdirSync(none);
    for (const tool of ["id", "uname", "grep", "cat", "find", "sort", "mkdir", "dash"]) {
      const real = execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
      writeFileSync(
        join(none, tool),
        tool === "id" ? "#!/bin/sh\necho 1000\n" : `#!/bin/sh\nexec ${real} "$@"\n`,
      );
      chmodSync(join(none, tool), 0o755);
    }
    // The script adds the usual folders to PATH itself: here they are taken away from it.
    const bare = join(folder, "bare.sh");
    const text = execFileSync("sed", [`s#^PATH=.*#PATH=${none}#`, script], { encoding: "utf8" });
    writeFileSync(bare, text);
    const { stdout, stderr, status } = spawnSync("ip", ["netns", "exec", NETNS, "/bin/dash", bare], {
      encoding: "utf8",
    });
    expect(status).toBe(0);
    expect(stderr).toContain("left out: ip addr show (ip is not installed)");
    expect(stderr).toContain("left out: iptables-save (only root may see it)");
    expect(stderr).toContain("ss is not installed");
    // Settings come from the files where sysctl is missing.
    expect(stdout).toMatch(/^net\/ipv4\/ip_forward = 1$/m);
  });

  it("changes nothing", () => {
    const look = () =>
      [inside("iptables-save"), inside("ip", "addr"), inside("ip", "route", "show", "table", "all")]
        .join("\n")
        .replace(/^#.*$|\[\d+:\d+\]/gm, "");
    const before = look();
    collect([]);
    expect(look()).toBe(before);
  });
});
