/** Order of names in which n2 comes before n10: runs of digits compare as numbers. */
function compareNatural(a: string, b: string): number {
  const left = a.match(PARTS) ?? [];
  const right = b.match(PARTS) ?? [];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const x = left[i] ?? "";
    const y = right[i] ?? "";
    if (x === y) continue;
    const difference = Number(x) - Number(y);
    if (!Number.isNaN(difference) && difference !== 0) return difference;
    return x < y ? -1 : 1;
  }
  return left.length - right.length || (a < b ? -1 : a > b ? 1 : 0);
}

const PARTS = /\d+|\D+/g;

/** Objects in the natural order of their names. */
export function inNaturalOrder<T extends { readonly metadata: { readonly name: string } }>(
  objects: readonly T[],
): T[] {
  return [...objects].sort((a, b) => compareNatural(a.metadata.name, b.metadata.name));
}
