import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/walk/trace.ts";
import { outcome as outcomeOf, sessionOf } from "./asking.ts";
import { type HostSpec, smallWorld } from "./small-world.ts";

/** a — r — b, r forwarding; `b` listens on SCTP port 80. */
function world(more: { a?: HostSpec; r?: HostSpec; b?: HostSpec } = {}) {
  return smallWorld(
    {
      a: {
        links: { eth0: "10.0.1.2/24 fd00:1::2/64" },
        routes: ["default via 10.0.1.1", "default via fd00:1::1"],
        listen: [],
        ...more.a,
      },
      r: {
        links: { eth0: "10.0.1.1/24 fd00:1::1/64", eth1: "10.0.2.1/24 fd00:2::1/64" },
        forward: true,
        listen: [],
        ...more.r,
      },
      b: {
        links: { eth0: "10.0.2.2/24 fd00:2::2/64" },
        routes: ["default via 10.0.2.1", "default via fd00:2::1"],
        listen: ["sctp 80"],
        ...more.b,
      },
    },
    ["a:eth0 r:eth0", "r:eth1 b:eth0"],
  );
}

function walked(w: ReturnType<typeof world>, text: string, host = "a"): Outcome {
  return outcomeOf(sessionOf(w), host, text);
}

/** The chunks, as the client's device saw them. */
function chunks({ frames }: Outcome, host = "a"): string[] {
  return frames.flatMap((frame) =>
    frame.host === host && frame.sctp !== undefined ? [`${frame.direction} ${frame.sctp.chunk}`] : [],
  );
}

describe("SCTP", () => {
  it.each(["10.0.2.2:80", "[fd00:2::2]:80"])("shakes hands in four, then hears the server: %s", (to) => {
    const outcome = walked(world(), `sctp ${to}`);
    expect([outcome.client.result, outcome.client.answeredBy]).toEqual(["connected", "b"]);
    expect(outcome.servers.map(({ host, proto, port }) => [host, proto, port])).toEqual([["b", "sctp", 80]]);
    expect(chunks(outcome)).toEqual([
      "out INIT",
      "in INIT_ACK",
      "out COOKIE_ECHO",
      "in COOKIE_ACK",
      "in DATA",
      "out SACK",
    ]);
  });

  it("to a port nobody listens on is answered with an ABORT", () => {
    const outcome = walked(world(), "sctp 10.0.2.2:81");
    expect(chunks(outcome)).toEqual(["out INIT", "in ABORT"]);
    expect([outcome.client.result, outcome.client.errno, outcome.verdict.reason]).toEqual([
      "refused",
      "ECONNREFUSED",
      "no-listener-sctp",
    ]);
  });

  it.each([
    ["10.0.2.2:80", { type: 3, code: 2 }],
    ["[fd00:2::2]:80", { type: 4, code: 1 }],
  ])("to a kernel that has not loaded it is unknown: %s", (to, error) => {
    const outcome = walked(world({ b: { listen: ["tcp 80"] } }), `sctp ${to}`);
    expect(outcome.client).toMatchObject({ result: "refused", errno: "ECONNREFUSED", icmp: error });
    expect(outcome.verdict.reason).toBe("no-protocol");
  });

  it("is there where its sysctls are", () => {
    const b = { listen: ["tcp 80"], sysctl: { "net.sctp.rto_initial": 3000 } };
    expect(walked(world({ b }), "sctp 10.0.2.2:80").verdict.reason).toBe("no-listener-sctp");
  });

  it("takes other ICMP errors for passing, and its INIT is repeated", () => {
    const iptables = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p sctp -j REJECT\nCOMMIT\n";
    const outcome = walked(world({ r: { iptables } }), "sctp 10.0.2.2:80");
    expect([outcome.client.result, outcome.client.icmp?.code]).toEqual(["timeout", 3]);
    expect(outcome.verdict).toMatchObject({ disposition: "REJECTED", host: "r" });
  });

  it("is filtered by its chunks", () => {
    const dropping = (types: string) =>
      world({
        r: {
          iptables: `*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p sctp -m sctp --dport 80 --chunk-types ${types} -j DROP\nCOMMIT\n`,
        },
      });
    expect(walked(dropping("any INIT,DATA"), "sctp 10.0.2.2:80").verdict.disposition).toBe("DROPPED");
    expect(walked(dropping("only COOKIE_ECHO"), "sctp 10.0.2.2:80").verdict).toMatchObject({
      disposition: "NO_REPLY",
      reason: "reply-lost",
    });
    expect(walked(dropping("all INIT,DATA"), "sctp 10.0.2.2:80").client.result).toBe("connected");
    expect(walked(dropping("any DATA"), "sctp 10.0.2.2:80").client.result).toBe("connected");
  });

  it("is translated by ports and tracked", () => {
    const iptables =
      "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.0.9.9/32 -p sctp -m sctp --dport 36412 -j DNAT --to-destination 10.0.2.2:80\n-A POSTROUTING -p sctp -j MASQUERADE\nCOMMIT\n";
    const outcome = walked(world({ r: { iptables } }), "sctp 10.0.9.9:36412 sport=40000");
    expect(outcome.client.result).toBe("connected");
    expect(outcome.servers[0]).toMatchObject({ host: "b", port: 80, peer: { address: "10.0.2.1" } });
    expect(outcome.conntrack).toMatchObject([
      {
        host: "r",
        proto: "sctp",
        state: "ESTABLISHED",
        orig: { src: "10.0.1.2", dst: "10.0.9.9", sport: 40000, dport: 36412 },
        reply: { src: "10.0.2.2", dst: "10.0.2.1", sport: 80 },
        flags: ["ASSURED"],
      },
    ]);
  });

  it("is matched and translated by nft", () => {
    const nft =
      "table ip t {\n chain pre { type nat hook prerouting priority dstnat; sctp dport 90 dnat to 10.0.2.2:80 }\n chain f { type filter hook forward priority 0; policy drop; sctp dport 80 accept; sctp sport 80 accept }\n}\n";
    expect(walked(world({ r: { nft } }), "sctp 10.0.9.9:90").client.result).toBe("connected");
    expect(walked(world({ r: { nft } }), "sctp 10.0.2.2:81").verdict.disposition).toBe("DROPPED");
  });

  it("arrives from outside the model", () => {
    const w = world({
      r: { routes: ["default via 10.0.1.2"], iptables: "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n" },
    });
    const outcome = walked(w, "sctp 10.0.2.2:80 at=eth0 src=192.0.2.9", "r");
    expect(outcome.client.result).toBe("connected");
    expect(chunks(outcome, "b")).toContain("in SACK");
  });
});
