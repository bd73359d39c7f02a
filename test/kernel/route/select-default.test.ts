import { describe, expect, it } from "vitest";
import { formatOnPath } from "../../../src/address/ip6-handle.ts";
import { NEIGH_FAILED, NEIGH_INCOMPLETE } from "../../../src/kernel/neighbour/neighbour.ts";
import { routeOutput } from "../../../src/kernel/route/output-route.ts";
import type { Stack } from "../../../src/kernel/stack.ts";
import { onPath, outcome, sessionOf } from "../../walk/asking.ts";
import { smallWorld, switchOf } from "../../walk/small-world.ts";

/**
 * Several default routes of one metric, `ip route append default via 10.0.0.11` and `… 10.0.0.12`. The expectations are the kernel's
 * (Linux 6.18), in a namespace kf8-h: what `ip route get 8.8.8.8` says, six times, as `ip neigh replace … nud …` has its gateways.
 */

const FIRST = "10.0.0.11";
const SECOND = "10.0.0.12";
const MAC = 0x0200_0000_0011;

type State = "none" | "incomplete" | "failed" | "stale" | "reachable";

function world(more: readonly string[] = []) {
  const gateway = (address: string) => ({
    links: { eth0: `${address}/24`, lo: "127.0.0.1/8 8.8.8.8/32" },
    forward: true,
    listen: ["tcp 80", "udp 53"],
  });
  return smallWorld(
    {
      h: {
        links: { eth0: "10.0.0.1/24" },
        routes: [...more, `default via ${FIRST}`, `default via ${SECOND}`],
      },
      g1: gateway(FIRST),
      g2: gateway(SECOND),
      sw: switchOf("p0", "p1", "p2"),
    },
    ["h:eth0 sw:p0", "g1:eth0 sw:p1", "g2:eth0 sw:p2"],
  );
}

function stackOf(more: readonly string[] = []): Stack {
  const session = sessionOf(world(more));
  return session.stack(session.network.hostNumber("h"));
}

function become(stack: Stack, address: string, state: State): void {
  const { neighbours, neighbourConfirmed } = stack.state;
  const dev = stack.net.deviceNamed("eth0")?.ifindex ?? 0;
  const key = onPath(address);
  neighbours.delete(dev, key);
  neighbourConfirmed.delete(dev, key);
  if (state === "none") return;
  neighbours.set(
    dev,
    key,
    state === "incomplete" ? NEIGH_INCOMPLETE : state === "failed" ? NEIGH_FAILED : MAC,
  );
  if (state === "reachable") neighbourConfirmed.set(dev, key, stack.now);
}

/** The last number of the gateway that a packet made here is given, as often as asked. */
function gateways(stack: Stack, times: number, tos = 0): string {
  return Array.from({ length: times }, () => {
    const packet = stack.pool.take();
    packet.dst = onPath("8.8.8.8");
    packet.tos = tos;
    expect(routeOutput(stack, packet, 0, true)).toBe(0);
    const said = formatOnPath(4, packet.rtNextHop);
    stack.pool.release(packet);
    return said.split(".")[3];
  }).join(" ");
}

describe("of default routes of one metric is taken", () => {
  it.each<readonly [State, State, string]>([
    ["none", "none", "11 11 11 11 11 11"],
    ["reachable", "none", "11 11 11 11 11 11"],
    ["stale", "none", "11 12 11 12 11 12"],
    ["stale", "stale", "11 12 11 12 11 12"],
    ["reachable", "stale", "11 11 11 11 11 11"],
    ["failed", "stale", "12 12 12 12 12 12"],
    ["failed", "none", "12 12 12 12 12 12"],
    ["incomplete", "none", "12 12 12 12 12 12"],
    ["failed", "failed", "11 12 11 11 12 11"],
  ])("the first %s, the second %s: %s", (first, second, expected) => {
    const stack = stackOf();
    become(stack, FIRST, first);
    become(stack, SECOND, second);
    expect(gateways(stack, 6)).toBe(expected);
  });

  it("what was taken last counts from one state of the neighbours to the next", () => {
    const stack = stackOf();
    expect(gateways(stack, 1)).toBe("11");
    become(stack, FIRST, "stale");
    expect(gateways(stack, 6)).toBe("12 11 12 11 12 11");
    become(stack, SECOND, "stale");
    expect(gateways(stack, 6)).toBe("12 11 12 11 12 11");
    become(stack, FIRST, "reachable");
    expect(gateways(stack, 6)).toBe("11 11 11 11 11 11");
    become(stack, FIRST, "failed");
    expect(gateways(stack, 6)).toBe("12 12 12 12 12 12");
    become(stack, SECOND, "failed");
    expect(gateways(stack, 6)).toBe("11 11 12 11 11 12");
    become(stack, SECOND, "none");
    expect(gateways(stack, 6)).toBe("12 12 12 12 12 12");
  });

  it("one for the packet's TOS before those for all, whatever their metrics", () => {
    const stack = stackOf([`default via ${SECOND} tos 16 metric 5`]);
    become(stack, FIRST, "stale");
    become(stack, SECOND, "stale");
    expect(gateways(stack, 4, 0x10)).toBe("12 11 12 11");
    expect(gateways(stack, 4)).toBe("11 12 11 12");
  });

  it("the one of the least metric, though its gateway does not answer", () => {
    const session = sessionOf(
      smallWorld(
        {
          h: {
            links: { eth0: "10.0.0.1/24" },
            routes: [`default via ${FIRST}`, `default via ${SECOND} metric 9`],
          },
        },
        [],
      ),
    );
    const stack = session.stack(session.network.hostNumber("h"));
    become(stack, FIRST, "failed");
    expect(gateways(stack, 3)).toBe("11 11 11");
  });

  // In the kernel: packets to 8.8.8.8 that each gateway counts, both of them stale (`nud stale`) at first.
  it.each<readonly [string, string]>([
    ["tcp 8.8.8.8:80", "g1"],
    ["tcp 8.8.8.8:80 sport=4000", "g2"],
    ["udp 8.8.8.8:53", "g2"],
    ["icmp 8.8.8.8", "g1"],
  ])("each time that one is looked for until the socket has a way: %s goes by %s", (query, by) => {
    const session = sessionOf(world());
    const stack = session.stack(session.network.hostNumber("h"));
    const mac = (host: string) =>
      session.stack(session.network.hostNumber(host)).net.deviceNamed("eth0")?.mac ?? 0;
    for (const [address, host] of [
      [FIRST, "g1"],
      [SECOND, "g2"],
    ] as const) {
      become(stack, address, "stale");
      stack.state.neighbours.set(stack.net.deviceNamed("eth0")?.ifindex ?? 0, onPath(address), mac(host));
    }
    const { frames, client } = outcome(session, "h", query);
    expect(client.result).toBe(query.startsWith("tcp") ? "connected" : "answered");
    const heard = frames.filter(({ host, ip }) => host.startsWith("g") && ip?.dst === "8.8.8.8");
    expect(heard.length).toBeGreaterThan(0);
    expect([...new Set(heard.filter(({ direction }) => direction === "in").map(({ host }) => host))]).toEqual(
      [by],
    );
  });
});
