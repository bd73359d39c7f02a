/** A print of `iptables -L`, and the words of `iptables-save` that it stands for. */
export type Reading = readonly [pattern: RegExp, words: (found: readonly string[]) => readonly string[]];

/** How many characters were understood; undefined: none. */
export function readBy(readings: readonly Reading[], text: string, words: string[]): number | undefined {
  for (const [pattern, read] of readings) {
    const found = pattern.exec(text);
    if (found === null) continue;
    words.push(...read(found.map((group) => group ?? "")));
    return found[0].length;
  }
  return undefined;
}
