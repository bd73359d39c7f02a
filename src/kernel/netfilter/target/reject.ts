import type { Family } from "../../../address/ip.ts";
import type { Target, TargetModule } from "./target.ts";

/** Answers to a refused packet, in the order of `enum ipt_reject_with`. */
const REJECT_WITH_4 = [
  "icmp-net-unreachable",
  "icmp-host-unreachable",
  "icmp-proto-unreachable",
  "icmp-port-unreachable",
  "icmp-net-prohibited",
  "icmp-host-prohibited",
  "tcp-reset",
  "icmp-admin-prohibited",
] as const;

/** The same of IPv6, of `enum ip6t_reject_with` those that ip6tables knows. */
const REJECT_WITH_6 = [
  "icmp6-no-route",
  "icmp6-adm-prohibited",
  "icmp6-addr-unreachable",
  "icmp6-port-unreachable",
  "tcp-reset",
  "icmp6-policy-fail",
  "icmp6-reject-route",
] as const;
export type RejectWith = (typeof REJECT_WITH_4)[number] | (typeof REJECT_WITH_6)[number];

export const REJECT_WITH: Readonly<Record<Family, readonly RejectWith[]>> = {
  4: REJECT_WITH_4,
  6: REJECT_WITH_6,
};

/** Short for some of them (libipt_REJECT.c, libip6t_REJECT.c); never printed. */
const ALIASES: Readonly<Record<Family, Readonly<Record<string, RejectWith>>>> = {
  4: {
    "net-unreach": "icmp-net-unreachable",
    "host-unreach": "icmp-host-unreachable",
    "proto-unreach": "icmp-proto-unreachable",
    "port-unreach": "icmp-port-unreachable",
    "net-prohib": "icmp-net-prohibited",
    "host-prohib": "icmp-host-prohibited",
    "tcp-rst": "tcp-reset",
    "admin-prohib": "icmp-admin-prohibited",
  },
  6: {
    "no-route": "icmp6-no-route",
    "adm-prohibited": "icmp6-adm-prohibited",
    "addr-unreach": "icmp6-addr-unreachable",
    "port-unreach": "icmp6-port-unreachable",
    "policy-fail": "icmp6-policy-fail",
    "reject-route": "icmp6-reject-route",
  },
};

/** Drop the packet and say so (net/ipv4/netfilter/ipt_REJECT.c, net/ipv6/netfilter/ip6t_REJECT.c). */
export interface RejectTarget extends Target {
  readonly kind: "REJECT";
  readonly rejectWith: RejectWith;
}

export const reject: TargetModule<RejectTarget> = {
  kind: "REJECT",
  needsConntrack: false,

  parse(reader) {
    const { family } = reader;
    let answer: RejectWith = family === 6 ? "icmp6-port-unreachable" : "icmp-port-unreachable";
    reader.options({
      "--reject-with": () => {
        const short = ALIASES[family][reader.peek() ?? ""];
        if (short !== undefined) reader.skip();
        answer = short ?? reader.oneOf(REJECT_WITH[family]);
      },
    });
    return { kind: "REJECT", rejectWith: answer };
  },

  format: (target) => `--reject-with ${target.rejectWith}`,
};
