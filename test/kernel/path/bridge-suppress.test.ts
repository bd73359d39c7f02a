import { describe, expect, it } from "vitest";
import type { BridgePort, PortFlag } from "../../../src/kernel/device/device.ts";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { BRIDGE, type HostSpec, macOf, smallWorld } from "../../walk/small-world.ts";

/**
 * Who hears a question where the bridge's host knows who is asked for. The expectations are the kernel's (Linux 6.18): hosts a, b and
 * c of kf8-sw's bridge, `bridge link set dev pc neigh_suppress on`, `ip neigh replace 10.0.0.3 lladdr … dev br0 nud permanent`,
 * counters of nftables at the ingress of each.
 */

type Ports = Readonly<Record<string, readonly PortFlag[]>>;

function session(
  ports: Ports,
  known: readonly string[],
  more: { sw?: string; learning?: boolean; fdb?: string[] } = {},
) {
  const host = (n: number): HostSpec => ({ links: { eth0: `10.0.0.${n}/24 fd00::${n}/64` } });
  const port = (name: string) => {
    const flags = ports[name];
    const said: Partial<BridgePort> = {
      ...(flags === undefined ? {} : { flags }),
      learning: more.learning ?? true,
    };
    return { master: "br0", port: said };
  };
  const made = sessionOf(
    smallWorld(
      {
        a: host(1),
        b: host(2),
        c: host(3),
        sw: {
          links: {
            br0: more.sw === undefined ? { detail: BRIDGE } : { detail: BRIDGE, addresses: more.sw },
            p0: port("a"),
            p1: port("b"),
            p2: port("c"),
          },
          neighbours: known.map((host) => {
            const n = "abc".indexOf(host.at(-1) as string) + 1;
            return `${host.startsWith("6") ? "fd00::" : "10.0.0."}${n} br0 ${macOf(n, 2)}`;
          }),
          ...(more.fdb === undefined ? {} : { fdb: more.fdb }),
        },
      },
      ["a:eth0 sw:p0", "b:eth0 sw:p1", "c:eth0 sw:p2"],
    ),
  );
  return made;
}

/** `b hears who-has 10.0.0.3`, and so on: what reaches the three hosts of the first question and its answers. */
function heard(ask: string, one: ReturnType<typeof session>): string[] {
  const [from = "", to = ""] = ask.split(" asks ");
  const n = "abc".indexOf(to) + 1;
  const { arp, client } = outcome(one, from, `udp 10.0.0.${n === 0 ? 9 : n}:53`);
  const lines = arp
    .filter(({ host, direction }) => host !== "sw" && direction.startsWith("in"))
    .filter(({ arp: { op, spa, tpa } }) => (op === "request" ? tpa : spa) === `10.0.0.${n === 0 ? 9 : n}`)
    .map(({ host, arp: said }) => `${host} hears ${said.op === "request" ? "who-has" : "is-at"}`);
  return [...new Set(lines)].sort().concat(client.result === "answered" ? [] : [client.result]);
}

const SUPPRESS: Ports = { c: ["neigh_suppress"] };

describe("questions that a bridge answers", () => {
  it.each<readonly [string, Ports, readonly string[], string, readonly string[]]>([
    ["nobody known", SUPPRESS, [], "a asks c", ["a hears is-at", "b hears who-has", "c hears who-has"]],
    ["the asked one known", SUPPRESS, ["c"], "a asks c", ["a hears is-at", "b hears who-has"]],
    [
      "another one known",
      SUPPRESS,
      ["c"],
      "a asks b",
      ["a hears is-at", "b hears who-has", "c hears who-has"],
    ],
    ["known, behind a port that does not", SUPPRESS, ["b"], "a asks b", ["a hears is-at", "b hears who-has"]],
    [
      "the asker's port suppresses",
      { a: ["neigh_suppress"] },
      ["c"],
      "a asks c",
      ["a hears is-at", "b hears who-has", "c hears who-has"],
    ],
    [
      "proxy_arp at the port of the asked",
      { c: ["proxy_arp"] },
      ["c"],
      "a asks c",
      ["b hears who-has", "unreachable"],
    ],
    [
      "proxy_arp at the port of the asked, unknown",
      { c: ["proxy_arp"] },
      [],
      "a asks c",
      ["b hears who-has", "unreachable"],
    ],
    [
      "proxy_arp at the asker's port",
      { c: ["proxy_arp"] },
      ["b"],
      "c asks b",
      ["a hears who-has", "b hears who-has", "c hears is-at"],
    ],
    [
      "proxy_arp_wifi at the port of the asked",
      { c: ["proxy_arp_wifi"] },
      ["c"],
      "a asks c",
      ["a hears is-at", "b hears who-has"],
    ],
  ])("%s", (_, ports, known, ask, expected) => {
    const one = session(ports, known);
    // Whom the bridge's host knows the bridge has heard.
    for (const who of ["a", "b", "c"]) outcome(one, who, "udp 10.0.0.77:53");
    one.wait(1000);
    expect(heard(ask, one)).toEqual(expected);
  });

  it("not for whom the bridge has not heard", () => {
    expect(heard("a asks c", session(SUPPRESS, ["c"]))).toEqual([
      "a hears is-at",
      "b hears who-has",
      "c hears who-has",
    ]);
  });

  it("its own addresses are asked for without those ports", () => {
    const { arp } = outcome(session(SUPPRESS, [], { sw: "10.0.0.9/24" }), "a", "udp 10.0.0.9:53");
    const hosts = arp
      .filter(({ host, arp: { op } }) => host !== "sw" && op === "request")
      .map(({ host }) => host);
    expect(hosts).toContain("b");
    expect(hosts).not.toContain("c");
  });

  it("the answer names whom the host knows, from that MAC", () => {
    const one = session(SUPPRESS, ["c"]);
    outcome(one, "c", "udp 10.0.0.77:53");
    const { arp } = outcome(one, "a", "udp 10.0.0.3:53");
    const reply = arp.find(
      ({ host, direction, arp: { op } }) => host === "sw" && direction === "out" && op === "reply",
    );
    expect(reply?.device).toBe("p0");
    expect(reply?.arp.sha).toBe(reply?.eth.src);
  });

  it.each([
    [["6c"], ["a:na SO", "b:ns"]],
    [[], ["a:na SO", "b:ns", "c:ns"]],
  ])("of IPv6, %j known: %j", (known, expected) => {
    const one = session(SUPPRESS, known);
    outcome(one, "c", "udp 10.0.0.77:53");
    const { ndp } = outcome(one, "a", "udp [fd00::3]:53");
    const seen = ndp
      .filter(
        ({ host, direction, nd }) => host !== "sw" && direction.startsWith("in") && nd.target === "fd00::3",
      )
      .map(({ host, nd }) => `${host}:${nd.type === 135 ? "ns" : `na ${nd.flags}`}`);
    expect([...new Set(seen)].sort()).toEqual(expected);
  });
});

describe("a locked port", () => {
  it("takes frames of those alone who are known to be behind it", () => {
    const locked = (fdb?: string[]) =>
      session({ a: ["locked"] }, [], { learning: false, ...(fdb === undefined ? {} : { fdb }) });
    expect(outcome(locked(), "a", "udp 10.0.0.2:53").verdict.reason).toBe("no-neighbour");
    expect(outcome(locked(), "b", "udp 10.0.0.3:53").client.result).toBe("answered");
    expect(outcome(locked([`${macOf(1, 2)} p0 master br0`]), "a", "udp 10.0.0.2:53").client.result).toBe(
      "answered",
    );
  });
});
