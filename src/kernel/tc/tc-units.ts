/** Rates, sizes and times as `tc` reads and prints them (iproute2's utils.c: `get_rate64`, `get_size`, `get_time`). */

const PREFIXES = ["", "K", "M", "G", "T"];

/** `tc_print_rate`, of bytes a second. */
export function rateText(bytes: number): string {
  let rate = bytes * 8;
  let place = 0;
  while (place < PREFIXES.length - 1 && rate >= 1000 && !(rate % 1000 !== 0 && rate < 1e6)) {
    rate = Math.floor(rate / 1000);
    place++;
  }
  return `${rate}${PREFIXES[place]}bit`;
}

/** `print_size`, but where that would round. */
export function sizeText(bytes: number): string {
  if (bytes >= 1024 ** 2 && bytes % 1024 ** 2 === 0) return `${bytes / 1024 ** 2}Mb`;
  return bytes >= 1024 && bytes % 1024 === 0 ? `${bytes / 1024}Kb` : `${bytes}b`;
}

/** Bytes a second; bits where nothing else is said. undefined: it is no rate. */
export function parseRate(text: string): number | undefined {
  const [, amount = "", prefix = "", unit = ""] =
    /^(\d+(?:\.\d+)?)([kmgt]?)(bit|bps|ibit|ibps|)$/i.exec(text) ?? [];
  if (amount === "") return undefined;
  const base = unit.startsWith("i") || unit.startsWith("I") ? 1024 : 1000;
  const power = "kmgt".indexOf(prefix.toLowerCase()) + 1;
  const scaled = Number(amount) * base ** (prefix === "" ? 0 : power);
  return Math.floor(/bps$/i.test(unit) ? scaled : scaled / 8);
}

/** Bytes; `k`, `m` and `g` are powers of 1024, `kbit` of bits. undefined: it is no size. */
export function parseSize(text: string): number | undefined {
  const [, amount = "", prefix = "", unit = ""] = /^(\d+(?:\.\d+)?)([kmg]?)(b|bit|)$/i.exec(text) ?? [];
  if (amount === "") return undefined;
  const power = prefix === "" ? 0 : "kmg".indexOf(prefix.toLowerCase()) + 1;
  const scaled = Number(amount) * 1024 ** power;
  return Math.floor(unit.toLowerCase() === "bit" ? scaled / 8 : scaled);
}

/** Microseconds; undefined: it is no time. */
function parseTime(text: string): number | undefined {
  const [, amount = "", unit = ""] = /^(\d+(?:\.\d+)?)(s|secs?|ms|msecs?|us|usecs?|)$/i.exec(text) ?? [];
  if (amount === "") return undefined;
  const scale = /^s/i.test(unit) ? 1e6 : /^m/i.test(unit) ? 1e3 : 1;
  return Math.floor(Number(amount) * scale);
}

/** `sprint_time`, of microseconds. */
function timeText(us: number): string {
  if (us >= 1e6) return `${Number((us / 1e6).toPrecision(3))}s`;
  return us >= 1e3 ? `${Number((us / 1e3).toPrecision(3))}ms` : `${us}us`;
}

export const TIME_UNITS = { parse: parseTime, text: timeText };
