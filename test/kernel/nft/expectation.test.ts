import { describe, expect, it } from "vitest";
import type { Session } from "../../../src/walk/session.ts";
import { sessionOf, told } from "../../walk/asking.ts";
import { smallWorld } from "../../walk/small-world.ts";

/**
 * Connections that a rule of the node in the middle announces. A kernel 6.18 showed the same tuple, timeout, and drop of a second one
 * announced alike; that the announced connection is RELATED, and once, is as `nft_ct_expect_obj_eval` and `init_conntrack` read.
 */

function session(object = "protocol udp\ndport 9876\ntimeout 2m\nsize 2\nl3proto ip"): Session {
  const nft = `table ip t {
ct expectation e {
${object}
}
chain f {
type filter hook forward priority 0; policy accept;
ct state related accept
ct state new udp dport 53 ct expectation set "e"
ct state new udp dport 9876 drop
}
}
`;
  return sessionOf(
    smallWorld(
      {
        a: { links: { eth0: "10.0.0.2/24" }, routes: ["default via 10.0.0.1"], listen: ["udp 9876"] },
        r: { links: { eth0: "10.0.0.1/24", eth1: "10.0.1.1/24" }, forward: true, nft },
        b: {
          links: { eth0: "10.0.1.2/24" },
          routes: ["default via 10.0.1.1"],
          listen: ["udp 53", "udp 9876"],
        },
      },
      ["a:eth0 r:eth0", "r:eth1 b:eth0"],
    ),
  );
}

const back = "udp 10.0.0.2:9876";

describe("ct expectation (nft_ct_expect_obj_eval)", () => {
  it("what was announced is RELATED, once, and only where it was announced to", () => {
    const asked = session();
    expect(told(asked, "b", back)).toMatch(/timeout/);
    expect(told(asked, "a", "udp 10.0.1.2:53 sport=7001")).toMatch(/answered by b/);
    expect(told(asked, "a", "udp 10.0.1.2:9876")).toMatch(/timeout/);
    expect(told(asked, "b", `${back} sport=6000`)).toMatch(/answered by a/);
    expect(told(asked, "b", `${back} sport=6001`)).toMatch(/timeout/);
  });

  it("the packet of another connection that would announce the same is dropped", () => {
    const asked = session();
    expect(told(asked, "a", "udp 10.0.1.2:53 sport=7001")).toMatch(/answered by b/);
    expect(told(asked, "a", "udp 10.0.1.2:53 sport=7002")).toMatch(/timeout/);
    expect(told(asked, "b", `${back} sport=6000`)).toMatch(/answered by a/);
    expect(told(asked, "a", "udp 10.0.1.2:53 sport=7003")).toMatch(/answered by b/);
  });

  it("goes with the connection that announced it", () => {
    const asked = session();
    expect(told(asked, "a", "udp 10.0.1.2:53 sport=7001")).toMatch(/answered by b/);
    asked.wait(31_000);
    expect(told(asked, "b", back)).toMatch(/timeout/);
  });

  it.each([
    "protocol tcp\ndport 9876\ntimeout 2m\nsize 2\nl3proto ip",
    "protocol udp\ndport 9876\ntimeout 2m\nsize 0\nl3proto ip",
  ])("%j announces nothing that comes so", (object) => {
    const asked = session(object);
    expect(told(asked, "a", "udp 10.0.1.2:53")).toMatch(/answered by b/);
    expect(told(asked, "b", back)).toMatch(/timeout/);
  });
});
