/** nft's text cut into words, as its scanner does (nftables' src/scanner.l). */
export interface Token {
  readonly kind: "word" | "string" | "punct" | "end" | "handle" | "eof";
  /** A string without its quotes; a handle's number. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** Where it begins and ends in the text. */
  readonly at: number;
  readonly until: number;
}

const PATTERN = new RegExp(
  [
    /(?<space>[ \t\r]+|\\\n)/,
    /(?<newline>\n)/,
    /(?<comment>#[^\n]*)/,
    /"(?<string>[^"\n]*)"/,
    /(?<mac>(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![0-9a-fA-F:]))/,
    /(?<six>(?:[0-9a-fA-F]{0,4}:){2,7}(?:\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]{0,4}))/,
    /(?<four>\d+\.\d+\.\d+\.\d+)/,
    /(?<number>\d\w*)/,
    /(?<word>[A-Za-z_][\w/.-]*\*?)/,
    /(?<punct><<|>>|<=|>=|==|!=|[{}()[\],;:@=<>!|&^*/+.$-])/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "y",
);

export type Tokens =
  | { readonly kind: "ok"; readonly tokens: readonly Token[] }
  | { readonly kind: "invalid"; readonly line: number; readonly message: string };

export function tokenize(text: string): Tokens {
  const tokens: Token[] = [];
  let line = 1;
  PATTERN.lastIndex = 0;
  while (PATTERN.lastIndex < text.length) {
    const at = PATTERN.lastIndex;
    const match = PATTERN.exec(text);
    if (match === null) {
      const found = text.slice(at, at + 12).split("\n")[0] ?? "";
      return { kind: "invalid", line, message: `${JSON.stringify(found)} is nothing that nft reads` };
    }
    const groups = match.groups as Readonly<Record<string, string | undefined>>;
    const until = PATTERN.lastIndex;
    const whole = match[0];
    const push = (kind: Token["kind"], word: string): void => {
      tokens.push({ kind, text: word, line, at, until });
    };
    const { space, comment, string, punct } = groups;
    if (space !== undefined) {
      if (whole.endsWith("\n")) line++;
    } else if (groups["newline"] !== undefined) {
      push("end", "\n");
      line++;
    } else if (comment !== undefined) {
      const handle = /^# handle (\d+)\s*$/.exec(comment);
      if (handle !== null) push("handle", handle[1] as string);
    } else if (string !== undefined) push("string", string);
    else if (punct === ";") push("end", ";");
    else push(punct === undefined ? "word" : "punct", whole);
  }
  tokens.push({ kind: "eof", text: "", line, at: text.length, until: text.length });
  return { kind: "ok", tokens };
}
