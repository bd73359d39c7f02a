import { hang } from "./fold.ts";
import type { Hop, Row } from "./hops.ts";
import type { Lines } from "./lines.ts";
import type { TextOptions } from "./text-options.ts";

/** Hosts with names longer than this stand on lines of their own: as a column they would eat the room of every row. */
const COLUMN_AT_MOST = 12;
const NUMBER_WIDTH = 3;

/** A numbered hop table under its title. */
export function writeHops(title: string, hops: readonly Hop[], options: TextOptions, lines: Lines): void {
  if (hops.length === 0) return;
  lines.push("", lines.paint.strong(title));
  const width = Math.max(...hops.map(({ host }) => host.length));
  const asColumn =
    width <= COLUMN_AT_MOST && hops.every(({ host }) => options.names.podOf(host) === undefined);
  for (const [i, hop] of hops.entries()) {
    const number = String(i + 1).padStart(NUMBER_WIDTH);
    if (asColumn) writeBeside(hop, number, width, lines);
    else writeUnder(hop, number, options, lines);
  }
}

function writeBeside({ host, rows }: Hop, number: string, width: number, lines: Lines): void {
  const blank = " ".repeat(NUMBER_WIDTH + 2 + width + 2);
  rows.forEach((row, i) => {
    writeRow(row, i === 0 ? `${number}  ${lines.paint.strong(host.padEnd(width))}  ` : blank, blank, lines);
  });
}

function writeUnder({ host, rows }: Hop, number: string, { names }: TextOptions, lines: Lines): void {
  const blank = " ".repeat(NUMBER_WIDTH + 2);
  const [only] = rows;
  if (only?.verb === "via" && rows.length === 1) {
    // Only passed through.
    lines.push(`${number}  ${lines.paint.strong(host)}  ${only.text}`);
    return;
  }
  const about = names.aboutHost(host);
  const more = about === "" ? "" : `  ${lines.paint.quiet(about)}`;
  lines.push(`${number}  ${lines.paint.strong(names.host(host))}${more}`);
  for (const row of rows) writeRow(row, blank, blank, lines);
}

function writeRow(row: Row, left: string, blank: string, lines: Lines): void {
  const { quiet } = lines.paint;
  const verb = row.verb.padEnd(6);
  const folded = hang(`${blank}${verb}  `, row.text, lines.width, row.verb === "" ? 2 : 0);
  for (const [i, line] of folded.entries()) {
    const rest = line.slice(blank.length + verb.length + 2);
    lines.push(
      `${i === 0 ? left : blank}${quiet(i === 0 ? verb : " ".repeat(verb.length))}  ${toneOf(row, lines)(rest)}`,
    );
  }
}

function toneOf({ tone }: Row, { paint }: Lines): (text: string) => string {
  return tone === "plain" ? (text) => text : paint[tone];
}
