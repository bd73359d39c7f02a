import { describe, expect, it } from "vitest";
import {
  CT_NONE,
  CT_UNTRACKED,
  IP_CT_ESTABLISHED,
  IP_CT_ESTABLISHED_REPLY,
  IP_CT_NEW,
  IP_CT_RELATED,
  IP_CT_RELATED_REPLY,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DST_NAT,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
} from "../../../../src/kernel/conntrack/status.ts";
import { compiled, FakeContext, ip, packet } from "./rule-context.ts";

function hit(text: string, ct: number, ctInfo: number, connection: Record<string, number>, now = 0): boolean {
  const context = new FakeContext();
  context.connection = connection;
  context.now = now;
  return compiled(text).test(packet({ ct, ctInfo }), context.asContext());
}

describe("states (xt_conntrack.c, conntrack_mt)", () => {
  const states = (state: string) =>
    [`-m conntrack --ctstate ${state}`, `-m conntrack ! --ctstate ${state}`] as const;

  it.each([
    ["NEW", 0, IP_CT_NEW, 0, true],
    ["NEW", 0, IP_CT_ESTABLISHED, 0, false],
    ["ESTABLISHED", 0, IP_CT_ESTABLISHED, 0, true],
    ["ESTABLISHED", 0, IP_CT_ESTABLISHED_REPLY, 0, true],
    ["RELATED", 0, IP_CT_RELATED, 0, true],
    ["RELATED", 0, IP_CT_RELATED_REPLY, 0, true],
    ["RELATED,ESTABLISHED", 0, IP_CT_NEW, 0, false],
    ["INVALID", CT_NONE, 0, 0, true],
    ["INVALID", CT_UNTRACKED, 0, 0, false],
    ["UNTRACKED", CT_UNTRACKED, 0, 0, true],
    ["UNTRACKED", CT_NONE, 0, 0, false],
    ["NEW", CT_NONE, IP_CT_NEW, 0, false],
    ["SNAT", 0, IP_CT_NEW, IPS_SRC_NAT, true],
    ["SNAT", 0, IP_CT_NEW, IPS_DST_NAT, false],
    ["DNAT", 0, IP_CT_ESTABLISHED_REPLY, IPS_DST_NAT, true],
    ["NEW,DNAT", 0, IP_CT_ESTABLISHED, IPS_DST_NAT, true],
    ["SNAT", CT_NONE, 0, IPS_SRC_NAT, false],
  ])(
    "%s, entry %i, info %i, status %i: %s; and the ! says the opposite",
    (state, ct, ctInfo, status, expected) => {
      const [plain, inverted] = states(state);
      expect(hit(plain, ct, ctInfo, { status })).toBe(expected);
      expect(hit(inverted, ct, ctInfo, { status })).toBe(!expected);
    },
  );

  it.each([
    ["-m state --state NEW", 0, IP_CT_NEW, true],
    ["-m state --state NEW", 0, IP_CT_ESTABLISHED_REPLY, false],
    ["-m state ! --state NEW", 0, IP_CT_ESTABLISHED_REPLY, true],
    ["-m state --state INVALID", CT_NONE, 0, true],
    ["-m state --state UNTRACKED", CT_UNTRACKED, 0, true],
    ["-m state ! --state UNTRACKED", CT_UNTRACKED, 0, false],
  ])("%s, entry %i, info %i: %s", (text, ct, ctInfo, expected) => {
    expect(hit(text, ct, ctInfo, {})).toBe(expected);
  });
});

describe("the rest of the connection", () => {
  const connection = {
    status: IPS_CONFIRMED | IPS_SEEN_REPLY,
    proto: 6,
    mark: 0x42,
    expires: 60_500,
    origSrc: ip("10.0.0.1"),
    origDst: ip("10.96.0.10"),
    origSport: 40000,
    origDport: 53,
    replySrc: ip("10.244.0.2"),
    replyDst: ip("192.168.1.1"),
    replySport: 5353,
    replyDport: 50000,
  };

  it.each([
    ["--ctproto 6", true],
    ["--ctproto 17", false],
    ["! --ctproto 17", true],
    ["--ctorigsrc 10.0.0.0/24", true],
    ["--ctorigsrc 10.0.0.9/24", true],
    ["--ctorigsrc 10.0.0.9", false],
    ["! --ctorigsrc 10.0.0.9", true],
    ["--ctorigdst 10.96.0.10", true],
    ["! --ctorigdst 10.96.0.10", false],
    ["--ctreplsrc 10.244.0.2", true],
    ["--ctreplsrc 10.96.0.10", false],
    ["--ctrepldst 192.168.0.0/16", true],
    ["! --ctrepldst 192.168.0.0/16", false],
    ["--ctorigsrcport 40000", true],
    ["--ctorigsrcport 1:39999", false],
    ["! --ctorigsrcport 1:39999", true],
    ["--ctorigdstport 50:60", true],
    ["--ctreplsrcport 5353", true],
    ["--ctrepldstport 50000", true],
    ["! --ctrepldstport 50000", false],
    ["--ctstatus CONFIRMED", true],
    ["--ctstatus ASSURED", false],
    ["--ctstatus ASSURED,SEEN_REPLY", true],
    ["! --ctstatus ASSURED", true],
    ["--ctstatus NONE", false],
    ["! --ctstatus NONE", true],
    ["--ctexpire 60", true],
    ["--ctexpire 61:100", false],
    ["! --ctexpire 61:100", true],
    ["--ctdir ORIGINAL", true],
    ["--ctdir REPLY", false],
    ["--ctproto 6 --ctorigdst 10.96.0.10 --ctorigdstport 53 --ctdir ORIGINAL", true],
    ["--ctproto 6 --ctorigdst 10.96.0.10 --ctorigdstport 54", false],
    ["--ctstate NEW --ctproto 6", true],
    ["--ctstate ESTABLISHED --ctproto 6", false],
  ])("%s: %s", (options, expected) => {
    expect(hit(`-m conntrack ${options}`, 0, IP_CT_NEW, connection)).toBe(expected);
  });

  it.each([
    ["--ctproto 6", false],
    ["! --ctproto 6", false],
    ["--ctstatus NONE", false],
    ["! --ctstatus ASSURED", false],
    ["--ctdir ORIGINAL", false],
    ["--ctstate INVALID --ctproto 6", true],
    ["! --ctstate NEW --ctdir REPLY", true],
  ])("%s without a connection: %s, as only the state is asked then", (options, expected) => {
    expect(hit(`-m conntrack ${options}`, CT_NONE, 0, connection)).toBe(expected);
  });

  it("sees the direction of a reply", () => {
    expect(hit("-m conntrack --ctdir REPLY", 0, IP_CT_ESTABLISHED_REPLY, connection)).toBe(true);
    expect(hit("-m conntrack --ctdir REPLY", 0, IP_CT_RELATED_REPLY, connection)).toBe(true);
    expect(hit("-m conntrack --ctdir REPLY", 0, IP_CT_RELATED, connection)).toBe(false);
  });

  it("counts the seconds left from now, and none below zero", () => {
    expect(hit("-m conntrack --ctexpire 0", 0, IP_CT_NEW, connection, 60_000)).toBe(true);
    expect(hit("-m conntrack --ctexpire 0", 0, IP_CT_NEW, connection, 90_000)).toBe(true);
  });

  it.each([
    ["--mark 0x42", true],
    ["--mark 0x2/0x2", true],
    ["--mark 0x1/0x1", false],
    ["! --mark 0x1/0x1", true],
  ])("connmark %s: %s", (options, expected) => {
    expect(hit(`-m connmark ${options}`, 0, IP_CT_NEW, connection)).toBe(expected);
    expect(hit(`-m connmark ${options}`, CT_NONE, 0, connection)).toBe(false);
    expect(hit(`-m connmark ${options}`, CT_UNTRACKED, 0, connection)).toBe(false);
  });

  it("knows ASSURED from CONFIRMED", () => {
    expect(hit("-m conntrack --ctstatus ASSURED", 0, IP_CT_NEW, { status: IPS_ASSURED })).toBe(true);
  });
});
