import { describe, expect, it } from "vitest";
import { outcome, sessionOf } from "./asking.ts";
import { smallWorld } from "./small-world.ts";

/**
 * How many errors one host is told. On Linux 6.18, with the limits it comes with, nine datagrams at once to a closed port were
 * answered `xxxxxx...`, and four more 2.1 s later `xx..`.
 */
function asked(sysctl: Readonly<Record<string, string | number>>, target = "10.0.0.2") {
  const world = smallWorld(
    {
      a: { links: { eth0: "10.0.0.1/24" }, listen: [], sysctl },
      b: { links: { eth0: "10.0.0.2/24" }, listen: [], sysctl },
    },
    ["a:eth0 b:eth0"],
  );
  const session = sessionOf(world);
  // A client gives up at once, so that the clock stands.
  const ask = (times: number): string =>
    Array.from({ length: times }, () => {
      const before = session.clock.now;
      const answered = outcome(session, "a", `udp ${target}:9`, { close: "reset" }).client.icmp !== undefined;
      expect(answered || session.clock.now - before === 350).toBe(true);
      return answered ? "x" : ".";
    }).join("");
  return { session, ask };
}

describe("errors to one host (inet_peer_xrlim_allow)", () => {
  it("six come at once, then one a second: an unanswered question takes 0.35 s", () => {
    const { session, ask } = asked({});
    expect(ask(9)).toBe("xxxxxx...");
    expect(ask(1)).toBe("x");
    session.wait(2000);
    expect(ask(3)).toBe("xx.");
    session.wait(60_000);
    expect(ask(7)).toBe("xxxxxx.");
  });

  it.each([
    ["the limit is off", { "net.ipv4.icmp_ratelimit": 0 }],
    ["its type is not limited", { "net.ipv4.icmp_ratemask": 0x1810 }],
  ])("%s: all come", (_, sysctl) => {
    expect(asked(sysctl).ask(9)).toBe("xxxxxxxxx");
  });

  it("a shorter limit fills faster", () => {
    const { session, ask } = asked({ "net.ipv4.icmp_ratelimit": 100 });
    expect(ask(6)).toBe("xxxxxx");
    session.wait(100);
    expect(ask(2)).toBe("x.");
  });

  it("by the loopback device there is no limit", () => {
    expect(asked({}, "10.0.0.1").ask(9)).toBe("xxxxxxxxx");
  });
});

describe("errors about packets that no route takes (ip_error)", () => {
  function behind(sysctl: Readonly<Record<string, string | number>>, routes: readonly string[] = []) {
    const world = smallWorld(
      {
        a: { links: { eth0: "10.0.0.1/24" }, routes: ["default via 10.0.0.2"] },
        b: { links: { eth0: "10.0.0.2/24" }, forward: true, listen: [], sysctl, routes },
      },
      ["a:eth0 b:eth0"],
    );
    const session = sessionOf(world);
    const ask = (times: number): string =>
      Array.from({ length: times }, (_, i) =>
        outcome(session, "a", `udp 10.99.0.${i + 1}:5`, { close: "reset" }).client.icmp === undefined
          ? "."
          : "x",
      ).join("");
    return { session, ask };
  }

  // Linux 6.18 told of the first two of twelve at once, of one 2.5 s later, and of one after another 1.2 s.
  it.each([[[]], [["unreachable 10.99.0.0/16"]]])("two come at once, routes %j", (routes) => {
    const { session, ask } = behind({}, routes);
    expect(ask(6)).toBe("xx....");
    session.wait(2500);
    expect(ask(2)).toBe("x.");
    session.wait(1200);
    expect(ask(2)).toBe("x.");
  });

  it("five where errors are not limited otherwise", () => {
    expect(behind({ "net.ipv4.icmp_ratelimit": 0 }).ask(7)).toBe("xxxxx..");
  });

  // Linux 6.18: after `No route to host` and `Connection refused` it was silent.
  it("none once another error was sent, however few limits that has", () => {
    const { session, ask } = behind({ "net.ipv4.icmp_ratelimit": 0 });
    expect(ask(2)).toBe("xx");
    expect(outcome(session, "a", "udp 10.0.0.2:9", { close: "reset" }).client.result).toBe("refused");
    expect(ask(1)).toBe(".");
    session.wait(1000);
    expect(ask(2)).toBe("x.");
  });

  it("and fewer where the machine may send few to all together", () => {
    const { session, ask } = behind({
      ...{ "net.ipv4.icmp_ratelimit": 0, "net.ipv4.icmp_msgs_burst": 1, "net.ipv4.icmp_msgs_per_sec": 1 },
    });
    expect(ask(2)).toBe("x.");
    session.wait(2000);
    expect(ask(2)).toBe("x.");
  });
});
