/** How one list became another: so many items at both ends are the very same, and what lies between was replaced. */
export interface Splice {
  readonly head: number;
  readonly tail: number;
}

/** Told by identity alone, so that two long lists are compared without a look at what they hold. */
export function spliceOf<T>(before: readonly T[], after: readonly T[]): Splice {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < most - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  return { head, tail };
}

/** What of a list lies between the ends. */
export function between<T>(list: readonly T[], { head, tail }: Splice): readonly T[] {
  return list.slice(head, list.length - tail);
}

/** The list with other items between the ends. */
export function spliced<T>(list: readonly T[], { head, tail }: Splice, middle: readonly T[]): readonly T[] {
  return list.slice(0, head).concat(middle, list.slice(list.length - tail));
}

/** The first place of a sorted list whose item does not come before the wanted one. */
export function lowerBound<T>(list: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(list[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
