import { type Case, confSysctl, type Diagnosis, familyOf, fault, listing } from "./fault.ts";

/** What can happen to any packet on its way, whoever sent it. */

export const reversePath: Diagnosis = ({ decision: { reason, device, packet }, host }) => {
  if (reason !== "rp-filter" || device === null) return undefined;
  const src = packet?.ip.src ?? "its sender";
  return fault(
    `${host} takes nothing from ${src} by ${device}: its way back leaves by another device (rp_filter)`,
    {
      text: `Let ${host} take packets on ${device} whose way back leaves by another device (loose reverse path filtering).`,
      command: `sysctl -w ${confSysctl(device, "rp_filter")}=2`,
      host,
    },
  );
};

export const martian: Diagnosis = ({ decision: { reason, device, packet }, host }) => {
  if ((reason !== "martian-source" && reason !== "martian-destination") || packet === null) return undefined;
  const { src, dst } = packet.ip;
  if (dst === "::1")
    return fault(`${host} takes nothing for ::1 from elsewhere`, {
      text: `Ask an address of ${host} other than ::1.`,
      host,
    });
  if (!src.startsWith("127.") && !dst.startsWith("127.")) {
    return fault(
      `${host} takes no packet with the source ${src}: it is its own, or one that nobody can have`,
      {
        text: `Find who sends with the source ${src}.`,
        host,
      },
    );
  }
  return fault(`127.0.0.0/8 is not carried by ${device ?? "the device"} of ${host} (route_localnet is 0)`, {
    text: `Ask an address of ${host} other than 127.0.0.1, or let ${device ?? "the device"} carry 127.0.0.0/8.`,
    ...(device === null ? {} : { command: `sysctl -w ${confSysctl(device, "route_localnet")}=1` }),
    host,
  });
};

/** `__mkroute_output`: nothing leaves with a loopback source, by a device that may not carry it. */
export const loopbackSource: Diagnosis = ({ decision: { reason, packet }, host }) => {
  const src = packet?.ip.src ?? "";
  if (reason !== "bad-source" || !src.startsWith("127.")) return undefined;
  return fault(`${host} sends nothing on from ${src} (route_localnet is 0)`, {
    text: `Ask an address of ${host} other than 127.0.0.1, or let it route 127.0.0.0/8 (kube-proxy does where localhostNodePorts is on).`,
    command: "sysctl -w net.ipv4.conf.all.route_localnet=1",
    host,
  });
};

export const hairpin: Diagnosis = ({ decision: { reason, device }, host }) => {
  if (reason !== "bridge-hairpin" || device === null) return undefined;
  return fault(`${host} does not send a pod's own packet back to it: ${device} has hairpin off`, {
    text: "Let the bridge send frames back by the port they came in by: a pod that reaches itself through a Service needs it.",
    command: `bridge link set dev ${device} hairpin on`,
    host,
  });
};

export const blockedPort: Diagnosis = ({ decision: { reason, device }, host }) => {
  if (reason !== "bridge-port-blocked" || device === null) return undefined;
  return fault(`the bridge port ${device} of ${host} is not forwarding`, {
    text: `Let the bridge port ${device} forward.`,
    command: `bridge link set dev ${device} state forwarding`,
    host,
  });
};

export const deviceDown: Diagnosis = ({ decision: { reason, device }, host }) => {
  if (reason !== "device-down" || device === null) return undefined;
  return fault(`${device} of ${host} is down`, {
    text: `Set ${device} up.`,
    command: `ip link set ${device} up`,
    host,
  });
};

export const noRoute: Diagnosis = (at) => {
  if (at.decision.reason !== "no-route") return undefined;
  const to = destinationOf(at);
  const role = at.names.describe(to);
  const what = role === undefined || role.kind === "network" ? "" : ` (${role.text})`;
  return fault(`${at.host} has no route to ${to}${what}`, {
    text: `Give ${at.host} a route to ${to}.`,
    host: at.host,
  });
};

export const refusingRoute: Diagnosis = (at) => {
  const kind = /^(blackhole|prohibit|unreachable)-route$/.exec(at.decision.reason)?.[1];
  if (kind === undefined) return undefined;
  const to = destinationOf(at);
  return fault(`a route of ${at.host} refuses ${to} (${kind})`, {
    text: `Look at the routes and policy rules of ${at.host}: one of them refuses ${to}.`,
    host: at.host,
  });
};

export const ranOutOfTtl: Diagnosis = (at) => {
  if (at.decision.reason !== "ttl-exceeded") return undefined;
  const what = familyOf(at) === 6 ? "hop limit" : "TTL";
  const ttl = at.outcome.frames.find(({ phase }) => phase === "request")?.ip.ttl ?? 64;
  if (ttl >= 30) return loop(at);
  return fault(`the packet began with a ${what} of ${ttl}, which ran out at ${at.host}`, {
    text: `Send with a larger ${what}: the packet began with ${ttl}.`,
  });
};

export const looped: Diagnosis = (at) => (at.decision.reason === "loop-budget" ? loop(at) : undefined);

function loop({ outcome }: Case): ReturnType<Diagnosis> {
  const sent = outcome.frames.filter(({ direction }) => direction === "out");
  const hosts = listing([...new Set(sent.slice(-12).map(({ host }) => host))]);
  return fault(`${hosts} hand the packet to one another`, {
    text: `Correct the routes of ${hosts}: they hand the packet to one another.`,
  });
}

export const tooBig: Diagnosis = (at) => {
  const { outcome, host } = at;
  if (at.decision.reason !== "too-big") return undefined;
  const [verb, how] =
    familyOf(at) === 6
      ? ["is not fragmented on its way: in IPv6 only who sends does that", ""]
      : ["must not be fragmented", "or without don't-fragment, "];
  const mtu = outcome.client.icmp?.mtu;
  const size = mtu === undefined ? "smaller packets" : `packets of at most ${mtu} bytes`;
  return fault(
    `the packet is larger than ${host} can send on${mtu === undefined ? "" : ` (${mtu} bytes)`} and ${verb}`,
    {
      text: `Send ${size}, ${how}or raise the MTU on the way.`,
    },
  );
};

export const blackHole: Diagnosis = (at) => {
  const { host } = at;
  if (at.decision.reason !== "mtu-black-hole") return undefined;
  const errors = familyOf(at) === 6 ? "ICMPv6 errors of type 2" : "ICMP errors of type 3, code 4";
  return fault(
    `the packet is larger than ${host} can send on, and the error that says so is lost on its way back`,
    {
      text: `Let ${errors} get from ${host} to the sender, or clamp what it sends to the path's MTU.`,
      host,
    },
  );
};

export const ignoredPing: Diagnosis = (at) => {
  const { host } = at;
  if (at.decision.reason !== "icmp-ignored") return undefined;
  const name = familyOf(at) === 6 ? "net.ipv6.icmp.echo_ignore_all" : "net.ipv4.icmp_echo_ignore_all";
  return fault(`${host} answers no pings (${name} is 1)`, {
    text: `Let ${host} answer pings.`,
    command: `sysctl -w ${name}=0`,
    host,
  });
};

export const portsUsedUp: Diagnosis = ({ decision: { reason }, host }) =>
  reason !== "nat-exhausted"
    ? undefined
    : fault(`no port is left on ${host} to translate to`, {
        text: `Widen the range of ports or addresses that ${host} translates to.`,
        host,
      });

export const leftModel: Diagnosis = ({ decision: { reason, device }, host }) =>
  (reason !== "left-model" && reason !== "unmodelled-device") || device === null
    ? undefined
    : fault(`what lies behind ${device} of ${host} is not in the source`, {
        text: `Add a snapshot of what lies behind ${device} of ${host}, and its wire, to the source.`,
        host,
      });

function destinationOf({ decision, outcome }: Case): string {
  return decision.packet?.ip.dst ?? outcome.frames[0]?.ip.dst ?? "the destination";
}
