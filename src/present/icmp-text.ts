/** What an ICMP message says, by type and code (RFC 792, RFC 1122, RFC 1812), in `ping`'s spirit. */
const UNREACHABLE: readonly string[] = [
  "network unreachable",
  "host unreachable",
  "protocol unreachable",
  "port unreachable",
  "fragmentation needed",
  "source route failed",
  "network unknown",
  "host unknown",
  "source host isolated",
  "network prohibited",
  "host prohibited",
  "network unreachable for the type of service",
  "host unreachable for the type of service",
  "administratively prohibited",
  "host precedence violation",
  "precedence cutoff in effect",
];

/** The same of ICMPv6 (RFC 4443). */
const UNREACHABLE6: readonly string[] = [
  "no route",
  "administratively prohibited",
  "beyond the source address's scope",
  "address unreachable",
  "port unreachable",
  "source address failed policy",
  "route rejected",
];

function icmpv6Text(type: number, code: number): string {
  switch (type) {
    case 1:
      return UNREACHABLE6[code] ?? `unreachable, code ${code}`;
    case 2:
      return "packet too big";
    case 3:
      return code === 0 ? "hop limit exceeded" : "reassembly time exceeded";
    case 4:
      return "parameter problem";
    case 128:
      return "echo request";
    case 129:
      return "echo reply";
    default:
      return `type ${type} code ${code}`;
  }
}

/** With its protocol's name; `address`, any of the message's, tells which of the two it is. */
export function icmpWords(type: number, code: number, address: string): string {
  return address.includes(":") ? `ICMPv6 ${icmpv6Text(type, code)}` : `ICMP ${icmpText(type, code)}`;
}

function icmpText(type: number, code: number): string {
  switch (type) {
    case 0:
      return "echo reply";
    case 3:
      return UNREACHABLE[code] ?? `unreachable, code ${code}`;
    case 5:
      return "redirect";
    case 8:
      return "echo request";
    case 11:
      return code === 0 ? "time to live exceeded" : "reassembly time exceeded";
    case 12:
      return "parameter problem";
    default:
      return `type ${type} code ${code}`;
  }
}
