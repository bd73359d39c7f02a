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

export function icmpText(type: number, code: number): string {
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
