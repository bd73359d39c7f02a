import { describe, expect, it } from "vitest";
import type { DeviceDetail } from "../../../src/kernel/device/device.ts";
import { outcome, sessionOf } from "../../walk/asking.ts";
import { BRIDGE, type HostSpec, smallWorld, vxlan } from "../../walk/small-world.ts";
import { ip } from "../../walk/words.ts";

/**
 * A tunnel that is a bridge's port tells of its MTU itself, in the name of whom the frame was for (`skb_tunnel_check_pmtu`). The
 * expectations are the kernel's (Linux 6.18), seen in namespaces rm7v-*: `ping -M do -t 33 -s 1472 10.0.0.2` in a.
 */

function geneve(remote: string): DeviceDetail {
  return { kind: "geneve", vni: 7, remote: ip(remote), port: 6081, ttl: 0, df: "unset" };
}

/** a – n1 = n2 – b: bridges over a tunnel, every MTU 1500. */
function bridged(kind: "vxlan" | "geneve") {
  const node = (n: number): HostSpec => ({
    links: {
      eth0: `172.16.0.${n}/24`,
      br0: { detail: BRIDGE, addresses: `10.0.0.10${n}/24` },
      vx0: {
        master: "br0",
        mtu: 1500,
        detail:
          kind === "vxlan" ? vxlan(7, `172.16.0.${n}`, { learning: true }) : geneve(`172.16.0.${3 - n}`),
      },
      p0: { master: "br0" },
    },
    fdb: kind === "vxlan" ? [`00:00:00:00:00:00 vx0 dst 172.16.0.${3 - n}`] : [],
  });
  const end = (n: number): HostSpec => ({
    links: { eth0: `10.0.0.${n}/24 fd00::${n}/64` },
    listen: ["udp 53", "tcp 80"],
  });
  return smallWorld({ a: end(1), n1: node(1), n2: node(2), b: end(2) }, [
    "a:eth0 n1:p0",
    "n1:eth0 n2:eth0",
    "n2:p0 b:eth0",
  ]);
}

const KINDS = ["vxlan", "geneve"] as const;

describe("a bridged tunnel whose way is too narrow", () => {
  it.each(KINDS)("%s: the sender is told by the tunnel, as if by whom it wrote to", (kind) => {
    const { client, frames, verdict } = outcome(
      sessionOf(bridged(kind)),
      "a",
      "icmp 10.0.0.2 size=1472 df ttl=33",
    );
    expect(client.icmp).toMatchObject({ type: 3, code: 4, from: "10.0.0.2", mtu: 1450 });
    expect(verdict).toMatchObject({ reason: "too-big", host: "n1" });
    const error = frames.find(({ icmp, device }) => icmp?.type === 3 && device === "vx0");
    expect(error).toMatchObject({ host: "n1", direction: "in", ip: { ttl: 33, df: true, len: 576 } });
  });

  it.each(KINDS)("%s: of IPv6 as well", (kind) => {
    const { client } = outcome(sessionOf(bridged(kind)), "a", "icmp fd00::2 size=1452");
    expect(client.icmp).toMatchObject({ type: 2, code: 0, from: "fd00::2", mtu: 1450 });
  });

  it.each(KINDS)("%s: what may be cut goes on, cut outside", (kind) => {
    const { client } = outcome(sessionOf(bridged(kind)), "a", "udp 10.0.0.2:53 size=1472");
    expect(client).toMatchObject({ result: "answered", answeredBy: "b" });
  });

  it("the node itself is told too, and knows its path from then on", () => {
    const session = sessionOf(bridged("vxlan"));
    expect(outcome(session, "n1", "icmp 10.0.0.2 size=1472 df").client.icmp).toMatchObject({ mtu: 1450 });
    const { frames } = outcome(session, "n1", "udp 10.0.0.2:53 size=1472");
    const sent = frames.filter(
      ({ device, direction, phase }) => device === "br0" && direction === "out" && phase === "request",
    );
    expect(sent.map(({ ip }) => ip.len)).toEqual([1444, 76]);
  });

  it("what fits passes", () => {
    const session = sessionOf(bridged("vxlan"));
    const { client } = outcome(session, "a", "icmp 10.0.0.2 size=1422 df");
    expect(client.result).toBe("answered");
  });
});
