import { describe, expect, it } from "vitest";
import { addressOnPath, formatOnPath } from "../../../src/address/ip6-handle.ts";
import { formatMac, internMac, MAC_ZERO } from "../../../src/address/mac.ts";
import type { NetDevice } from "../../../src/kernel/device/net-device.ts";
import { NEIGH_INCOMPLETE } from "../../../src/kernel/neighbour/neighbour.ts";
import { multicastMac } from "../../../src/kernel/neighbour/output.ts";
import { receiveFrame } from "../../../src/kernel/path/receive.ts";
import { ABSENT } from "../../../src/kernel/session/pair-map.ts";
import {
  deviceKey,
  ETH_P_IPV6,
  IPPROTO_ICMPV6,
  ND_OVERRIDE,
  ND_SOLICITED,
} from "../../../src/packet/packet.ts";
import type { Outcome } from "../../../src/walk/trace.ts";
import { outcome, sessionOf, told } from "../../walk/asking.ts";
import { type HostSpec, linkLocalOf, macOf, smallWorld, switchOf } from "../../walk/small-world.ts";
import { ip6 } from "../../walk/words.ts";

/**
 * Neighbour discovery. a, b and box's first card are on one bridge, c on box's other card. The expectations are the kernel's
 * (Linux 6.18), seen in namespaces v6link-*, for example
 *
 *     ip -n v6link-r neigh add proxy fd01::77 dev ra
 *     ip netns exec v6link-r sysctl -w net.ipv6.conf.ra.proxy_ndp=1
 */
function lan(more: Readonly<Partial<Record<"a" | "b" | "box", HostSpec>>> = {}) {
  return smallWorld(
    {
      a: { links: { eth0: "fd00::2/64" }, routes: ["::/0 via fd00::1"], ...more.a },
      sw: switchOf("p0", "p1", "p2"),
      box: { links: { eth0: "fd00::1/64", eth1: "fd01::1/64" }, ...more.box },
      c: { links: { eth0: "fd01::2/64 fd00::77/128" }, routes: ["::/0 via fd01::1"] },
      b: { links: { eth0: "fd00::3/64" }, ...more.b },
    },
    ["a:eth0 sw:p0", "box:eth0 sw:p1", "b:eth0 sw:p2", "box:eth1 c:eth0"],
  );
}

const A = macOf(1, 2);
const BOX = macOf(3, 2);
const BOX_1 = macOf(3, 3);
const C = macOf(4, 2);
const B = macOf(5, 2);

/** What a host sends of it: type, source > destination, target, flags, the MAC it names, length, hop limit, and to which MAC. */
function said({ ndp }: Outcome, host: string): string[] {
  return ndp
    .filter((frame) => frame.host === host && frame.direction === "out")
    .map(({ ip: { src, dst, len, ttl }, nd, eth }) => {
      const { type, target, flags, sll, tll } = nd;
      const options = [
        sll === undefined ? undefined : `sll ${sll}`,
        tll === undefined ? undefined : `tll ${tll}`,
      ];
      const words = [type, `${src}>${dst}`, target, flags, ...options, len, ttl, eth?.dst];
      return words.filter((word) => word !== undefined).join(" ");
    });
}

/** Where a host's own packets of a query go. */
function sentTo({ frames }: Outcome, host: string): (string | undefined)[] {
  return frames.filter((f) => f.host === host && f.direction === "out").map((f) => f.eth?.dst);
}

describe("a question", () => {
  it("goes to the target's own group, and the answer to who asked", () => {
    const found = outcome(sessionOf(lan()), "a", "udp [fd00::3]:53");
    expect(said(found, "a")).toEqual([
      `135 fd00::2>ff02::1:ff00:3 fd00::3 sll ${A} 72 255 33:33:ff:00:00:03`,
    ]);
    expect(said(found, "b")).toEqual([`136 fd00::3>fd00::2 fd00::3 SO tll ${B} 72 255 ${A}`]);
  });

  it("for a packet of somebody else bears the device's link-local address; a router's answer says what it is", () => {
    const found = outcome(sessionOf(lan({ box: { forward: true } })), "a", "udp [fd01::2]:53");
    expect(found.client.result).toBe("answered");
    expect(said(found, "box")).toEqual([
      `136 fd00::1>fd00::2 fd00::1 RSO tll ${BOX} 72 255 ${A}`,
      `135 ${linkLocalOf(BOX_1)}>ff02::1:ff00:2 fd01::2 sll ${BOX_1} 72 255 33:33:ff:00:00:02`,
      // c asks for its router
      `136 fd01::1>fd01::2 fd01::1 RSO tll ${BOX_1} 72 255 ${C}`,
    ]);
  });

  it("is asked three times, a second apart, and then the packets that wait have failed", () => {
    const found = outcome(sessionOf(lan()), "a", "udp [fd00::99]:53");
    const asked = found.ndp.filter((frame) => frame.host === "a" && frame.direction === "out");
    expect(asked.map(({ at }) => at)).toEqual([0, 1000, 2000]);
    const { result, errno, icmp } = found.client;
    expect([result, errno, icmp?.type, icmp?.code, icmp?.from]).toEqual([
      "unreachable",
      "EHOSTUNREACH",
      1,
      3,
      "fd00::2",
    ]);
  });

  it("teaches the one asked who asks", () => {
    const session = sessionOf(lan());
    outcome(session, "a", "udp [fd00::3]:53");
    expect(outcome(session, "b", "udp [fd00::2]:53").ndp).toEqual([]);
  });

  it("is asked of the neighbour alone once its entry has aged, and answered without the MAC", () => {
    const session = sessionOf(lan());
    outcome(session, "a", "udp [fd00::3]:53");
    session.wait(60_000);
    // b has only heard of a, and has not been answered since it began to use that
    const again = outcome(session, "a", "udp [fd00::3]:53");
    expect(said(again, "b")).toEqual([`135 ${linkLocalOf(B)}>fd00::2 fd00::2 sll ${B} 72 255 ${A}`]);
    expect(said(again, "a")).toEqual([`136 fd00::2>${linkLocalOf(B)} fd00::2 S 64 255 ${B}`]);
    session.wait(6000);
    const found = outcome(session, "a", "udp [fd00::3]:53");
    const own = linkLocalOf(A);
    expect(said(found, "a")[0]).toBe(`135 ${own}>fd00::3 fd00::3 sll ${A} 72 255 ${B}`);
    expect(said(found, "b")).toContain(`136 fd00::3>${own} fd00::3 S 64 255 ${A}`);
    expect(found.client.result).toBe("answered");
  });

  it("is answered for addresses of the very device alone, where ARP would be for any", () => {
    const routes = ["fd01::1/128 dev eth0"];
    const session = sessionOf(lan({ a: { routes }, box: { forward: true } }));
    expect(told(session, "a", "udp [fd01::1]:53")).toBe(
      "unreachable EHOSTUNREACH icmp 1/3 from fd00::2, no-neighbour",
    );
  });
});

describe("an answer", () => {
  it("of two the last stands, since both override", () => {
    const session = sessionOf(lan({ b: { links: { eth0: "fd00::3/64 fd00::1/64" } } }));
    const first = sentTo(outcome(session, "a", "udp [fd00::1]:53"), "a");
    const second = sentTo(outcome(session, "a", "udp [fd00::1]:53"), "a");
    expect([first, second].map((each) => each.at(-1)).sort()).toEqual([BOX, B].sort());
  });

  it("does not move a permanent entry", () => {
    const session = sessionOf(lan({ a: { neighbours: ["fd00::3 eth0 02:00:00:00:00:99"] } }));
    outcome(session, "b", "udp [fd00::2]:53");
    expect(sentTo(outcome(session, "a", "udp [fd00::3]:53"), "a")).toEqual(["02:00:00:00:00:99"]);
  });

  it("for the address of all a network's routers waits for others, and does not override", () => {
    const found = outcome(sessionOf(lan({ box: { forward: true } })), "a", "icmp fd00::");
    expect(said(found, "box")).toEqual([`136 fd00::1>fd00::2 fd00:: RS tll ${BOX} 72 255 ${A}`]);
    expect(found.ndp.find(({ host, direction }) => host === "box" && direction === "out")?.at).toBe(400);
    expect([found.client.result, found.client.answeredBy]).toEqual(["answered", "fd00::1"]);
    expect(outcome(sessionOf(lan()), "a", "icmp fd00::").client.result).toBe("unreachable");
  });
});

describe("an address answered for", () => {
  const proxy = { neighbours: ["proxy fd00::77 eth0"], routes: ["fd00::77/128 via fd01::2"] };
  const on = { "net.ipv6.conf.eth0.proxy_ndp": 1 };

  it.each<readonly [string, HostSpec, readonly string[]]>([
    ["proxy_ndp and an entry", { forward: true, ...proxy, sysctl: on }, [`S tll ${BOX} 72`]],
    ["an entry alone", { forward: true, ...proxy }, []],
    ["proxy_ndp alone", { forward: true, routes: proxy.routes, sysctl: on }, []],
    ["where nothing is forwarded", { ...proxy, sysctl: on }, []],
  ])("%s", (_name, box, expected) => {
    const found = outcome(sessionOf(lan({ box })), "a", "icmp fd00::77");
    const answers = said(found, "box").filter(
      (text) => text.startsWith("136 ") && text.includes(" fd00::77 "),
    );
    expect(answers).toEqual(expected.map((text) => `136 fd00::1>fd00::2 fd00::77 ${text} 255 ${A}`));
    expect(found.client.result).toBe(expected.length > 0 ? "answered" : "unreachable");
  });

  it.each<readonly [string, string]>([
    ["all", `136 ${linkLocalOf(BOX)}>${linkLocalOf(A)} fd00::77 S 64 255 ${A}`],
    // The question is forwarded like any packet, and does not get beyond its link: ICMPv6 1/2.
    ["eth0", ""],
  ])("is still asked for when its entry has aged, which proxy_ndp of %s answers: %s", (place, expected) => {
    const sysctl = { [`net.ipv6.conf.${place}.proxy_ndp`]: 1 };
    const session = sessionOf(lan({ box: { forward: true, ...proxy, sysctl } }));
    outcome(session, "a", "icmp fd00::77");
    session.wait(60_000);
    outcome(session, "a", "icmp fd00::77");
    session.wait(6000);
    const found = outcome(session, "a", "icmp fd00::77");
    const alone = said(found, "box").filter(
      (text) => text.startsWith("136 ") && text.includes(" fd00::77 S 64"),
    );
    expect(alone.join()).toBe(expected);
    expect(said(found, "a")[0]).toBe(`135 ${linkLocalOf(A)}>fd00::77 fd00::77 sll ${A} 72 255 ${BOX}`);
  });
});

/**
 * What a hears and then knows of fd00::50, as the kernel does: `ip neigh replace fd00::50 lladdr 02:00:00:00:00:77 dev eth0 nud
 * stale`, a message made by hand, `ip neigh show`.
 */
describe("news", () => {
  const KNOWN = "02:00:00:00:00:77";
  const TOLD = "02:00:00:00:00:88";

  interface News {
    readonly type?: number;
    /** Among S and O. */
    readonly flags?: string;
    readonly mac?: string | null;
    readonly to?: string;
    readonly target?: string;
    readonly hops?: number;
    readonly src?: string;
  }

  /** The MAC that a then knows, `+` where it counts as certain. */
  function heard(
    before: "reachable" | "stale" | "permanent" | null,
    news: News,
    sysctl: HostSpec["sysctl"] = {},
  ) {
    const { type = 136, flags = "", mac = TOLD, to = "fd00::2", hops = 255, src = "fd00::50" } = news;
    const neighbours = before === "permanent" ? [`fd00::50 eth0 ${KNOWN}`] : [];
    const session = sessionOf(lan({ a: { links: { eth0: "fd00::2/64" }, neighbours, sysctl } }));
    session.begin();
    const stack = session.stack(session.network.hostNumber("a"));
    const dev = stack.net.deviceNamed("eth0") as NetDevice;
    const [key, address] = [deviceKey(6, dev.ifindex), addressOnPath(ip6("fd00::50"))];
    const { neighbours: entries, neighbourConfirmed } = stack.state;
    if (before === "reachable" || before === "stale") entries.set(key, address, internMac(KNOWN));
    if (before === "reachable") neighbourConfirmed.set(key, address, stack.now);
    const packet = stack.pool.take();
    packet.family = 6;
    packet.ethType = ETH_P_IPV6;
    packet.framed = true;
    packet.ethSrc = internMac(TOLD);
    packet.dst = addressOnPath(ip6(to));
    packet.ethDst = to.startsWith("ff") ? multicastMac(6, packet.dst) : dev.mac;
    packet.src = addressOnPath(ip6(src));
    packet.ttl = hops;
    packet.protocol = IPPROTO_ICMPV6;
    packet.icmpType = type;
    packet.ndTarget = addressOnPath(ip6(news.target ?? "fd00::50"));
    packet.ndLladdr = mac === null ? MAC_ZERO : internMac(mac);
    packet.ndFlags = (flags.includes("S") ? ND_SOLICITED : 0) | (flags.includes("O") ? ND_OVERRIDE : 0);
    packet.length = mac === null ? 64 : 72;
    const sent: string[] = [];
    session.outbox.intercept = (from, _, { icmpType, src: source, dst, ndFlags }) => {
      if (from === stack)
        sent.push(`${icmpType} ${formatOnPath(6, source)}>${formatOnPath(6, dst)} ${ndFlags}`);
      return from === stack;
    };
    receiveFrame(stack, dev, packet, true);
    const now = entries.get(key, address);
    const at = now === ABSENT ? stack.net.neighbours.mac(key, address) : now;
    const certain = neighbourConfirmed.get(key, address) !== ABSENT ? "+" : "";
    return {
      knows: at >= 0 ? `${formatMac(at)}${certain}` : at === NEIGH_INCOMPLETE ? "asks" : "nothing",
      sent,
    };
  }

  it.each<readonly ["reachable" | "stale" | "permanent" | null, News, string]>([
    [null, { flags: "SO" }, "nothing"],
    [null, { flags: "O" }, "nothing"],
    ["reachable", { flags: "SO" }, `${TOLD}+`],
    ["reachable", { flags: "S" }, KNOWN],
    ["reachable", { flags: "O" }, TOLD],
    ["reachable", {}, KNOWN],
    ["stale", { flags: "SO" }, `${TOLD}+`],
    ["stale", { flags: "S" }, KNOWN],
    ["stale", { flags: "O" }, TOLD],
    ["stale", {}, KNOWN],
    ["stale", { flags: "SO", mac: null }, `${KNOWN}+`],
    ["stale", { flags: "S", mac: KNOWN }, `${KNOWN}+`],
    ["reachable", { flags: "O", mac: KNOWN, to: "ff02::1" }, `${KNOWN}+`],
    // from beyond a router; an answer to nobody's question
    ["stale", { flags: "SO", hops: 254 }, KNOWN],
    ["stale", { flags: "SO", to: "ff02::1" }, KNOWN],
    ["reachable", { type: 135, to: "ff02::1:ff00:2", target: "fd00::2" }, TOLD],
    ["permanent", { type: 135, to: "ff02::1:ff00:2", target: "fd00::2" }, KNOWN],
    [null, { type: 135, to: "ff02::1:ff00:2", target: "fd00::2", mac: null }, "nothing"],
    [null, { type: 135, target: "fd00::2", mac: null }, "asks"],
    [null, { type: 135, to: "ff02::1:ff00:2", target: "fd00::102" }, "nothing"],
  ])("to one for whom it is %s, %j: %s", (before, news, expected) => {
    expect(heard(before, news).knows).toBe(expected);
  });

  it.each([
    [0, 0, "nothing"],
    [1, 0, "nothing"],
    [0, 1, "nothing"],
    [1, 1, TOLD],
    [1, 2, TOLD],
  ])("that nobody asked for: forwarding %i, accept_untracked_na %i: %s", (forwarding, accept, expected) => {
    const sysctl = {
      "net.ipv6.conf.all.forwarding": forwarding,
      "net.ipv6.conf.eth0.accept_untracked_na": accept,
    };
    expect(heard(null, { flags: "O", to: "ff02::1" }, sysctl).knows).toBe(expected);
  });

  it("of somebody who looks for duplicates is answered to all", () => {
    const looking = { type: 135, src: "::", to: "ff02::1:ff00:2", target: "fd00::2" };
    expect(heard(null, { ...looking, mac: null }).sent).toEqual(["136 fd00::2>ff02::1 1"]);
    // RFC 4861 7.1.1: such a question names no MAC
    expect(heard(null, looking).sent).toEqual([]);
  });
});
