import { describe, expect, it } from "vitest";
import type { Outcome } from "../../../src/walk/trace.ts";
import {
  BRIDGE,
  type HostSpec,
  linkLocalOf,
  macOf,
  outcome,
  sessionOf,
  smallWorld,
  told,
} from "../../walk/small-world.ts";

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
      sw: {
        links: {
          br0: { detail: BRIDGE },
          p0: { master: "br0" },
          p1: { master: "br0" },
          p2: { master: "br0" },
        },
      },
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
