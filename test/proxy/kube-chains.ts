/** Is a rule in one of kube-proxy's own chains? */
const isOwn = (line: string): boolean => line.startsWith("-A KUBE-");

/** The same, or does it jump into one? */
export const isOwnOrJump = (line: string): boolean => isOwn(line) || / -j KUBE-/.test(line);

/**
 * kube-proxy's rules by table and chain.
 *
 * @param unordered chains in which the order is not its to promise
 * @param isIts which of the rules are meant
 */
export function kubeChains(
  text: string,
  unordered: readonly string[] = [],
  isIts: (line: string) => boolean = isOwn,
): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    const declared = /^:(KUBE-\S+)/.exec(line)?.[1];
    if (declared !== undefined) found[`${table} ${declared}`] ??= [];
    const chain = /^-A (\S+)/.exec(line)?.[1];
    if (chain === undefined || !isIts(line)) continue;
    found[`${table} ${chain}`] ??= [];
    found[`${table} ${chain}`]?.push(withPlainMarks(line));
  }
  for (const [key, lines] of Object.entries(found)) {
    if (unordered.includes(key.split(" ")[1] ?? "")) lines.sort();
  }
  return found;
}

/** kube-proxy pads a mark with zeros, and iptables drops them again. */
function withPlainMarks(line: string): string {
  return line.replace(/0x0*(?=[0-9a-f])/g, "0x");
}
