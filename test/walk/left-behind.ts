import type { Session } from "../../src/walk/session.ts";

/** Everything packets left behind on every host, as text. */
export function leftBehind(session: Session): string {
  const lines: string[] = [`clock ${session.clock.now}`];
  for (const stack of session.touched()) {
    const { name } = stack.net;
    const { conntrack, neighbours, learned, exceptions, peers } = stack.state;
    conntrack.forEach((ct) => {
      const part = [
        conntrack.origSrc(ct),
        conntrack.origDst(ct),
        conntrack.origSport(ct),
        conntrack.origDport(ct),
        conntrack.replySrc(ct),
        conntrack.replyDst(ct),
        conntrack.replySport(ct),
        conntrack.replyDport(ct),
        conntrack.status(ct),
        conntrack.mark(ct),
        conntrack.tcpState(ct),
        conntrack.expires(ct),
      ];
      lines.push(`${name} conntrack ${ct} ${part.join(" ")}`);
    });
    for (const [kind, map] of Object.entries({ neighbours, learned, exceptions, peers })) {
      const entries: string[] = [];
      map.forEach((a, b, value) => {
        entries.push(`${name} ${kind} ${a} ${b} ${value}`);
      });
      lines.push(...entries.sort());
    }
  }
  return lines.join("\n");
}
