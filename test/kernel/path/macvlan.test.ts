import { describe, expect, it } from "vitest";
import type { DeviceDetail } from "../../../src/kernel/device/device.ts";
import { outcome, places, sessionOf, told } from "../../walk/asking.ts";
import { BRIDGE, type LinkSpec, macOf, smallWorld } from "../../walk/small-world.ts";

/**
 * macvlans on a card of their own namespace. Those of other namespaces agree with recordings (`ipvs-ipip/macvlan-*`,
 * `g-macvlan-*`). The expectations are the kernel's (Linux 6.18): the lab built these worlds, and every frame was compared.
 */

const LISTEN = ["udp 53"];
const MODES = ["bridge", "vepa", "private", "passthru"] as const;
type Mode = (typeof MODES)[number];

function card(mode: Mode) {
  const detail: DeviceDetail = { kind: "macvlan", mode, lower: { host: null, device: "eth0" } };
  // A macvlan in passthru is alone, and has the card's MAC.
  const alone = mode === "passthru";
  const more: Readonly<Record<string, LinkSpec>> = alone ? {} : { m2: { addresses: "10.1.1.3/24", detail } };
  return smallWorld(
    {
      h: {
        links: {
          eth0: "",
          m1: { addresses: "10.1.0.2/24", detail, ...(alone ? { mac: "02:00:00:00:01:02" } : {}) },
          ...more,
        },
        listen: LISTEN,
      },
      b: { links: { eth0: "10.1.0.9/24 10.1.1.9/24" }, listen: LISTEN },
    },
    ["h:eth0 b:eth0"],
  );
}

describe.each(MODES)("macvlan in mode %s", (mode) => {
  it("sends by its card", () => {
    const found = outcome(sessionOf(card(mode)), "h", "udp 10.1.0.9:53");
    expect(found.client.answeredBy).toBe("b");
    expect(places(found, 1)).toEqual(["h:m1:out", "h:eth0:out", "b:eth0:in"]);
  });

  // Any device of a host answers for any of its addresses: the card is the first to, and gets the packet.
  it("receives by its card, but in passthru", () => {
    const found = outcome(sessionOf(card(mode)), "b", "udp 10.1.0.2:53");
    expect(found.client.answeredBy).toBe("h");
    const raised = mode === "passthru" ? ["h:m1:in"] : [];
    expect(places(found, 1)).toEqual(["b:eth0:out", "h:eth0:in", ...raised]);
  });

  it("hears broadcasts, as its card and the others on it do", () => {
    const found = outcome(sessionOf(card(mode)), "b", "udp 10.1.0.255:53");
    const heard = places(found, 1).filter((place) => place.startsWith("h:"));
    const all = ["h:eth0:in-broadcast", "h:m1:in-broadcast", "h:m2:in-broadcast"];
    expect(heard.sort()).toEqual(mode === "passthru" ? all.slice(0, 2) : all);
  });
});

/** In namespaces v6link-m1, -m2 on a card of v6link-h: a question for one's own group never reached the other. */
describe("groups of IPv6", () => {
  const lower = { host: "h", device: "eth0" };
  const heard = (detail: DeviceDetail): string[] => {
    const end = (n: number) => ({
      links: {
        eth0: {
          addresses: `fd01::${n}/64`,
          detail,
          mac: detail.kind === "ipvlan" ? macOf(3, 2) : `02:00:00:00:00:0${n}`,
        },
      },
      listen: LISTEN,
    });
    const world = smallWorld(
      { c1: end(1), c2: end(2), h: { links: { eth0: "" } }, b: { links: { eth0: "fd01::9/64" } } },
      ["h:eth0 b:eth0"],
    );
    const { ndp, client } = outcome(sessionOf(world), "b", "udp [fd01::1]:53");
    expect(client.answeredBy).toBe("c1");
    return ndp
      .filter(({ host, nd, direction }) => host !== "b" && nd.type === 135 && direction !== "out")
      .map(({ host, device }) => `${host}:${device}`);
  };

  it("are heard by the macvlan that joined them, and by the card", () => {
    expect(heard({ kind: "macvlan", mode: "bridge", lower }).sort()).toEqual(["c1:eth0", "h:eth0"]);
  });

  it("are heard by the ipvlan that joined them, and by the card", () => {
    expect(heard({ kind: "ipvlan", mode: "l2", flag: "bridge", lower }).sort()).toEqual([
      "c1:eth0",
      "h:eth0",
    ]);
  });
});

describe("two on one card, in namespaces of their own", () => {
  const world = (mode: Mode, hairpin: boolean) => {
    const end = (n: number) => ({
      links: {
        eth0: {
          addresses: `10.1.0.${n}/24`,
          detail: { kind: "macvlan", mode, lower: { host: "h", device: "eth0" } } as DeviceDetail,
        },
      },
      listen: LISTEN,
    });
    return smallWorld(
      {
        c1: end(1),
        c2: end(2),
        h: { links: { eth0: "10.1.0.5/24" }, listen: LISTEN },
        sw: {
          links: {
            br0: { detail: BRIDGE },
            p0: { master: "br0", port: { hairpin } },
          },
        },
      },
      ["h:eth0 sw:p0"],
    );
  };
  const UNHEARD = "unreachable EHOSTUNREACH icmp 3/1 from 10.1.0.1, no-neighbour";

  it.each<readonly [Mode, boolean, string]>([
    ["bridge", false, "answered by c2, answered"],
    ["vepa", false, UNHEARD],
    ["vepa", true, "answered by c2, answered"],
    ["private", false, UNHEARD],
    // Its frames come back from the switch, but to the sender alone.
    ["private", true, UNHEARD],
  ])("%s, hairpin at the switch %s", (mode, hairpin, expected) => {
    expect(told(sessionOf(world(mode, hairpin)), "c1", "udp 10.1.0.2:53")).toBe(expected);
  });

  it.each(MODES.slice(0, 3))("%s: the card's own host is out of reach", (mode) => {
    expect(told(sessionOf(world(mode, false)), "c1", "udp 10.1.0.5:53")).toBe(UNHEARD);
  });
});
