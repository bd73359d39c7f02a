/** A text as lines of at most `width` characters, broken at blanks; a longer word stands alone, uncut. */
export function fold(text: string, width: number): string[] {
  const lines: string[] = [];
  const [first = "", ...words] = text.split(" ");
  let line = first;
  for (const word of words) {
    if (line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line += ` ${word}`;
  }
  return [...lines, line];
}

/** Folded lines that go on `indent` further in, each with what stands before it: `first` once, then blanks. */
export function hang(first: string, text: string, width: number, indent = 0): string[] {
  const room = Math.max(20, width - first.length - indent);
  const blanks = " ".repeat(first.length);
  const [head = "", ...rest] = fold(text, room + indent);
  const tail = rest.length === 0 ? [] : fold(rest.join(" "), room);
  return [first + head, ...tail.map((line) => blanks + " ".repeat(indent) + line)];
}
