import { linesOf, type TextLine } from "../../kernel/tool-text.ts";
import type { Output, Tool } from "./output.ts";
import { goesOn, toolOfCommand, toolOfLine } from "./recognise.ts";

/** A file as the tools' outputs in it. */
export interface TakenApart {
  readonly outputs: readonly Output[];
  /** What `hostname` and `uname -r` said. */
  readonly hostname: string | null;
  readonly kernel: string | null;
  /** Lines that are no output of a tool known here: prose, other commands' output. */
  readonly others: readonly TextLine[];
  /** It is written for people, as Markdown is: what stands between the outputs is no loss. */
  readonly isProse: boolean;
}

/**
 * Takes a text apart into the outputs of tools: one file may hold several, behind prompts (`root@node1:~# ip addr`,
 * `$ ip route`), headings (`>>> 10.0.0.1`, `==> file <==`), within Markdown, indented, with any end of line.
 */
export function takeApart(text: string): TakenApart {
  const taker = new Taker();
  for (const line of linesOf(text.replace(/^\ufeff/, ""))) taker.take(line);
  return taker.finish();
}

class Taker {
  readonly #outputs: Output[] = [];
  readonly #others: TextLine[] = [];
  #hostname: string | null = null;
  #kernel: string | null = null;
  #host: string | null = null;
  #command: string | null = null;
  #tool: Tool | null = null;
  #lines: TextLine[] = [];
  /** Blanks that the whole output is indented by, as in Markdown. */
  #indent = "";
  #depth = 0;
  #afterBlank = false;
  #isProse = false;
  /** Something stands below the last prompt. */
  #answered = false;

  take(line: TextLine): void {
    if (this.#isWhole()) this.#close();
    if (this.#takeHeading(line)) return;
    if (/^\s*(?:```|~~~)/.test(line.text)) {
      this.#isProse = true;
      this.#close();
      return;
    }
    if (line.text.trim() === "") {
      this.#afterBlank = true;
      if (this.#tool !== null) this.#lines.push(line);
      return;
    }
    if (this.#tool !== null && this.#goOn(line)) return;
    this.#close();
    this.#begin(line);
  }

  finish(): TakenApart {
    this.#close();
    this.#noteEmpty();
    return {
      outputs: this.#outputs,
      hostname: this.#hostname,
      kernel: this.#kernel,
      others: this.#others,
      isProse: this.#isProse,
    };
  }

  #goOn(line: TextLine): boolean {
    const tool = this.#tool as Tool;
    if (!line.text.startsWith(this.#indent)) return false;
    const text = line.text.slice(this.#indent.length);
    // A table of commands ends with COMMIT: what follows may be another family's.
    if (tool === "iptables-commands" && this.#lastText() === "COMMIT") return false;
    const inside = this.#depth > 0;
    const other = inside ? undefined : toolOfLine(text);
    if (other !== undefined && other !== tool && !this.#areOne(tool, other)) return false;
    // Behind an empty line only what is a beginning itself goes on, or what the tool's own form has there.
    const needsBeginning = this.#afterBlank && !inside && other === undefined && !HAS_BLANKS.has(tool);
    if (needsBeginning || (!inside && other === undefined && !goesOn(tool, text))) return false;
    this.#push({ number: line.number, text });
    return true;
  }

  /** Beginnings that look like another tool's inside an output: rules between `*nat` and COMMIT, members of a set. */
  #areOne(tool: Tool, other: Tool): boolean {
    if (tool === "iptables-save") return other === "iptables-commands" && this.#lastText() !== "COMMIT";
    return tool === "ipset-list" && other !== "ipset-save";
  }

  #lastText(): string | undefined {
    return this.#lines.findLast(({ text }) => text.trim() !== "")?.text.trim();
  }

  #begin(line: TextLine): void {
    const [indent = ""] = /^[ \t]*/.exec(line.text) ?? [];
    const text = line.text.slice(indent.length);
    const tool = toolOfLine(text) ?? this.#toolOfHeadlessOutput(text);
    this.#answered = true;
    if (tool === undefined) {
      if (this.#takeAnswer(text) || text === FAILED) return;
      if (/^(?:#{1,6} \S|<!--|<\w+>)/.test(text)) this.#isProse = true;
      this.#others.push(line);
      return;
    }
    this.#tool = tool;
    this.#indent = indent;
    this.#push({ number: line.number, text });
  }

  /** Behind its command an output is believed even where its beginning is missing or damaged. */
  #toolOfHeadlessOutput(text: string): Tool | undefined {
    if (this.#command === null || this.#lines.length > 0) return undefined;
    const tool = toolOfCommand(this.#command);
    if (tool === "nfqueue" && /^(?:\s*\d+){9}$/.test(text)) return tool;
    return tool === "ip-route" && /^[\da-f:.]+(?:\/\d+)?\b/i.test(text) ? tool : undefined;
  }

  #push(line: TextLine): void {
    if (this.#tool === "nft" || this.#tool === "json") this.#depth += depthOf(line.text);
    this.#lines.push(line);
    this.#afterBlank = false;
  }

  /** A value of JSON ends with its last bracket. */
  #isWhole(): boolean {
    return this.#tool === "json" && this.#depth <= 0 && this.#lines.length > 0;
  }

  #close(): void {
    if (this.#tool !== null) {
      const last = this.#lines.findLastIndex(({ text }) => text.trim() !== "");
      const lines = this.#lines.slice(0, last + 1);
      this.#outputs.push({ tool: this.#tool, lines, command: this.#command, host: this.#host });
    }
    this.#tool = null;
    this.#lines = [];
    this.#indent = "";
    this.#depth = 0;
    this.#afterBlank = false;
  }

  /** A command that printed nothing says that there is nothing, where its tool is known to be silent then. */
  #noteEmpty(): void {
    const tool = this.#command === null || this.#answered ? null : toolOfCommand(this.#command);
    if (tool !== null && SILENT.has(tool)) {
      this.#outputs.push({ tool, lines: [], command: this.#command, host: this.#host });
    }
    this.#command = null;
  }

  #takeHeading({ text }: TextLine): boolean {
    const prompt = PROMPT.exec(text);
    if (prompt !== null) {
      const [, host, command = ""] = prompt;
      this.#close();
      this.#noteEmpty();
      if (host !== undefined) this.#host = host;
      this.#command = command.trim();
      this.#answered = false;
      return true;
    }
    const heading = HEADING.exec(text)?.[1];
    if (heading === undefined || this.#depth > 0) return false;
    this.#close();
    this.#noteEmpty();
    const tool = toolOfCommand(heading);
    if (tool !== null || /^(?:hostname|uname)\b/.test(heading)) {
      this.#command = heading;
      this.#answered = false;
    } else {
      this.#command = null;
      if (/^[\w.-]+$/.test(heading)) this.#host = heading;
    }
    return true;
  }

  /** What commands of one line say. */
  #takeAnswer(text: string): boolean {
    if (this.#command === null) return false;
    const word = text.trim();
    if (/^(?:sudo )?hostname\b/.test(this.#command) && /^[\w.-]+$/.test(word)) {
      this.#hostname ??= word;
      this.#host = word;
      return true;
    }
    if (!/^uname\b/.test(this.#command)) return false;
    this.#kernel ??= /\b(\d+\.\d+)\.\d+\S*/.exec(word)?.[1] ?? null;
    return true;
  }
}

/** `root@node1:~# `, `[root@node1 ~]# `, `user@node1 $ `, `$ `, and `# ` before a tool's name; what stands behind is the command. */
const TOOL_NAME =
  "(?:sudo\\s+)?(?:ip6?tables\\S*|ip|bridge|tc|nft|ipvsadm|ipset|ovs-vsctl|ovs-ofctl|conntrack|sysctl|ss|arp|ifconfig|route|netstat|brctl|hostname|uname|kubectl|docker|cat|nsenter)";
const PROMPT = new RegExp(
  "^\\s{0,3}(?:" +
    "\\[?(?:[\\w.-]+)@([\\w.-]+)(?:[: ][^\\]#$%]*)?\\]?\\s?[#$%]\\s?" +
    "|\\$\\s+(?=\\S)" +
    `|#\\s+(?=${TOOL_NAME}(?:\\s|$))` +
    ")(.*)$",
);
// `>>> address`, `==> file <==`, `=== ip addr ===`, `--- ip route ---`, `## ip route`
const HEADING = /^(?:>{2,}|=={1,}>?|-{3,}|#{2,})\s+(\S.*?)\s*(?:<?={2,}|-{3,}|#{2,})?$/;

/** What the script of `collect` writes in place of an output, having said so. */
const FAILED = "(failed)";

/** Tools that print nothing where there is nothing. */
const SILENT: ReadonlySet<Tool> = new Set(["nfqueue", "iptables-save", "ss", "ipset-save", "tc-filter"]);

/** A prompt with the command of a tool whose output is read here. */
export function isPromptOfTool(line: string): boolean {
  const command = PROMPT.exec(line)?.[2]?.trim() ?? "";
  return toolOfCommand(command) !== null || /^(?:hostname|uname)\b/.test(command);
}

/** Outputs that hold empty lines themselves. */
const HAS_BLANKS: ReadonlySet<Tool> = new Set([
  "ifconfig",
  "iptables-list",
  "iptables-save",
  "nft",
  "ipset-list",
  "sysctl",
  "tc-filter",
]);

/** How much deeper in braces and brackets a line ends than it began; what is in quotes does not count. */
function depthOf(text: string): number {
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
  }
  return depth;
}
