/**
 * What is said of a connection that has a helper (`nf_conntrack_ftp`, `_tftp`, `_sip` …): it reads what is said in it, and announces
 * the connections that it speaks of. This packet goes its way all the same; payload is none that anybody here has.
 */
export function helperOf(name: string): string {
  return `the helper ${name} of connection tracking, which lets later connections be RELATED by what it reads`;
}
