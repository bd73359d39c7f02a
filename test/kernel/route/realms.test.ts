import { describe, expect, it } from "vitest";
import {
  parseRealms,
  realmsNumber,
  realmsOfSource,
  UNKNOWN_REALMS,
  withRealms,
} from "../../../src/kernel/route/realms.ts";
import { outcome, sessionOf, trace } from "../../walk/asking.ts";
import { twoNetworks } from "../path/two-networks.ts";

/** Realms of routes and policy rules, as a kernel's rules see them: what ways of a packet it is known to be of. */

describe("realms", () => {
  it("are read as ip writes them", () => {
    expect(parseRealms("5")).toEqual({ from: null, to: "5" });
    expect(parseRealms("3/cosmos")).toEqual({ from: "3", to: "cosmos" });
    for (const text of ["", "/5", "70000", "1/2/3", "-1"]) expect(parseRealms(text), text).toBeUndefined();
  });

  it("are one number, from above; a name that no list gives a number is not known", () => {
    expect(realmsNumber({ from: "3", to: "5" })).toBe(0x30005);
    expect(realmsNumber({ from: "3", to: "cosmos" })).toBe(0x30000);
    expect(realmsNumber({ from: null, to: "uplink" })).toBe(UNKNOWN_REALMS);
    expect(realmsNumber(undefined)).toBe(0);
  });

  it("of a way stand before those of its rule, each half for itself (`set_class_tag`)", () => {
    expect(withRealms(0x5, 0x20006)).toBe(0x20005);
    expect(withRealms(0x30000, 0x20006)).toBe(0x30006);
    expect(withRealms(UNKNOWN_REALMS, 0)).toBe(UNKNOWN_REALMS);
  });

  it("of the way back are where it comes from (`fib_combine_itag`)", () => {
    expect(realmsOfSource(0x9, 0)).toBe(0x90000);
    expect(realmsOfSource(0, 0x20006)).toBe(0x60002);
  });
});

describe("a rule that asks for a realm", () => {
  const iptables = (rule: string): string =>
    `*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -m realm ${rule} -j DROP\nCOMMIT\n`;
  const said = (rule: string, routes: readonly string[], asked = 1): string => {
    const session = sessionOf(twoNetworks({ iptables: iptables(rule), routes }));
    let found = "";
    // A way that is remembered has them too.
    for (let i = 0; i < asked; i++) {
      const { verdict } = outcome(session, "a", `udp 10.1.0.2:53 sport=${4000 + i}`);
      found = `${verdict.reason} ${verdict.certainty}`;
    }
    return found;
  };
  const route = "10.1.0.2/32 dev eth1 realms 3/5";

  it.each([
    ["--realm 0x5/0xffff", [route], "rule-drop assumed"],
    ["--realm 0x30005", [route], "rule-drop assumed"],
    ["! --realm 0x30005", [route], "reply-lost assumed"],
    ["--realm 0x5/0xffff", [], "answered assumed"],
    // A packet comes from the realm of the way back.
    ["--realm 0x70000/0xffff0000", ["10.0.0.2/32 dev eth0 realms 7"], "rule-drop assumed"],
  ])("%s with %j: %s", (rule, routes, expected) => {
    expect(said(rule, routes)).toBe(expected);
    expect(said(rule, routes, 3)).toBe(expected);
  });

  it("of a name that is not known is asked both ways", () => {
    const routes = ["10.1.0.2/32 dev eth1 realms uplink"];
    const session = sessionOf(twoNetworks({ iptables: iptables("--realm 0x5"), routes }));
    const { outcomes } = trace(session, "a", "udp 10.1.0.2:53 sport=4000");
    expect(new Set(outcomes.map(({ verdict }) => verdict.reason))).toEqual(
      new Set(["answered", "rule-drop", "reply-lost"]),
    );
    for (const { verdict } of outcomes) expect(verdict.certainty).toBe("unknown-match");
  });
});
