import type { Target, TargetModule } from "./target.ts";

/** Answers a refused packet, in the order of `enum ipt_reject_with`. */
export const REJECT_WITH = [
  "icmp-net-unreachable",
  "icmp-host-unreachable",
  "icmp-proto-unreachable",
  "icmp-port-unreachable",
  "icmp-net-prohibited",
  "icmp-host-prohibited",
  "tcp-reset",
  "icmp-admin-prohibited",
] as const;
export type RejectWith = (typeof REJECT_WITH)[number];

/** Drop the packet and say so (net/ipv4/netfilter/ipt_REJECT.c). */
export interface RejectTarget extends Target {
  readonly kind: "REJECT";
  readonly rejectWith: RejectWith;
}

export const reject: TargetModule<RejectTarget> = {
  kind: "REJECT",
  needsConntrack: false,

  parse(reader) {
    let answer: RejectWith = "icmp-port-unreachable";
    reader.options({
      "--reject-with": () => {
        answer = reader.oneOf(REJECT_WITH);
      },
    });
    return { kind: "REJECT", rejectWith: answer };
  },

  format: (target) => `--reject-with ${target.rejectWith}`,
};
