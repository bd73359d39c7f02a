import { type IpAddress, inetNtop } from "../../../address/ip.ts";
import { anyAddress, readAddress } from "../save/address.ts";
import { readMaskedMark } from "../save/mark.ts";
import { hex } from "../save/number.ts";
import { portOf } from "../save/port-range.ts";
import type { Target, TargetModule } from "./target.ts";

/** Hand the packet to a local socket without changing it (net/netfilter/xt_TPROXY.c). */
export interface TproxyTarget extends Target {
  readonly kind: "TPROXY";
  /** 0: the port it was sent to. */
  readonly port: number;
  /** `0.0.0.0`, `::`: the device's own address. */
  readonly address: IpAddress;
  readonly markValue: number;
  readonly markMask: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const tproxy: TargetModule<TproxyTarget> = {
  kind: "TPROXY",
  needsConntrack: false,

  parse(reader) {
    const target: Mutable<TproxyTarget> = {
      kind: "TPROXY",
      port: 0,
      address: anyAddress(reader.family),
      markValue: 0,
      markMask: 0,
    };
    let hasPort = false;
    reader.options({
      "--on-port": () => {
        hasPort = true;
        target.port = portOf(reader, reader.word("a port"));
      },
      "--on-ip": () => {
        target.address = readAddress(reader);
      },
      "--tproxy-mark": () => {
        const { value, mask } = readMaskedMark(reader);
        target.markValue = value;
        target.markMask = mask;
      },
    });
    if (!hasPort) reader.fail("--on-port is missing");
    return target;
  },

  format: ({ port, address, markValue, markMask }) =>
    `--on-port ${port} --on-ip ${inetNtop(address)} --tproxy-mark ${hex(markValue)}/${hex(markMask)}`,
};
