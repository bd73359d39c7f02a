import type { TextLine } from "../tool-text.ts";

/**
 * Waiting sockets of `netstat -tuln` (net-tools, netstat(8); busybox) as the lines that `ss -Htuln` prints of them, each with
 * the number it had:
 *
 *     tcp        0      0 10.1.2.3:8080           0.0.0.0:*               LISTEN
 *     tcp6       0      0 :::443                  :::*                    LISTEN
 *
 * Whether `:::443` takes IPv4 too netstat does not say: it is taken to (`net.ipv6.bindv6only` 0). Connections are left out.
 */
export function ssOfNetstat(lines: readonly TextLine[]): TextLine[] {
  return lines.flatMap(({ number, text }) => {
    const [, proto, six, local = "", peer, state] =
      /^(tcp|udp|sctp)(6?)\s+\d+\s+\d+\s+(\S+)\s+(\S+)(?:\s+([A-Z]\w*))?/.exec(text) ?? [];
    const waits = proto === "udp" ? /:\*$/.test(peer ?? "") : state === "LISTEN";
    if (proto === undefined || !waits) return [];
    const [, address = "", port = ""] = /^(.*):([^:]*)$/.exec(local) ?? [];
    const place = six === "" ? address : address === "::" ? "*" : `[${address}]`;
    return [{ number, text: `${proto} ${proto === "udp" ? "UNCONN" : "LISTEN"} 0 0 ${place}:${port} *:*` }];
  });
}
