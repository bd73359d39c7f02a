/** Parts of a list as Open vSwitch writes them: divided by commas that stand in no brackets and no quotes. */
export function splitList(text: string, divider = ","): string[] {
  const parts: string[] = [];
  let from = 0;
  scan(text, (c, at, depth) => {
    if (c !== divider || depth !== 0) return;
    parts.push(text.slice(from, at));
    from = at + 1;
  });
  parts.push(text.slice(from));
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** Do its brackets and quotes close? */
export function isWhole(text: string): boolean {
  return scan(text, () => {});
}

/** @param visit called for what stands outside quotes and is no bracket @returns do brackets and quotes close? */
function scan(text: string, visit: (c: string, at: number, depth: number) => void): boolean {
  let depth = 0;
  let quoted = false;
  let isWhole = true;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c === '"') quoted = !quoted;
    else if (quoted) i += c === "\\" ? 1 : 0;
    else if (c === "(" || c === "[" || c === "{") depth++;
    else if (c === ")" || c === "]" || c === "}") depth--;
    else visit(c, i, depth);
    if (depth < 0) isWhole = false;
  }
  return isWhole && depth === 0 && !quoted;
}

/** As JSON has them (`json_string_escape`). */
const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/** A name without the quotes that the tools put around what is no plain word. */
export function unquote(text: string): string {
  if (!/^".*"$/.test(text)) return text;
  return text.slice(1, -1).replace(/\\(?:u([\da-f]{4})|(.))/gi, (_, code?: string, plain?: string) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    return ESCAPES[plain as string] ?? (plain as string);
  });
}
