import { describe, expect, it } from "vitest";
import { formatMac, internMac } from "../../../src/address/mac.ts";
import type { InterfaceAddress } from "../../../src/kernel/device/device.ts";
import type { NetDevice } from "../../../src/kernel/device/net-device.ts";
import type { Host } from "../../../src/kernel/host.ts";
import { isConnected } from "../../../src/kernel/neighbour/output.ts";
import { receiveFrame } from "../../../src/kernel/path/receive.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import { ARPOP_REPLY, ETH_P_ARP } from "../../../src/packet/packet.ts";
import type { Session } from "../../../src/walk/session.ts";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { type HostSpec, smallWorld, switchOf } from "../../walk/small-world.ts";
import { ip } from "../../walk/words.ts";

/**
 * Who answers ARP, and with which address one asks. box has two cards on a's network and one on c's. The expectations are
 * the kernel's (Linux 6.18), seen in namespaces hop-test-*, for example
 *
 *     ip netns exec hop-test-box sysctl -w net.ipv4.conf.all.arp_ignore=1
 */
function lan(box: HostSpec = {}) {
  return smallWorld(
    {
      a: { links: { eth0: "10.0.0.2/24" }, routes: ["10.1.0.0/24 dev eth0", "10.2.0.0/24 dev eth0"] },
      sw: switchOf("p0", "p1", "p2"),
      box: { links: { eth0: "10.0.0.3/24", eth1: "10.0.0.4/24", eth2: "10.1.0.1/24" }, ...box },
      c: { links: { eth0: "10.1.0.2/24" }, routes: ["default via 10.1.0.1"] },
    },
    ["a:eth0 sw:p0", "box:eth0 sw:p1", "box:eth1 sw:p2", "box:eth2 c:eth0"],
  );
}

const all = (name: string, value: number): HostSpec => ({ sysctl: { [`net.ipv4.conf.all.${name}`]: value } });

/** Cards of box that answer a's question, in order. */
function answers(world: ReturnType<typeof lan>, address: string): string {
  const { arp } = outcome(sessionOf(world), "a", `udp ${address}:53`);
  const cards = arp
    .filter((frame) => frame.host === "box" && frame.direction === "out" && frame.arp.op === "reply")
    .map(({ device }) => device);
  return [...new Set(cards)].sort().join(" ");
}

describe("who answers", () => {
  const BOTH = "eth0 eth1";
  it.each<readonly [string, HostSpec, readonly string[]]>([
    // asked for 10.0.0.3 (eth0's), 10.0.0.4 (eth1's), 10.1.0.1 (eth2's), 10.1.0.2 (c's), 10.2.0.9 (nobody's)
    ["plain: any card for any address of the host", {}, [BOTH, BOTH, BOTH, "", ""]],
    ["arp_ignore 1: the card's own addresses", all("arp_ignore", 1), ["eth0", "eth1", "", "", ""]],
    ["arp_ignore 2: and from the same network", all("arp_ignore", 2), ["eth0", "eth1", "", "", ""]],
    ["arp_ignore 3: none of scope host", all("arp_ignore", 3), [BOTH, BOTH, BOTH, "", ""]],
    ["arp_ignore 8: none at all", all("arp_ignore", 8), ["", "", "", "", ""]],
    [
      "arp_filter: the card that leads back to the asker",
      all("arp_filter", 1),
      ["eth0", "eth0", "eth0", "", ""],
    ],
    [
      "rp_filter, strict, silences a card that does not lead back",
      all("rp_filter", 1),
      ["eth0", "eth0", "eth0", "", ""],
    ],
    ["forwarding changes nothing", { forward: true }, [BOTH, BOTH, BOTH, "", ""]],
    [
      "proxy_arp: for what lies behind another card",
      { forward: true, sysctl: { "net.ipv4.conf.eth0.proxy_arp": 1 } },
      [BOTH, BOTH, BOTH, "eth0", ""],
    ],
    [
      "proxy_arp where nothing is forwarded",
      { sysctl: { "net.ipv4.conf.eth0.proxy_arp": 1 } },
      [BOTH, BOTH, BOTH, "", ""],
    ],
    [
      "ip neigh add proxy",
      { forward: true, neighbours: ["proxy 10.2.0.9 eth0"], routes: ["10.2.0.0/24 via 10.1.0.2"] },
      [BOTH, BOTH, BOTH, "", "eth0"],
    ],
  ])("%s", (_name, box, expected) => {
    const world = lan(box);
    const asked = ["10.0.0.3", "10.0.0.4", "10.1.0.1", "10.1.0.2", "10.2.0.9"];
    expect(asked.map((address) => answers(world, address))).toEqual(expected);
  });
});

describe("with which address one asks", () => {
  it.each([
    // the packet's own source, whatever network it is of
    [0, "10.0.0.3", "10.1.0.1"],
    // one of the target's network
    [1, "10.0.0.3", "10.0.0.3"],
    [2, "10.0.0.3", "10.0.0.3"],
  ])("arp_announce %d: for a packet from 10.0.0.3 %s, from 10.1.0.1 %s", (value, own, other) => {
    const asker = (source: string): string | undefined =>
      outcome(sessionOf(lan(all("arp_announce", value))), "box", `udp 10.0.0.2:53 src=${source}`).arp.find(
        (frame) => frame.arp.op === "request" && frame.host === "box",
      )?.arp.spa;
    expect([asker("10.0.0.3"), asker("10.1.0.1")]).toEqual([own, other]);
  });
});

/** `inet_select_addr(dev, target, RT_SCOPE_LINK)`, where `arp_announce` wants another address than the packet's. */
it("one asks with an address of scope link as well, and not with one of scope host", () => {
  const asker = (scope: InterfaceAddress["scope"]): string | undefined => {
    const world = lan(all("arp_announce", 2));
    const box = world.hosts.get("box") as Host;
    const addresses = box.addresses.map((own) => (own.dev === "eth0" ? { ...own, scope } : own));
    const changed = { ...world, hosts: new Map(world.hosts).set("box", { ...box, addresses }) };
    return outcome(sessionOf(changed), "box", "udp 10.0.0.2:53 src=10.1.0.1").arp.find(
      (frame) => frame.arp.op === "request" && frame.host === "box",
    )?.arp.spa;
  };
  expect([asker("global"), asker("link"), asker("host")]).toEqual(["10.0.0.3", "10.0.0.3", "10.0.0.4"]);
});

describe("a question", () => {
  it("is asked three times, a second apart, and then the packets that wait have failed", () => {
    const found = outcome(sessionOf(lan()), "a", "udp 10.0.0.77:53");
    const asked = found.arp.filter((frame) => frame.host === "a" && frame.direction === "out");
    expect(asked.map(({ at }) => at)).toEqual([0, 1000, 2000]);
    expect([found.client.result, found.client.errno, found.client.icmp?.from]).toEqual([
      "unreachable",
      "EHOSTUNREACH",
      "10.0.0.2",
    ]);
  });

  it("teaches the one asked who asks", () => {
    const session = sessionOf(lan());
    outcome(session, "a", "udp 10.0.0.3:53");
    expect(outcome(session, "box", "udp 10.0.0.2:53 src=10.0.0.3").arp).toEqual([]);
  });

  it("for one neighbour is one, however many packets wait", () => {
    const found = outcome(sessionOf(lan()), "a", "udp 10.0.0.3:53 size=4000");
    expect(
      found.arp.filter(
        (frame) => frame.host === "a" && frame.arp.op === "request" && frame.direction === "out",
      ),
    ).toHaveLength(1);
    expect(found.client.result).toBe("answered");
  });
});

describe("neighbours grow old", () => {
  const MINUTE = 60_000;
  const asksOf = (found: ReturnType<typeof outcome>, host: string): string[] =>
    found.arp
      .filter((frame) => frame.host === host && frame.direction === "out" && frame.arp.op === "request")
      .map(({ eth }) => (eth.dst === "ff:ff:ff:ff:ff:ff" ? "all" : "one"));

  it("an answer is good for half a minute, and then for one more use (NUD_REACHABLE, NUD_STALE, NUD_DELAY)", () => {
    const session = sessionOf(lan());
    outcome(session, "c", "udp 10.1.0.1:53");
    session.wait(20_000);
    expect(asksOf(outcome(session, "c", "udp 10.1.0.1:53"), "c")).toEqual([]);
    session.wait(MINUTE);
    expect(asksOf(outcome(session, "c", "udp 10.1.0.1:53"), "c")).toEqual([]);
    session.wait(4000);
    expect(asksOf(outcome(session, "c", "udp 10.1.0.1:53"), "c")).toEqual([]);
  });

  it("five seconds after that use the neighbour alone is asked, and all is well again (NUD_PROBE)", () => {
    const session = sessionOf(lan());
    outcome(session, "c", "udp 10.1.0.1:53");
    session.wait(MINUTE);
    outcome(session, "c", "udp 10.1.0.1:53");
    session.wait(6000);
    const found = outcome(session, "c", "udp 10.1.0.1:53");
    expect(asksOf(found, "c")).toEqual(["one"]);
    expect(found.client.result).toBe("answered");
    expect(asksOf(outcome(session, "c", "udp 10.1.0.1:53"), "c")).toEqual([]);
  });

  // The recording g-arp-ignore, probes 0 and 5: known only from its own question, an address that ARP does not answer for.
  it("who was only heard of and does not answer has failed eight seconds after its first use", () => {
    const session = sessionOf(lan(all("arp_ignore", 1)));
    // box asks with eth2's address, and so a knows where it is.
    expect(outcome(session, "box", "udp 10.0.0.2:53 src=10.1.0.1").client.result).toBe("answered");
    session.wait(7000);
    expect(outcome(session, "a", "udp 10.1.0.1:53").client.result).toBe("answered");
    session.wait(2000);
    const found = outcome(session, "a", "udp 10.1.0.1:53");
    expect(found.client.errno).toBe("EHOSTUNREACH");
    expect(asksOf(found, "a")).toEqual(["one", "all", "all", "all"]);
  });
});

describe("proxy_arp_pvlan", () => {
  it.each([
    [0, ""],
    [1, "eth2"],
  ])("%i: an answer for others on the card the question came by", (value, expected) => {
    const sysctl = { "net.ipv4.conf.eth2.proxy_arp_pvlan": value };
    const found = outcome(sessionOf(lan({ forward: true, sysctl })), "c", "udp 10.1.0.9:53");
    const cards = found.arp
      .filter((frame) => frame.host === "box" && frame.direction === "out" && frame.arp.op === "reply")
      .map(({ device }) => device);
    expect([...new Set(cards)].join(" ")).toBe(expected);
  });
});

describe("news that nobody asked for (gratuitous ARP)", () => {
  const known = "02:00:00:00:00:77";
  const told = "02:00:00:00:00:88";

  /** c hears that 10.1.0.50 is told's; what it then knows. */
  function heard(sysctl: Readonly<Record<string, number>>, op: number, before: string | null): string {
    const world = lan();
    const c = world.hosts.get("c");
    if (c === undefined) throw new Error("c");
    const names = Object.entries(sysctl).map(
      ([key, value]) => [`net.ipv4.conf.all.${key}`, String(value)] as const,
    );
    const session = sessionOf({
      ...world,
      hosts: new Map(world.hosts).set("c", { ...c, sysctl: new Map([...c.sysctl, ...names]) }),
    });
    const stack = session.stack(session.network.hostNumber("c"));
    const dev = stack.net.deviceNamed("eth0");
    if (dev === null) throw new Error("eth0");
    const address = ip("10.1.0.50");
    if (before !== null) {
      stack.state.neighbours.set(dev.ifindex, address, internMac(before));
      stack.state.neighbourUpdated.set(dev.ifindex, address, stack.now);
    }
    const packet = stack.pool.take();
    packet.ethType = 0x0806;
    packet.framed = true;
    packet.ethSrc = internMac(told);
    packet.ethDst = internMac("ff:ff:ff:ff:ff:ff");
    packet.arpOp = op;
    packet.arpSha = internMac(told);
    packet.arpTha = op === 2 ? internMac(told) : internMac("00:00:00:00:00:00");
    packet.src = address;
    packet.dst = address;
    packet.length = 28;
    receiveFrame(stack, dev, packet, true);
    const mac = stack.state.neighbours.get(dev.ifindex, address);
    return mac >= 0 ? formatMac(mac) : "nothing";
  }

  it.each<readonly [string, Readonly<Record<string, number>>, number, string | null, string]>([
    ["a stranger is not remembered", {}, 1, null, "nothing"],
    ["with arp_accept it is", { arp_accept: 1 }, 1, null, told],
    ["as an answer too", { arp_accept: 1 }, 2, null, told],
    ["what is known moves at once, locked or not", {}, 1, known, told],
    ["drop_gratuitous_arp hears nothing of it", { drop_gratuitous_arp: 1 }, 1, known, known],
  ])("%s", (_, sysctl, op, before, expected) => {
    expect(heard(sysctl, op, before)).toBe(expected);
  });
});

/** After net/ipv4/arp.c and `confirm_addr_indev`. */
describe("what is read of the kernel's source", () => {
  type World = ReturnType<typeof lan>;

  /** box's address on eth0, otherwise. */
  function changed(world: World, more: Partial<InterfaceAddress>): World {
    const box = world.hosts.get("box") as Host;
    const addresses = box.addresses.map((entry) => (entry.dev === "eth0" ? { ...entry, ...more } : entry));
    return { ...world, hosts: new Map(world.hosts).set("box", { ...box, addresses }) };
  }

  it("arp_ignore 3 answers for addresses of scope link", () => {
    expect(answers(changed(lan(all("arp_ignore", 3)), { scope: "link" }), "10.0.0.3")).toBe("eth0 eth1");
    expect(answers(changed(lan(all("arp_ignore", 3)), { scope: "host" }), "10.0.0.3")).toBe("");
  });

  it("arp_ignore 1 does not answer for an address that names its peer", () => {
    const named = { length: 32, peer: ip("10.0.0.99") };
    expect(answers(changed(lan(all("arp_ignore", 1)), named), "10.0.0.3")).toBe("");
  });

  function box(session: Session): readonly [Stack, NetDevice] {
    const stack = session.stack(session.network.hostNumber("box"));
    return [stack, stack.net.deviceNamed("eth0") as NetDevice];
  }

  /** box is told by ARP that a sender is at a MAC. */
  function hears(session: Session, sender: string, mac: string): void {
    const [stack, eth0] = box(session);
    const frame = stack.pool.take();
    frame.ethType = ETH_P_ARP;
    frame.framed = true;
    frame.ethSrc = internMac(mac);
    frame.ethDst = eth0.mac;
    frame.arpOp = ARPOP_REPLY;
    frame.arpSha = internMac(mac);
    frame.arpTha = eth0.mac;
    frame.src = ip(sender);
    frame.dst = ip("10.0.0.3");
    frame.length = 28;
    receiveFrame(stack, eth0, frame, true);
  }

  function known(session: Session, address: string): string {
    const [stack, { ifindex }] = box(session);
    const mac = stack.state.neighbours.get(ifindex, ip(address));
    return mac < 0 ? "" : formatMac(mac);
  }

  it("an answer that changes nothing does not lock the entry (neigh->updated)", () => {
    const session = sessionOf(lan());
    outcome(session, "box", "udp 10.0.0.2:53");
    const before = known(session, "10.0.0.2");
    session.wait(5000);
    hears(session, "10.0.0.2", before);
    session.wait(100);
    hears(session, "10.0.0.2", "02:00:00:00:77:77");
    expect([before === "", known(session, "10.0.0.2")]).toEqual([false, "02:00:00:00:77:77"]);
  });

  it("arp_accept takes no answer of nobody, and none for what is no single host", () => {
    const session = sessionOf(lan(all("arp_accept", 1)));
    const senders = ["0.0.0.0", "10.0.0.255", "10.0.0.77"];
    for (const sender of senders) hears(session, sender, "02:00:00:00:77:77");
    expect(senders.map((sender) => known(session, sender))).toEqual(["", "", "02:00:00:00:77:77"]);
  });

  it("an answer to this host alone, taken by arp_accept, says that the neighbour is there", () => {
    const session = sessionOf(lan(all("arp_accept", 1)));
    hears(session, "10.0.0.77", "02:00:00:00:77:77");
    const [stack, eth0] = box(session);
    expect(isConnected(stack, eth0, 4, ip("10.0.0.77"))).toBe(true);
  });
});

describe("a neighbour known by somebody else's MAC", () => {
  it("ends at the card that is not meant, which is the cause", () => {
    const world = smallWorld(
      {
        a: { links: { eth0: "10.0.0.2/24" }, neighbours: ["10.0.0.3 eth0 02:00:00:00:99:99"] },
        b: { links: { eth0: "10.0.0.3/24" }, listen: ["udp 53", "tcp 80"] },
      },
      ["a:eth0 b:eth0"],
    );
    for (const question of ["udp 10.0.0.3:53", "tcp 10.0.0.3:80"]) {
      const { client, verdict } = outcome(sessionOf(world), "a", question);
      expect([client.result, verdict.disposition, verdict.reason]).toEqual([
        "timeout",
        "DROPPED",
        "other-host",
      ]);
      expect(verdict.host).toBe("b");
    }
  });
});
