import { describe, expect, it } from "vitest";
import type { Outcome } from "../../../src/walk/trace.ts";
import { outcome, told, trace } from "../../walk/asking.ts";
import type { LinkSpec } from "../../walk/small-world.ts";
import { ip } from "../../walk/words.ts";
import { Director, tunnel } from "./director.ts";

/** What no recording shows; each expectation follows a function of net/netfilter/ipvs, which its name says. */

const SCTP = "--sctp-service 10.0.9.9:80";
const UDP = "-u 10.0.9.9:53";
const UDP6 = "-u [fd00:9::9]:53";
const TRACKS = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n";

/** The ICMP errors that came to a host: type, code, and the MTU if one is told. */
function errors({ frames }: Outcome, at: string): string[] {
  return frames.flatMap(({ host, direction, icmp }) =>
    host === at && direction === "in" && icmp !== undefined
      ? [[icmp.type, icmp.code, ...(icmp.mtu === undefined ? [] : [icmp.mtu])].join("/")]
      : [],
  );
}

describe("set_sctp_state", () => {
  const servers = [`-A ${SCTP} -s rr`, `-a ${SCTP} -r 10.0.2.2:80 -m`];
  const drop = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p sctp -j DROP\nCOMMIT\n";

  it.each([
    ["four of a handshake", {}, "ESTABLISHED", 900],
    ["an INIT that is answered by an ABORT", { listen: ["sctp 81"] }, "REJECTED", 4],
    ["one that is not answered", { iptables: drop }, "INIT1", 4],
  ])("%s: %s", (_, more, state, seconds) => {
    const s = {
      routes: ["default via 10.0.2.1"],
      listen: ["sctp 80"],
      links: { eth0: "10.0.2.2/24" },
      ...more,
    };
    const [view] = outcome(new Director({ s }, ...servers).session, "c", "sctp 10.0.9.9:80").ipvs;
    expect(view?.state).toBe(state);
    expect(view?.expires).toBe(seconds - 1);
  });
});

describe("ip_vs_expire_nodest_conn_flush", () => {
  const servers = ["-A -t 10.0.9.9:80 -s rr -p 60", "-a -t 10.0.9.9:80 -r 10.0.2.2:80 -m"];
  const gone = "-d -t 10.0.9.9:80 -r 10.0.2.2:80";

  it.each([
    ["0", ["ASSURED", "ESTABLISHED"]],
    ["1", []],
  ])("expire_nodest_conn = %s: of a removed server's connection and its template stay %j", (value, stay) => {
    const director = new Director({}, ...servers);
    director.sysctl("net.ipv4.vs.expire_nodest_conn", value);
    trace(director.session, "c", "tcp 10.0.9.9:80", { hold: "one" });
    expect(director.states()).toEqual(["ASSURED", "ESTABLISHED"]);
    director.ipvsadm(gone);
    expect(director.states()).toEqual(stay);
  });
});

describe("handle_response", () => {
  it("leaves an answer of direct routing the way it came to go", () => {
    // Whom the main table knows no way to; what comes from the server's side has another table.
    const lb = {
      links: { eth0: "10.0.1.1/24", eth1: "10.0.2.1/24" },
      forward: true,
      listen: [],
      rules: ["from all fwmark 1 lookup 50 pref 10", "from all iif eth1 lookup 60 pref 20"],
      routes: ["local default dev lo table 50", "10.0.7.0/24 via 10.0.1.2 table 60"],
      iptables:
        "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth0 -d 10.0.9.9/32 -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n",
    };
    const c = {
      links: { eth0: "10.0.1.2/24 10.0.7.7/32" },
      routes: ["default via 10.0.1.1"],
      listen: [],
    };
    const director = new Director({ c, lb }, "-A -f 1 -s rr", "-a -f 1 -r 10.0.2.2 -g");
    const answer = outcome(director.session, "c", "udp 10.0.9.9:53 src=10.0.7.7");
    expect([answer.client.result, answer.verdict.reason]).toEqual(["answered", "answered"]);
  });
});

describe("__ip_vs_get_out_rt", () => {
  it("says nothing where no tunnel fits", () => {
    const links = {
      eth0: "10.0.1.1/24 10.0.9.9/32",
      eth1: { addresses: "10.0.2.1/24", mtu: 80 },
    };
    const director = new Director(
      { lb: { links, forward: true } },
      `-A ${UDP} -s rr`,
      `-a ${UDP} -r 10.0.2.2 -i`,
    );
    const tried = outcome(director.session, "c", "udp 10.0.9.9:53 size=100 df");
    expect([errors(tried, "c"), tried.verdict.reason]).toEqual([[], "mtu-black-hole"]);
  });
});

describe("ip_vs_tunnel_xmit_prepare", () => {
  it.each([
    ["0", 0],
    ["1", 1],
  ])("vs.conntrack = %s: %i entry of what went into the tunnel", (value, entries) => {
    const director = new Director(
      {
        lb: {
          links: { eth0: "10.0.1.1/24 10.0.9.9/32", eth1: "10.0.2.1/24" },
          forward: true,
          iptables: TRACKS,
        },
      },
      `-A ${UDP} -s rr`,
      `-a ${UDP} -r 10.0.2.2 -i`,
    );
    director.sysctl("net.ipv4.vs.conntrack", value);
    const { conntrack } = outcome(director.session, "c", "udp 10.0.9.9:53");
    expect(conntrack.filter(({ host, orig }) => host === "lb" && orig.dst === "10.0.9.9")).toHaveLength(
      entries,
    );
  });
});

describe("ip_vs_in_icmp of a tunnel's packet", () => {
  it("tells the client of the cached route's MTU first, and of what was learned when it asks again", () => {
    const director = new Director(
      {
        lb: {
          links: { eth0: "10.0.1.1/24 10.0.9.9/32", eth1: "10.0.2.1/24" },
          routes: ["10.0.3.0/24 via 10.0.2.2"],
          forward: true,
        },
        s: {
          links: { eth0: "10.0.2.2/24", eth1: { addresses: "10.0.3.1/24", mtu: 1400 } },
          routes: ["default via 10.0.2.1"],
          forward: true,
        },
      },
      `-A ${UDP} -s rr`,
      `-a ${UDP} -r 10.0.3.2 -i`,
    );
    const ask = (): string[] =>
      errors(outcome(director.session, "c", "udp 10.0.9.9:53 size=1440 df sport=40000"), "c");
    expect([ask(), ask()]).toEqual([["3/4/1480"], ["3/4/1380"]]);
  });
});

describe("ip_vs_in_icmp_v6", () => {
  it("sends an error that this host made itself on to a direct routing's server, by no way of its own", () => {
    const ip6tables = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j DROP\nCOMMIT\n";
    const links = { eth0: "fd00:1::1/64 fd00:9::9/128", eth1: "fd00:2::1/64" };
    const director = new Director(
      { lb: { links, forward: true, ip6tables } },
      `-A ${UDP6} -s rr`,
      `-a ${UDP6} -r [fd00:2::2]:53 -g`,
    );
    trace(director.session, "c", "udp [fd00:9::9]:53 sport=40000");
    const late = outcome(director.session, "s", "udp [fd00:1::2]:40000 src=fd00:9::9 sport=53 ttl=1");
    expect(errors(late, "s")).toEqual(["3/0"]);
  });
});

describe("ip_vs_gather_frags", () => {
  it("joins what is forwarded, though nothing tracks connections", () => {
    const iptables = "*mangle\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth1 -f -j DROP\nCOMMIT\n";
    const lb = { links: { eth0: "10.0.1.1/24 10.0.9.9/32", eth1: "10.0.2.1/24" }, forward: true, iptables };
    const ask = (...lines: string[]): string =>
      outcome(new Director({ lb }, ...lines).session, "c", "udp 10.0.2.2:53 size=2000").client.result;
    expect([ask(), ask(`-A ${UDP} -s rr`)]).toEqual(["timeout", "answered"]);
  });

  it("nf_defrag_ipv6_enable: of IPv6 before anything else", () => {
    const ip6tables =
      "*mangle\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth1 -m frag --fragmore -j DROP\nCOMMIT\n";
    const links = { eth0: "fd00:1::1/64 fd00:9::9/128", eth1: "fd00:2::1/64" };
    const ask = (...lines: string[]): string =>
      outcome(
        new Director({ lb: { links, forward: true, ip6tables } }, ...lines).session,
        "c",
        "udp [fd00:2::2]:53 size=2000",
      ).client.result;
    expect([ask(), ask(`-A ${UDP6} -s rr`)]).toEqual(["timeout", "answered"]);
  });
});

describe("ip_vs_has_real_service", () => {
  it("knows the end of a mark's server, of whatever protocol", () => {
    const director = new Director({}, "-A -f 7 -s rr", "-a -f 7 -r 10.0.2.2:53 -m");
    director.sysctl("net.ipv4.vs.nat_icmp_send", "1");
    const out = outcome(director.session, "s", "udp 10.0.1.2:9 sport=53");
    expect([out.verdict.reason, errors(out, "s")]).toEqual(["ipvs-no-connection", ["3/3"]]);
  });
});

describe("skb_scrub_packet", () => {
  it("takes IPVS's mark off what comes out of a tunnel", () => {
    const lb = {
      links: {
        eth0: "10.0.1.1/24 10.0.9.9/32",
        eth1: "10.0.2.1/24",
        t0: { ...tunnel(ip("10.0.2.2")), addresses: "10.0.6.1/24" },
      },
      routes: ["10.0.8.0/24 via 10.0.6.2"],
      forward: true,
    };
    const s = {
      links: {
        eth0: "10.0.2.2/24",
        vip: { addresses: "10.0.8.8/32", detail: { kind: "dummy" as const } },
        tunl0: tunnel(null),
      },
      routes: ["default via 10.0.2.1"],
      listen: ["udp 53"],
      iptables: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m ipvs --ipvs -j DROP\nCOMMIT\n",
    };
    const director = new Director({ lb, s }, `-A ${UDP} -s rr`, `-a ${UDP} -r 10.0.8.8:53 -m`);
    expect(outcome(director.session, "c", "udp 10.0.9.9:53").client.result).toBe("answered");
  });
});

describe("sysctl_ignore_tunneled", () => {
  it("marks every packet of a protocol that IPVS does not know, ICMP's echoes too", () => {
    const lb = {
      links: { eth0: "10.0.1.1/24", eth1: "10.0.2.1/24" },
      iptables: "*mangle\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -m ipvs --ipvs -j DROP\nCOMMIT\n",
    };
    const ask = (value: string): string => {
      const director = new Director({ lb }, `-A ${UDP} -s rr`);
      director.sysctl("net.ipv4.vs.ignore_tunneled", value);
      return outcome(director.session, "lb", "icmp 10.0.2.2").client.result;
    };
    expect([ask("0"), ask("1")]).toEqual(["answered", "blocked"]);
  });
});

describe("ip_vs_conn_uses_old_conntrack", () => {
  it("asks for the packet's own entry, though the connection keeps none", () => {
    const add = ["-A -t 10.0.9.9:80 -s rr", "-a -t 10.0.9.9:80 -r 10.0.2.2:80 -m"] as const;
    const links = { eth0: "10.0.1.1/24 10.0.9.9/32", eth1: "10.0.2.1/24" };
    const director = new Director(
      { lb: { links, forward: true, iptables: TRACKS, listen: ["tcp 80"] } },
      ...add,
    );
    const ask = (hold?: string): Outcome =>
      outcome(director.session, "c", "tcp 10.0.9.9:80 sport=40000", hold === undefined ? {} : { hold });
    expect(ask().client.answeredBy).toBe("s");
    // Meanwhile this host itself has the address, and an entry of the same ends.
    director.ipvsadm("-D -t 10.0.9.9:80");
    expect(ask("held").client.answeredBy).toBe("lb");
    for (const line of add) director.ipvsadm(line);
    expect(ask().client.answeredBy).toBe("s");
    expect(ask().verdict.reason).toBe("ipvs-old-conntrack");
  });
});

describe("sysctl_backup_only", () => {
  it("is nothing without a backup's synchronisation", () => {
    const director = new Director({}, `-A ${UDP} -s rr`, `-a ${UDP} -r 10.0.2.2:53 -m`);
    director.sysctl("net.ipv4.vs.backup_only", "1");
    expect(outcome(director.session, "c", "udp 10.0.9.9:53").client.answeredBy).toBe("s");
  });
});

describe("is_new_conn_expected, of SCTP", () => {
  const servers = [`-A ${SCTP} -s rr`, `-a ${SCTP} -r 10.0.2.2:80 -m`, `-a ${SCTP} -r 10.0.2.3:80 -m`];
  const s = {
    links: { eth0: "10.0.2.2/24 10.0.2.3/24" },
    routes: ["default via 10.0.2.1"],
    listen: ["sctp 80"],
  };

  it.each([
    ["1", true],
    ["0", false],
  ])(
    "conn_reuse_mode = %s: an association that was shut down begins anew at the next server: %s",
    (mode, moves) => {
      const director = new Director({ s }, ...servers);
      director.sysctl("net.ipv4.vs.conn_reuse_mode", mode);
      const served = () => outcome(director.session, "c", "sctp 10.0.9.9:80 sport=5000").server?.address;
      const first = served();
      expect(director.states()).toEqual(["CLOSED"]);
      expect(served() !== first).toBe(moves);
    },
  );
});

describe("nat_icmp_send", () => {
  const servers = [`-A ${SCTP} -s rr`, `-a ${SCTP} -r 10.0.2.2:80 -m`];
  const c = {
    links: { eth0: "10.0.1.2/24" },
    routes: ["default via 10.0.1.1"],
    listen: ["sctp 5000"],
  };

  it.each([
    ["0", [], "connected"],
    // No error but of the protocol ends an association (`sctp_v4_err`).
    ["1", ["3/3"], "timeout"],
  ])("= %s: a server that speaks of itself hears %j", (value, heard, result) => {
    const director = new Director({ c }, ...servers);
    director.sysctl("net.ipv4.vs.nat_icmp_send", value);
    const tried = outcome(director.session, "s", "sctp 10.0.1.2:5000 sport=80");
    expect([errors(tried, "s"), tried.client.result]).toEqual([heard, result]);
  });

  it("is not about an ABORT", () => {
    const s = { links: { eth0: "10.0.2.2/24" }, routes: ["default via 10.0.2.1"], listen: ["sctp 81"] };
    const director = new Director({ c, s }, ...servers);
    director.sysctl("net.ipv4.vs.nat_icmp_send", "1");
    const tried = outcome(director.session, "c", "sctp 10.0.2.2:80");
    expect([errors(tried, "s"), tried.client.result]).toEqual([[], "refused"]);
  });
});

describe("what is not modelled is said", () => {
  const servers = ["-A -t 10.0.9.9:80 -s rr", "-a -t 10.0.9.9:80 -r 10.0.2.2:80 -m"];

  it.each(["drop_entry", "drop_packet", "secure_tcp", "schedule_icmp", "cache_bypass"])(
    "net.ipv4.vs.%s",
    (name) => {
      const director = new Director({}, ...servers);
      const ask = () => outcome(director.session, "c", "tcp 10.0.9.9:80").verdict.unknown ?? [];
      expect(ask()).toEqual([]);
      director.sysctl(`net.ipv4.vs.${name}`, "3");
      expect(ask()).toEqual([`net.ipv4.vs.${name}`]);
      director.sysctl(`net.ipv4.vs.${name}`, "0");
      expect(ask()).toEqual([]);
    },
  );

  it("a tunnel of IPv6 at the server (tunnel6_rcv)", () => {
    const ip6tnl0: LinkSpec = { detail: { kind: "unmodelled", type: "tunnel6" } };
    const s = { links: { eth0: "fd00:2::2/64", ip6tnl0 }, routes: ["default via fd00:2::1"] };
    const director = new Director({ s }, `-A ${UDP6} -s rr`, `-a ${UDP6} -r [fd00:2::2]:53 -i`);
    const { verdict } = outcome(director.session, "c", "udp [fd00:9::9]:53");
    expect(verdict.unknown).toEqual(["tunnels of IPv6 in IPv6"]);
  });
});

// By the source alone (Linux 6.12): no recording has such a tunnel.
describe("ip_vs_tunnel_xmit_v6", () => {
  const director = (lb = {}) => new Director({ lb }, `-A ${UDP6} -s rr`, `-a ${UDP6} -r [fd00:2::2]:53 -i`);

  it("puts the packet into another from the way's own source, with its hop limit after the hop here and its traffic class", () => {
    const { frames, capture } = outcome(director().session, "c", "udp [fd00:9::9]:53 ttl=9", {
      capture: true,
    });
    const outer = frames.find(
      ({ host, device, direction }) => host === "lb" && device === "eth1" && direction === "out",
    );
    expect(outer?.ip).toMatchObject({ src: "fd00:2::1", dst: "fd00:2::2", proto: 41, ttl: 8 });
    expect(outer?.inner?.ip).toMatchObject({ src: "fd00:1::2", dst: "fd00:9::9", proto: 17, ttl: 8 });
    expect((outer?.ip.len ?? 0) - (outer?.inner?.ip.len ?? 0)).toBe(40);
    const wire = capture?.frames.find(
      ({ interface: at, direction, bytes }) =>
        capture.interfaces[at]?.name === "lb:eth1" && direction === "out" && bytes[14 + 6] === 41,
    );
    expect([wire?.bytes[14 + 6], (wire?.bytes[14 + 40] ?? 0) >> 4, wire?.bytes[14 + 46]]).toEqual([
      41, 6, 17,
    ]);
  });

  it("the server has no tunnel: it says that the next header is unknown to it", () => {
    const { frames } = outcome(director().session, "c", "udp [fd00:9::9]:53");
    expect(frames.find(({ host, icmp }) => host === "s" && icmp !== undefined)?.icmp).toMatchObject({
      type: 4,
      code: 1,
    });
  });

  it("what is too long with the header more is not sent, and told so", () => {
    expect(told(director().session, "c", "udp [fd00:9::9]:53 df size=1413")).toMatch(/2\/0.*mtu 1460/);
    expect(
      outcome(director().session, "c", "udp [fd00:9::9]:53 df size=1412").frames.at(-1)?.icmp?.type,
    ).not.toBe(2);
  });

  it("nothing goes into one that takes less than 1280 inside", () => {
    const eth1 = { addresses: "10.0.2.1/24 fd00:2::1/64", mtu: 1300 };
    const narrow = director({ links: { eth0: "fd00:1::1/64 fd00:9::9/128", eth1 } });
    const { verdict, frames } = outcome(narrow.session, "c", "udp [fd00:9::9]:53");
    expect(verdict.reason).toBe("mtu-black-hole");
    expect(frames.some(({ icmp }) => icmp !== undefined)).toBe(false);
  });
});

describe("ip_select_ident of a tunnel's packet", () => {
  it.each([
    ["udp 10.0.9.9:53 df", [0, 0]],
    ["udp 10.0.9.9:53", [1, 2]],
  ])("%s: has no number where it is never cut: %j", (query, expected) => {
    const director = new Director({}, `-A ${UDP} -s rr`, `-a ${UDP} -r 10.0.2.2 -i`);
    const numbers = [0, 1].map(() => {
      const { capture } = outcome(director.session, "c", query, { capture: true });
      const outer = capture?.frames.find(
        ({ bytes, direction, interface: at }) =>
          capture.interfaces[at]?.name === "lb:eth1" && direction === "out" && bytes[14 + 9] === 4,
      );
      return ((outer?.bytes[18] ?? 0xff) << 8) | (outer?.bytes[19] ?? 0xff);
    });
    expect(
      numbers.map((number) => number - (numbers[0] as number) + Math.min(1, numbers[0] as number)),
    ).toEqual(expected);
  });
});
