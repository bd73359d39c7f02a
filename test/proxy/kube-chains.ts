/** The rules of kube-proxy's own chains by table and chain; in those of `unordered` their order is not its to promise. */
export function kubeChains(text: string, unordered: readonly string[] = []): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    const declared = /^:(KUBE-\S+)/.exec(line)?.[1];
    if (declared !== undefined) found[`${table} ${declared}`] ??= [];
    const chain = /^-A (KUBE-\S+)/.exec(line)?.[1];
    if (chain === undefined) continue;
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
