import { execFileSync } from "node:child_process";
import process from "node:process";
import { beforeAll, describe, expect, it } from "vitest";
import { formatOnPath, IP6_ANY, internIpv6 } from "../../../src/address/ip6-handle.ts";
import { routeInput } from "../../../src/kernel/route/input-route.ts";
import { routeOutput } from "../../../src/kernel/route/output-route.ts";
import { RTN_LOCAL } from "../../../src/kernel/route/types.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import { RT_ERROR } from "../../../src/packet/packet.ts";
import { Network } from "../../../src/walk/network.ts";
import { Session } from "../../../src/walk/session.ts";
import { readSnapshot } from "../../../src/world/snapshot-in.ts";
import { ownNetns, sweepNetns } from "../../own-netns.ts";
import { ip6 } from "../../walk/words.ts";
import { Random } from "../nft/generated-ruleset.ts";

/** Random routes and rules of IPv6 in a namespace of their own, and where the kernel says that packets go (`ip -6 route get`). */

const PLACE = ownNetns("routes");
const SEEDS = [1, 2, 3, 4, 5, 6];
const QUESTIONS = 60;

function run(...words: readonly string[]): string {
  return execFileSync("ip", words, { encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
}

function inside(line: string, input?: string): string {
  const words = ["netns", "exec", PLACE, ...line.split(" ")];
  return execFileSync("ip", words, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
}

function whyNot(): string | null {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  try {
    run("netns", "add", PLACE);
    inside("sysctl -qw net.ipv6.conf.all.forwarding=1");
    run("netns", "del", PLACE);
  } catch (error) {
    return `no namespaces with IPv6 (${String(error).split("\n")[0]})`;
  }
  return null;
}

const reason = whyNot();
if (reason !== null) console.warn(`the kernel's own routes are not asked: ${reason}`);

const DEVICES = ["d0", "d1", "d2"];

function makeNamespace(forwards: boolean): void {
  run("netns", "add", PLACE);
  inside("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
  inside(`sysctl -qw net.ipv6.conf.all.forwarding=${forwards ? 1 : 0}`);
  inside("ip link set lo up");
  for (const [i, dev] of DEVICES.entries()) {
    inside(`ip link add ${dev} type veth peer name e${i}`);
    inside(`sysctl -qw net.ipv6.conf.e${i}.disable_ipv6=1`);
    inside(`ip link set e${i} up`);
    inside(`ip link set ${dev} up`);
    inside(`ip -6 addr add fd00:${i}::1/64 dev ${dev} nodad`);
    inside(`ip -6 addr add 2001:db8:${i}::1/64 dev ${dev} nodad`);
  }
  inside("ip -6 addr add fd00:9::1/128 dev lo nodad");
}

function removeNamespace(): void {
  try {
    run("netns", "del", PLACE);
  } catch {
    // It was not made.
  }
}

/** `fd00:5::/32` to /64, one within another. */
function prefixOf(random: Random): string {
  const length = random.of([0, 16, 32, 40, 48, 64, 127, 128]);
  if (length === 0) return "::/0";
  const words = [
    "fd00",
    "5",
    random.of(["0", "1", "ff"]),
    random.of(["0", "1"]),
    "0",
    "0",
    "0",
    random.of(["0", "1"]),
  ];
  const kept = words.map((word, i) => {
    const value = Number.parseInt(word, 16);
    const bits = Math.max(0, Math.min(16, length - 16 * i));
    return (value & (0xffff << (16 - bits)) & 0xffff).toString(16);
  });
  return `${kept.join(":")}/${length}`;
}

function generateRoute(random: Random): string {
  const table = random.of(["", "", "", " table 100", " table 200"]);
  const metric = random.of(["", "", " metric 5", " metric 2000"]);
  const source = random.of(["", "", "", " src fd00:1::1", " src fd00:9::1"]);
  const dst = prefixOf(random);
  const hop = (): string => {
    const i = random.below(DEVICES.length);
    return random.of([
      `via fd00:${i}::${random.below(3) + 2} dev ${DEVICES[i]}`,
      `via fe80::${random.below(3) + 2} dev ${DEVICES[i]}`,
    ]);
  };
  switch (random.below(8)) {
    case 0:
      return `${random.of(["unreachable", "blackhole", "prohibit", "throw"])} ${dst}${table}${metric}`;
    case 1:
    case 2:
      return `${dst} dev ${random.of(DEVICES)}${table}${metric}${source}`;
    case 3:
      return `${dst}${table}${metric}${source} nexthop ${hop()} nexthop ${hop()}`;
    default:
      return `${dst} ${hop()}${table}${metric}${source}`;
  }
}

function generateRule(random: Random, priority: number): string {
  const selectors = random.some(
    [
      "from fd00:1::/64",
      `to ${prefixOf(random)}`,
      "fwmark 0x10/0xf0",
      "iif d0",
      "oif d1",
      "iif lo",
      "not from fd00:2::/64",
    ],
    1 + random.below(2),
  );
  // One source, one destination, one `not` at most.
  const words = selectors.filter(
    (one, i) => selectors.findIndex((other) => other.split(" ").at(-2) === one.split(" ").at(-2)) === i,
  );
  const action = random.of([
    "lookup 100",
    "lookup 200",
    "lookup main",
    "lookup main suppress_prefixlength 32",
    "unreachable",
    "prohibit",
    "blackhole",
  ]);
  return `priority ${priority} ${words.join(" ")} ${action}`;
}

/** Puts what the kernel takes of the lines in place. */
function tryAll(kind: "route" | "rule", lines: readonly string[]): void {
  try {
    inside(
      "ip -6 -force -batch -",
      lines.map((line) => `${kind} ${kind === "route" ? "append" : "add"} ${line}\n`).join(""),
    );
  } catch {
    // It refused some, as of gateways that nothing leads to.
  }
}

function readStack(): Stack {
  const json = (line: string): unknown => JSON.parse(inside(line));
  const forwarding = inside("sysctl -n net.ipv6.conf.all.forwarding").trim();
  const host = {
    kind: "node",
    links: json("ip -j -d link show"),
    addrs: json("ip -j addr show"),
    routes6: json("ip -6 -j route show table all"),
    rules6: json("ip -6 -j rule show"),
    sysctl: { "net.ipv6.conf.all.forwarding": forwarding },
  };
  const text = JSON.stringify({ format: 1, name: "live", hosts: { place: host }, wires: [] });
  const read = readSnapshot("live.json", text);
  if (read.kind !== "ok") throw new Error(JSON.stringify(read));
  return new Session(new Network(read.world)).stack(0);
}

interface Question {
  readonly dst: string;
  readonly from: string | null;
  readonly oif: string | null;
  readonly iif: string | null;
  readonly mark: number;
}

function generateQuestion(random: Random): Question {
  const iif = random.below(3) === 0 ? random.of(DEVICES) : null;
  const dst = random.of([
    `fd00:5:${random.of(["0", "1", "ff"])}:${random.of(["0", "1"])}::${random.below(3)}`,
    `fd00:${random.below(3)}::${random.below(3)}`,
    "fd00:9::1",
    "2001:db8:77::1",
    "fe80::5",
    // Of what came in to a group `ip route get` cannot tell.
    iif === null ? "ff02::5" : "fe80::6",
  ]);
  return {
    dst,
    from: iif !== null || random.below(2) === 0 ? random.of(["fd00:1::1", "fd00:2::1", "fd00:0::1"]) : null,
    oif: iif === null && random.below(4) === 0 ? random.of(DEVICES) : null,
    iif,
    mark: random.of([0, 0, 0x10]),
  };
}

interface GotRoute {
  readonly type?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly prefsrc?: string;
  readonly error?: number;
}

const ERRNOS: Readonly<Record<string, number>> = {
  "Network is unreachable": 101,
  "No route to host": 113,
  "Permission denied": 13,
  "Invalid argument": 22,
};

/** `error N`, or device, gateway and source. */
function kernelSays({ dst, from, oif, iif, mark }: Question): string {
  const words = [dst, ...(from === null ? [] : ["from", from]), ...(oif === null ? [] : ["oif", oif])];
  if (iif !== null) words.push("iif", iif);
  if (mark !== 0) words.push("mark", String(mark));
  let text: string;
  try {
    text = inside(`ip -6 -j route get ${words.join(" ")}`);
  } catch (error) {
    const said = /answers: (.*)/.exec(String((error as { stderr?: string }).stderr))?.[1] ?? String(error);
    return `error ${ERRNOS[said] ?? said}`;
  }
  const [got] = JSON.parse(text) as [GotRoute];
  if (got.error !== undefined) return `error ${Math.abs(got.error)}`;
  return [got.dev, got.type === "local" ? "" : (got.gateway ?? ""), from === null ? got.prefsrc : ""].join(
    " ",
  );
}

/** What the model may say: more than one answer where next hops are chosen by a hash. */
function modelSays(stack: Stack, { dst, from, oif, iif, mark }: Question): Set<string> {
  const answers = new Set<string>();
  const indexOf = (name: string | null): number =>
    name === null ? 0 : (stack.net.deviceNamed(name)?.ifindex ?? 0);
  for (let option = 0; option < 4; option++) {
    stack.engine.chooser = {
      ...stack.engine.chooser,
      flow: (_kind, _a, _b, weights) => Math.min(option, weights.length - 1),
    };
    const packet = stack.pool.take();
    packet.family = 6;
    packet.dst = internIpv6(ip6(dst));
    packet.src = from === null ? IP6_ANY : internIpv6(ip6(from));
    packet.mark = mark;
    let error: number;
    if (iif === null) error = routeOutput(stack, packet, indexOf(oif), true);
    else {
      routeInput(stack, packet, stack.net.deviceNamed(iif) as never);
      error = packet.rtInput === RT_ERROR ? packet.rtError : 0;
    }
    const gateway =
      packet.rtUsesGateway && packet.rtType !== RTN_LOCAL ? formatOnPath(6, packet.rtNextHop) : "";
    const dev = stack.net.devices[packet.rtDev]?.name ?? "";
    answers.add(
      error === 0
        ? [dev, gateway, from === null ? formatOnPath(6, packet.src) : ""].join(" ")
        : `error ${error}`,
    );
    stack.pool.release(packet);
  }
  return answers;
}

describe.skipIf(reason !== null)("routes of IPv6 as the kernel finds them", () => {
  beforeAll(() => {
    sweepNetns();
  });

  it.each(SEEDS)("seed %i", (seed) => {
    const random = new Random(seed);
    try {
      makeNamespace(seed % 2 === 0);
      tryAll(
        "route",
        Array.from({ length: 30 }, () => generateRoute(random)),
      );
      tryAll(
        "rule",
        Array.from({ length: seed === 1 ? 0 : 6 }, (_, i) => generateRule(random, 100 + i)),
      );
      const stack = readStack();
      const rules = inside("ip -6 rule show");
      let found = 0;
      for (let i = 0; i < QUESTIONS; i++) {
        const question = generateQuestion(random);
        // Without a source the kernel's answer to `route get` is its first look-up's alone, before rules on sources have one.
        if (question.from === null && rules.includes("from fd00")) continue;
        const kernel = kernelSays(question);
        expect([...modelSays(stack, question)], JSON.stringify(question)).toContain(kernel);
        if (!kernel.startsWith("error")) found++;
      }
      expect(found).toBeGreaterThan(5);
    } finally {
      removeNamespace();
    }
  });
});
