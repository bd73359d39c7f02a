import { ipvsadmOutput } from "../../../src/kernel/ipvs/ipvsadm-command.ts";
import { parseIpvsadm } from "../../../src/kernel/ipvs/ipvsadm-line.ts";
import { type HostSpec, type LinkSpec, smallWorld } from "../../walk/small-world.ts";
import { ChangingWorld } from "./changing-world.ts";

/**
 * c — lb — s, lb with the virtual addresses 10.0.9.9 and fd00:9::9, which s has on a device of its own too, so that it answers
 * direct routing and tunnels. What is said of a host replaces what it has.
 */
export class Director extends ChangingWorld {
  constructor(more: { c?: HostSpec; lb?: HostSpec; s?: HostSpec }, ...lines: readonly string[]) {
    const world = smallWorld(
      {
        c: {
          links: { eth0: "10.0.1.2/24 fd00:1::2/64" },
          routes: ["default via 10.0.1.1", "default via fd00:1::1"],
          listen: [],
          ...more.c,
        },
        lb: {
          links: {
            eth0: "10.0.1.1/24 10.0.9.9/32 fd00:1::1/64 fd00:9::9/128",
            eth1: "10.0.2.1/24 fd00:2::1/64",
          },
          forward: true,
          listen: [],
          ...more.lb,
        },
        s: {
          links: {
            eth0: "10.0.2.2/24 fd00:2::2/64",
            vip: { addresses: "10.0.9.9/32 fd00:9::9/128", detail: { kind: "dummy" } },
            tunl0: tunnel(null),
          },
          routes: ["default via 10.0.2.1", "default via fd00:2::1"],
          listen: ["tcp 80", "udp 53", "sctp 80"],
          ...more.s,
        },
      },
      ["c:eth0 lb:eth0", "lb:eth1 s:eth0"],
    );
    super(world, lines);
  }

  /** The state of each connection, as `ipvsadm -Lcn` prints it. */
  states(): string[] {
    const parsed = parseIpvsadm(["-L", "-c", "-n"], 0);
    if (parsed.kind !== "ok") throw new Error(parsed.message);
    const { net, ipvs, now } = this.session.stack(this.session.network.hostNumber("lb"));
    const lines = ipvsadmOutput(parsed.command, net.host, ipvs, now).trimEnd().split("\n").slice(2);
    return lines.map((line) => line.split(/ +/)[2] ?? "");
  }
}

/** An IPIP device to a host, or what `tunl0` is. */
export function tunnel(remote: number | null): LinkSpec {
  return {
    detail: { kind: "ipip", link: null, local: null, remote, ttl: 0, tos: 0, pmtudisc: false },
    mtu: 1480,
    mac: "00:00:00:00:00:00",
    noArp: true,
  };
}
