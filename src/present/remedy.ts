import type { Frame, Outcome, PacketView, Remedy, RuleHit, Trace } from "../walk/trace.ts";
import { type Decision, decisionOf } from "./decision.ts";

/**
 * What to do about an outcome that did not arrive, from what it tells of itself: no second look at the world. None where
 * nothing sure can be said. A command stands there only when it does what the sentence says.
 */
export function remediesFor(outcome: Outcome): Remedy[] {
  const decision = decisionOf(outcome);
  const host = decision.host ?? outcome.frames[0]?.host ?? "the sender";
  switch (decision.reason) {
    case "rule-drop":
    case "rule-reject":
    case "policy-drop":
    case "output-blocked":
      return forRule(decision, host);
    case "rp-filter":
      return forDevice(decision, host, (device) => [
        {
          text: `Let ${host} take packets on ${device} whose way back leaves by another device (loose reverse path filtering).`,
          command: `sysctl -w ${confSysctl(device, "rp_filter")}=2`,
        },
      ]);
    case "martian-source":
    case "martian-destination":
    case "bad-source":
      return forOwnPacket(outcome, decision, host) ?? forMartian(decision, host);
    case "not-forwarding":
      return [{ text: `Let ${host} forward.`, command: "sysctl -w net.ipv4.ip_forward=1", host }];
    case "bridge-hairpin":
      return forDevice(decision, host, (device) => [
        {
          text: `Let the bridge send frames back by the port they came in by: a pod that reaches itself through a Service needs it.`,
          command: `bridge link set dev ${device} hairpin on`,
        },
      ]);
    case "bridge-port-blocked":
      return forDevice(decision, host, (device) => [
        {
          text: `Let the bridge port ${device} forward.`,
          command: `bridge link set dev ${device} state forwarding`,
        },
      ]);
    case "device-down":
      return forDevice(decision, host, (device) => [
        { text: `Set ${device} up.`, command: `ip link set ${device} up` },
      ]);
    case "vxlan-no-remote":
      return forNoRemote(decision, host);
    case "vxlan-no-vni":
    case "vxlan-no-port":
      return forTunnelMismatch(decision, host);
    case "no-route":
      return forNoRoute(decision, outcome, host);
    case "blackhole-route":
    case "prohibit-route":
    case "unreachable-route":
      return [
        {
          text: `Look at the routes and policy rules of ${host}: one of them refuses ${destinationOf(decision, outcome)}.`,
          host,
        },
      ];
    case "no-neighbour":
      return forNoNeighbour(outcome, host);
    case "ttl-exceeded":
      return forTtl(outcome);
    case "too-big":
      return forTooBig(outcome);
    case "mtu-black-hole":
      return [
        {
          text: `Let ICMP errors of type 3, code 4 get from ${host} to the sender, or clamp what it sends to the path's MTU.`,
          host,
        },
      ];
    case "bad-reply":
      return forBadReply(outcome);
    case "no-listener-tcp":
    case "no-listener-udp":
      return forNoListener(outcome, decision, host);
    case "icmp-ignored":
      return [
        { text: `Let ${host} answer pings.`, command: "sysctl -w net.ipv4.icmp_echo_ignore_all=0", host },
      ];
    case "nat-exhausted":
      return [{ text: `Widen the range of ports or addresses that ${host} translates to.`, host }];
    case "loop-budget":
      return forLoop(outcome);
    case "left-model":
    case "unmodelled-device":
      return forDevice(decision, host, (device) => [
        { text: `Add a snapshot of what lies behind ${device} of ${host}, and its wire, to the source.` },
      ]);
    default:
      return [];
  }
}

/** A trace with the remedies of all its outcomes, each told once. */
export function withRemedies(trace: Trace): Trace {
  const remedies = new Map<string, Remedy>();
  for (const outcome of trace.outcomes) {
    for (const remedy of remediesFor(outcome)) {
      remedies.set(`${remedy.host} ${remedy.text} ${remedy.command}`, remedy);
    }
  }
  return { ...trace, remedies: [...trace.remedies, ...remedies.values()] };
}

function forDevice(
  decision: Decision,
  host: string,
  make: (device: string) => Omit<Remedy, "host">[],
): Remedy[] {
  return decision.device === null ? [] : make(decision.device).map((remedy) => ({ ...remedy, host }));
}

function forRule(decision: Decision, host: string): Remedy[] {
  const { rule, policy, packet } = decision;
  if (policy !== null) {
    const { table, chain } = policy;
    const narrow = {
      text: `Let these packets pass at the end of chain ${chain} on ${host} (their answers too, unless a rule lets ESTABLISHED pass).`,
      host,
    };
    return [
      packet === null
        ? narrow
        : { ...narrow, command: `iptables -t ${table} -A ${chain} ${selector(packet)} -j ACCEPT` },
      {
        text: "Or let the chain pass what no rule takes.",
        command: `iptables -t ${table} -P ${chain} ACCEPT`,
        host,
      },
    ];
  }
  if (rule === null) return [];
  return forServiceRule(rule, packet, host) ?? forPlainRule(rule, packet, host);
}

function forPlainRule(rule: RuleHit, packet: PacketView | null, host: string): Remedy[] {
  const { table, chain, index } = rule;
  const remedy = {
    text: `Let these packets pass before rule ${index} of chain ${chain} on ${host}, or take the rule out.`,
    host,
  };
  if (packet === null) return [remedy];
  return [{ ...remedy, command: `iptables -t ${table} -I ${chain} ${index} ${selector(packet)} -j ACCEPT` }];
}

/** What kube-proxy writes into comments says which Service is meant, and so what to change instead of the rule. */
function forServiceRule(rule: RuleHit, packet: PacketView | null, host: string): Remedy[] | null {
  const comment = /--comment "([^"]*)"/.exec(rule.text)?.[1] ?? "";
  const [, namespace, name] = /([a-z\d-]+)\/([a-z\d.-]+)/.exec(comment) ?? [];
  if (namespace === undefined || name === undefined) {
    if (rule.chain === "KUBE-FIREWALL") {
      return [
        { text: `Do not send to 127.0.0.0/8 of ${host} from elsewhere: ask one of its own addresses.`, host },
      ];
    }
    return null;
  }
  const service = `Service ${namespace}/${name}`;
  if (comment.endsWith("has no endpoints")) {
    return [{ text: `Give ${service} a ready endpoint: its selector must match a pod that is Ready.` }];
  }
  if (comment.endsWith("has no local endpoints")) {
    const field = rule.chain === "KUBE-SERVICES" ? "internalTrafficPolicy" : "externalTrafficPolicy";
    return [
      {
        text: `${service} has ${field} Local and no ready endpoint on ${host}: ask a node that has one, or let it use all.`,
        command: `kubectl -n ${namespace} patch service ${name} -p '{"spec":{"${field}":"Cluster"}}'`,
      },
    ];
  }
  if (rule.chain === "KUBE-PROXY-FIREWALL" || rule.chain.startsWith("KUBE-FW-")) {
    const client = packet === null ? "the client" : `${packet.ip.src}/32`;
    return [{ text: `Add ${client} to spec.loadBalancerSourceRanges of ${service}.` }];
  }
  return null;
}

/** What picks out the packets of this flow. */
function selector(packet: PacketView): string {
  const { ip, tcp, udp } = packet;
  const ends = `-s ${ip.src} -d ${ip.dst}`;
  if (tcp !== undefined) return `${ends} -p tcp --dport ${tcp.dport}`;
  if (udp !== undefined) return `${ends} -p udp --dport ${udp.dport}`;
  return packet.icmp === undefined ? ends : `${ends} -p icmp`;
}

/** A device's setting; where its name has a dot, `sysctl` wants slashes. */
function confSysctl(device: string, key: string): string {
  return device.includes(".") ? `net/ipv4/conf/${device}/${key}` : `net.ipv4.conf.${device}.${key}`;
}

/** Through a translation somebody reached himself, and the source is his own. */
function forOwnPacket(outcome: Outcome, { packet }: Decision, host: string): Remedy[] | null {
  const translated = outcome.rewrites.find(({ phase, field }) => phase === "request" && field === "dst");
  if (packet === null || translated === undefined || packet.ip.src !== packet.ip.dst) return null;
  const at = translated.host;
  return [
    {
      text: `Masquerade on ${at} what is translated back to its own sender: ${host} gets a packet from its own address.`,
      host: at,
    },
  ];
}

function forMartian({ packet, device, reason }: Decision, host: string): Remedy[] {
  if (packet === null) return [];
  const { src, dst } = packet.ip;
  if (src.startsWith("127.") || dst.startsWith("127.")) {
    const text = `Ask an address of ${host} other than 127.0.0.1, or let ${device ?? "the device"} carry 127.0.0.0/8.`;
    const command = device === null ? {} : { command: `sysctl -w ${confSysctl(device, "route_localnet")}=1` };
    return [{ text, ...command, host }];
  }
  if (reason === "bad-source") return [];
  const text = `Find who sends with the source ${src}: ${host} knows it as its own, or as one that nobody can have.`;
  return [{ text, host }];
}

function forNoRemote({ packet, device }: Decision, host: string): Remedy[] {
  const mac = packet?.eth?.dst;
  if (device === null) return [];
  const entry = mac === undefined ? "the destination's MAC" : mac;
  return [
    {
      text: `Give ${device} of ${host} an entry that says behind which node ${entry} lies (bridge fdb append ${mac ?? "MAC"} dev ${device} dst NODE).`,
      host,
    },
  ];
}

function forTunnelMismatch({ packet, reason }: Decision, host: string): Remedy[] {
  const sent =
    reason === "vxlan-no-vni"
      ? packet?.vxlan === undefined
        ? "the same VNI"
        : `the same VNI: what arrives carries ${packet.vxlan.vni}`
      : packet?.udp === undefined
        ? "the same UDP port"
        : `the same UDP port: what arrives is for ${packet.udp.dport}`;
  return [{ text: `Give the VXLAN devices of both ends ${sent}.`, host }];
}

function forNoRoute(decision: Decision, outcome: Outcome, host: string): Remedy[] {
  return [{ text: `Give ${host} a route to ${destinationOf(decision, outcome)}.`, host }];
}

function destinationOf({ packet }: Decision, outcome: Outcome): string {
  return packet?.ip.dst ?? outcome.frames[0]?.ip.dst ?? "the destination";
}

function forNoNeighbour(outcome: Outcome, host: string): Remedy[] {
  const asked = outcome.steps.find(
    (step) => step.kind === "neighbour" && step.text.startsWith("nobody has "),
  );
  if (asked === undefined) return [];
  const address = asked.text.slice("nobody has ".length);
  const who = `whoever has ${address} is up and reachable by ${asked.device ?? "that device"} of ${host}`;
  return [
    {
      text: `See that ${who}, or correct the route; an overlay needs a permanent neighbour entry for it.`,
      host,
    },
  ];
}

function forTtl(outcome: Outcome): Remedy[] {
  const first = outcome.frames.find((frame) => frame.phase === "request");
  const ttl = first?.ip.ttl ?? 64;
  if (ttl < 30) return [{ text: `Send with a larger TTL: the packet began with ${ttl}.` }];
  return forLoop(outcome);
}

function forLoop(outcome: Outcome): Remedy[] {
  const request = outcome.frames.filter((frame) => frame.direction === "out");
  const hosts = new Set(request.slice(-12).map((frame) => frame.host));
  return [
    { text: `Correct the routes of ${[...hosts].join(" and ")}: they hand the packet to one another.` },
  ];
}

function forTooBig(outcome: Outcome): Remedy[] {
  const mtu = outcome.client.icmp?.mtu;
  const size = mtu === undefined ? "smaller packets" : `packets of at most ${mtu} bytes`;
  return [{ text: `Send ${size}, or without don't-fragment, or raise the MTU on the way.` }];
}

function forBadReply(outcome: Outcome): Remedy[] {
  const translated = outcome.rewrites.find(
    (rewrite) => rewrite.phase === "request" && rewrite.field === "dst",
  );
  if (translated === undefined) return [];
  const { host } = translated;
  const isReply = (frame: Frame): boolean => frame.phase === "reply" && frame.host === host;
  if (outcome.frames.some(isReply)) {
    return [
      {
        text: `Let bridged frames pass iptables on ${host}, which then translates the answer's address back.`,
        command: "sysctl -w net.bridge.bridge-nf-call-iptables=1",
        host,
      },
    ];
  }
  return [
    {
      text: `Masquerade these connections on ${host}: the answer goes past it, so nobody translates it back.`,
      host,
    },
  ];
}

function forNoListener(outcome: Outcome, { packet }: Decision, host: string): Remedy[] {
  const ends = packet?.tcp ?? packet?.udp;
  if (packet === null || ends === undefined) return [];
  const isTranslated = outcome.rewrites.some(({ phase, field }) => phase === "request" && field === "dst");
  const or = isTranslated ? ", or correct the Service's targetPort" : ", or ask the port that does";
  return [{ text: `Start what should listen on ${packet.ip.dst}:${ends.dport} of ${host}${or}.`, host }];
}
