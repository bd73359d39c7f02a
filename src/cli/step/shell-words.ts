import { invalid, ok, type Result } from "../result.ts";

/** What starts a command of its own in a shell: one command line is read, not a script. */
const OPERATORS = /[|&;<>`$(){}\n]/;

/** The words of one command line as a POSIX shell splits them: blanks, single and double quotes, backslashes. */
export function shellWords(line: string): Result<string[]> {
  const words: string[] = [];
  let word: string | null = null;
  for (let at = 0; at < line.length; at++) {
    const char = line[at] as string;
    if (char === " " || char === "\t") {
      if (word !== null) words.push(word);
      word = null;
    } else if (char === "'" || char === '"') {
      const end = closingQuote(line, at);
      if (end < 0) return invalid(`the quote opened at column ${at + 1} is not closed`);
      const inside = line.slice(at + 1, end);
      word = (word ?? "") + (char === "'" ? inside : inside.replace(/\\(["\\$`])/g, "$1"));
      at = end;
    } else if (char === "\\" && at + 1 < line.length) {
      word = (word ?? "") + line[++at];
    } else if (OPERATORS.test(char)) {
      return invalid(
        `${JSON.stringify(char)} at column ${at + 1} is the shell's: give one command, without a script`,
      );
    } else word = (word ?? "") + char;
  }
  if (word !== null) words.push(word);
  return words.length === 0 ? invalid("is empty: a command is expected") : ok(words);
}

function closingQuote(line: string, open: number): number {
  const quote = line[open];
  for (let at = open + 1; at < line.length; at++) {
    if (quote === '"' && line[at] === "\\") at++;
    else if (line[at] === quote) return at;
  }
  return -1;
}
