import { describe, expect, it } from "vitest";
import { outcome, places, sessionOf, told } from "../../walk/asking.ts";
import { type HostSpec, smallWorld, switchOf, vxlan } from "../../walk/small-world.ts";
import { ip, ip6 } from "../../walk/words.ts";

/**
 * Two VXLAN devices over one cable. The expectations are the kernel's (Linux 6.18), seen in namespaces hop-test-n1 and -n2:
 *
 *     ip -n hop-test-n1 link add vx0 type vxlan id 7 local 172.16.0.1 dstport 8472 nolearning
 *     bridge -n hop-test-n1 fdb append 02:aa:00:00:00:02 dev vx0 dst 172.16.0.2
 */

type Vxlan = Parameters<typeof vxlan>[2];

function tunnel(far: Vxlan = {}, n1: HostSpec = {}, n2: HostSpec = {}) {
  const end = (own: number, other: number, more: Vxlan): HostSpec => ({
    links: {
      eth0: `172.16.0.${own}/24`,
      vx0: {
        addresses: `10.0.1.${own}/24`,
        detail: vxlan(7, `172.16.0.${own}`, more),
        mac: `02:aa:00:00:00:0${own}`,
      },
    },
    listen: ["tcp 80", "udp 53"],
    neighbours: [`10.0.1.${other} vx0 02:aa:00:00:00:0${other}`],
    fdb: [`02:aa:00:00:00:0${other} vx0 dst 172.16.0.${other}`],
  });
  return smallWorld({ n1: { ...end(1, 2, {}), ...n1 }, n2: { ...end(2, 1, far), ...n2 } }, [
    "n1:eth0 n2:eth0",
  ]);
}

const LOST = "timeout,";

/** The kernel: `tx_errors` and `collsns` of vx0 rise; of two tunnels, "Dead loop on virtual device vx1" at the fourth. */
describe("a way to the other end that leads into the tunnel", () => {
  const vx1 = {
    vx1: {
      addresses: "10.0.2.1/24",
      detail: vxlan(8, "172.16.0.1", { port: 8473 }),
      mac: "02:aa:00:00:01:01",
    },
  };

  it.each<readonly [string, HostSpec]>([
    ["itself", { routes: ["172.16.0.2/32 via 10.0.1.2 dev vx0"] }],
    [
      "another that leads back",
      {
        links: vx1,
        neighbours: ["10.0.2.2 vx1 02:aa:00:00:01:02"],
        fdb: ["02:aa:00:00:01:02 vx1 dst 172.16.0.3"],
        routes: ["172.16.0.2/32 via 10.0.2.2 dev vx1", "172.16.0.3/32 via 10.0.1.2 dev vx0"],
      },
    ],
  ])("%s: the packet ends there", (_, more) => {
    const world = tunnel({}, looping(more));
    const { verdict } = outcome(sessionOf(world), "n1", "udp 10.0.1.2:53");
    expect(verdict).toMatchObject({ disposition: "DROPPED", reason: "tunnel-loop", host: "n1" });
  });

  /** n1 of `tunnel` with more of everything. */
  function looping({ links = {}, neighbours = [], fdb = [], routes = [] }: HostSpec): HostSpec {
    return {
      links: {
        eth0: "172.16.0.1/24",
        vx0: { addresses: "10.0.1.1/24", detail: vxlan(7, "172.16.0.1"), mac: "02:aa:00:00:00:01" },
        ...links,
      },
      neighbours: ["10.0.1.2 vx0 02:aa:00:00:00:02", ...neighbours],
      fdb: ["02:aa:00:00:00:02 vx0 dst 172.16.0.2", ...fdb],
      routes,
    };
  }
});

describe("several ends", () => {
  const ZEROS = "00:00:00:00:00:00";
  const LEARNS = { learning: true };

  /** n1, n2 and n3 on one network, with one VXLAN. */
  function three(n1: readonly string[], more: Vxlan = LEARNS, n3: HostSpec = {}) {
    const end = (own: number, fdb: readonly string[]): HostSpec => ({
      links: {
        eth0: `172.16.0.${own}/24`,
        vx0: {
          addresses: `10.0.1.${own}/24`,
          detail: vxlan(7, `172.16.0.${own}`, more),
          mac: `02:aa:00:00:00:0${own}`,
        },
      },
      listen: ["udp 53"],
      fdb,
    });
    const sw = switchOf("p1", "p2", "p3");
    return smallWorld({ n1: end(1, n1), n2: end(2, []), n3: { ...end(3, []), ...n3 }, sw }, [
      "n1:eth0 sw:p1",
      "n2:eth0 sw:p2",
      "n3:eth0 sw:p3",
    ]);
  }
  const toBoth = [`${ZEROS} vx0 dst 172.16.0.2`, `${ZEROS} vx0 dst 172.16.0.3`];

  it("a question goes to each, and the answer teaches which one it is", () => {
    const session = sessionOf(three(toBoth));
    const first = outcome(session, "n1", "udp 10.0.1.3:53");
    expect(first.client.answeredBy).toBe("n3");
    const asked = new Set(first.frames.filter(({ udp }) => udp?.dport === 8472).map(({ ip }) => ip.dst));
    expect([...asked].sort()).toEqual(["172.16.0.1", "172.16.0.2", "172.16.0.3"]);
    const again = outcome(session, "n1", "udp 10.0.1.3:53");
    expect(again.client.answeredBy).toBe("n3");
    expect(again.frames.filter(({ ip }) => ip.dst === "172.16.0.2")).toEqual([]);
  });

  it("one end alone: the other never hears", () => {
    expect(told(sessionOf(three([toBoth[0] as string])), "n1", "udp 10.0.1.3:53")).toBe(
      "unreachable EHOSTUNREACH icmp 3/1 from 10.0.1.1, no-neighbour",
    );
  });

  it("a fixed entry is not moved: frames of that MAC from elsewhere are dropped (vxlan_snoop)", () => {
    const fixed = { fdb: ["02:aa:00:00:00:01 vx0 dst 172.16.0.2"] };
    expect(told(sessionOf(three(toBoth, LEARNS, fixed)), "n1", "udp 10.0.1.3:53")).toBe(
      "unreachable EHOSTUNREACH icmp 3/1 from 10.0.1.1, no-neighbour",
    );
  });

  it("a group joined by the device below is as good as every end", () => {
    const group = { learning: true, remote: ip("239.1.1.1"), link: "eth0" };
    const found = outcome(sessionOf(three([], group)), "n1", "udp 10.0.1.3:53");
    expect(found.client.answeredBy).toBe("n3");
    const question = found.frames.find(({ ip: { dst } }) => dst === "239.1.1.1");
    expect([question?.ip.ttl, question?.eth?.dst]).toEqual([1, "01:00:5e:01:01:01"]);
  });
});

describe("a tunnel's faults", () => {
  it.each<readonly [string, ReturnType<typeof tunnel>, string]>([
    ["none", tunnel(), "connected by n2, answered"],
    ["another VNI there", tunnel({ vni: 8 }), `${LOST} vxlan-no-vni`],
    ["another port there", tunnel({ port: 4789 }), "timeout icmp 3/3 from 172.16.0.2, no-listener-udp"],
    ["no forwarding entry here", tunnel({}, { fdb: [] }), `${LOST} vxlan-no-remote`],
    ["no forwarding entry there", tunnel({}, {}, { fdb: [] }), `${LOST} reply-lost`],
    [
      "no neighbour here",
      tunnel({}, { neighbours: [] }),
      "unreachable EHOSTUNREACH icmp 3/1 from 10.0.1.1, no-neighbour",
    ],
    [
      "no entry there, but it learns",
      tunnel({ learning: true }, {}, { fdb: [] }),
      "connected by n2, answered",
    ],
    [
      "entries for all alone: ARP is flooded",
      tunnel(
        {},
        { neighbours: [], fdb: ["00:00:00:00:00:00 vx0 dst 172.16.0.2"] },
        { neighbours: [], fdb: ["00:00:00:00:00:00 vx0 dst 172.16.0.1"] },
      ),
      "connected by n2, answered",
    ],
    [
      "a remote nobody has",
      tunnel({}, { fdb: ["02:aa:00:00:00:02 vx0 dst 172.16.0.9"] }),
      "timeout icmp 3/1 from 172.16.0.1, no-neighbour",
    ],
  ])("%s", (_name, world, expected) => {
    expect(told(sessionOf(world), "n1", "tcp 10.0.1.2:80")).toBe(expected);
  });
});

/** In the kernel likewise (namespaces v6link-a and -b): 70 bytes of headers, a hop limit of 64, discovery flooded to the remote. */
describe("over IPv6", () => {
  const end = (own: number, other: number): HostSpec => ({
    links: {
      eth0: `fd01::${own}/64`,
      vx0: {
        addresses: `10.0.1.${own}/24 fd09::${own}/64`,
        detail: vxlan(7, `fd01::${own}`, { remote: ip6(`fd01::${other}`) }),
        mac: `02:aa:00:00:00:0${own}`,
        mtu: 1430,
      },
    },
    listen: ["tcp 80", "udp 53"],
  });
  const world = () => smallWorld({ n1: end(1, 2), n2: end(2, 1) }, ["n1:eth0 n2:eth0"]);

  it.each([
    ["udp [fd09::2]:53", "fd09::1"],
    ["udp 10.0.1.2:53", "10.0.1.1"],
  ])("%s", (query, src) => {
    const found = outcome(sessionOf(world()), "n1", query);
    expect(places(found, 1)).toEqual(["n1:vx0:out", "n1:eth0:out", "n2:eth0:in", "n2:vx0:in"]);
    const outer = found.frames.find(({ packet, device }) => packet === 1 && device === "eth0");
    const inner = outer?.inner?.ip;
    expect(inner?.src).toBe(src);
    expect(outer?.ip).toMatchObject({ src: "fd01::1", dst: "fd01::2", ttl: 64, proto: 17 });
    expect((outer?.ip.len ?? 0) - (inner?.len ?? 0)).toBe(70);
  });

  it.each([
    ["udp [fd09::2]:53 size=1382 df", "answered by n2, answered"],
    ["udp [fd09::2]:53 size=1383 df", "too-big EMSGSIZE, too-big"],
    ["udp 10.0.1.2:53 size=1402 df", "answered by n2, answered"],
    ["udp 10.0.1.2:53 size=1403 df", "too-big EMSGSIZE, too-big"],
  ])("%s: %s", (query, expected) => {
    expect(told(sessionOf(world()), "n1", query)).toBe(expected);
  });

  it("does not take what comes by IPv4, whose socket it has not", () => {
    const other: HostSpec = {
      ...end(2, 1),
      links: {
        eth0: "fd01::2/64 172.16.0.2/24",
        vx0: { addresses: "10.0.1.2/24", detail: vxlan(7, "172.16.0.2"), mac: "02:aa:00:00:00:02" },
      },
    };
    const world4 = smallWorld({ n1: end(1, 2), n2: other }, ["n1:eth0 n2:eth0"]);
    expect(outcome(sessionOf(world4), "n1", "udp 10.0.1.2:53").client.result).toBe("unreachable");
  });
});

describe("what goes through", () => {
  it("shows outside and inside, and the outer packet is the host's own", () => {
    const found = outcome(sessionOf(tunnel()), "n1", "udp 10.0.1.2:53");
    expect(places(found, 1)).toEqual(["n1:vx0:out", "n1:eth0:out", "n2:eth0:in", "n2:vx0:in"]);
    const [, outer] = found.frames;
    expect(outer?.ip).toMatchObject({ src: "172.16.0.1", dst: "172.16.0.2", ttl: 64, proto: 17, len: 94 });
    expect([outer?.udp?.dport, outer?.vxlan]).toEqual([8472, { vni: 7 }]);
    expect(outer?.inner?.ip).toMatchObject({ src: "10.0.1.1", dst: "10.0.1.2", len: 44 });
    expect(outer?.ip.df).toBeUndefined();
  });

  it.each([
    // 50 bytes of headers: what fits the device's 1450 fits the cable's 1500
    ["udp 10.0.1.2:53 size=1422 df", "answered by n2, answered"],
    ["udp 10.0.1.2:53 size=1423 df", "too-big EMSGSIZE, too-big"],
    ["udp 10.0.1.2:53 size=3000", "answered by n2, answered"],
  ])("%s: %s", (query, expected) => {
    expect(told(sessionOf(tunnel()), "n1", query)).toBe(expected);
  });

  it.each(["unset", "set", "inherit"] as const)("the outer DF, %s", (df) => {
    const world = tunnel(
      {},
      {
        links: {
          eth0: "172.16.0.1/24",
          vx0: { addresses: "10.0.1.1/24", detail: vxlan(7, "172.16.0.1", { df }), mac: "02:aa:00:00:00:01" },
        },
      },
    );
    const outer = (query: string) =>
      outcome(sessionOf(world), "n1", query).frames.find((f) => f.device === "eth0")?.ip.df === true;
    // A TCP segment sets DF, a plain datagram does not.
    expect([outer("tcp 10.0.1.2:80"), outer("udp 10.0.1.2:53")]).toEqual([df !== "unset", df === "set"]);
  });
});

/**
 * RFC 6040, `vxlan_xmit_one`, `vxlan_ecn_decapsulate`. In namespaces au2-a and -b: with the outer packets marked by TOS --set-tos 3/3
 * a plain ping was lost, one with -Q 2 was answered.
 */
describe("congestion marks", () => {
  const mangle = (rule: string): HostSpec => ({
    iptables: `*mangle\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n${rule}\nCOMMIT\n`,
  });
  const inner = (tos: number) => `-A OUTPUT -d 10.0.1.2 -j TOS --set-tos ${tos}/0x3`;
  const outer = (tos: number) => `-A POSTROUTING -p udp --dport 8472 -j TOS --set-tos ${tos}/0x3`;

  it.each([
    [1, 1],
    [2, 2],
    // a mark already there is not told outside
    [3, 2],
  ])("%i inside: %i outside", (tos, expected) => {
    const world = tunnel({}, mangle(inner(tos)));
    const found = outcome(sessionOf(world), "n1", "udp 10.0.1.2:53");
    const frame = found.frames.find(({ device, vxlan: header }) => device === "eth0" && header !== undefined);
    expect([frame?.ip.tos ?? 0, frame?.inner?.ip.tos]).toEqual([expected, tos]);
  });

  it.each([
    ["not known inside", 0, 3, "congestion-unknown", 0],
    ["told to ECT(0)", 2, 3, "answered", 3],
    ["ECT(1) told to ECT(0)", 2, 1, "answered", 1],
    ["ECT(1) to nobody who asks", 0, 1, "answered", 0],
  ])("%s", (_, inside, outside, reason, tos) => {
    const world = tunnel({}, mangle(`${inner(inside)}\n${outer(outside)}`));
    const found = outcome(sessionOf(world), "n1", "udp 10.0.1.2:53");
    expect(found.verdict.reason).toBe(reason);
    const heard = found.frames.find(
      ({ host, device, direction }) => host === "n2" && device === "vx0" && direction === "in",
    );
    if (reason === "answered") expect(heard?.ip.tos ?? 0).toBe(tos);
  });
});
