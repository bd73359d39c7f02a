import type { Packet } from "../../../packet/packet.ts";
import type { MatchTest, RuleContext } from "../rule-context.ts";
import type { ArgumentReader } from "../save/arguments.ts";
import { optionText } from "../save/option-text.ts";
import { UnsureTest } from "../unsure.ts";
import type { Match, MatchModule } from "./match.ts";

/** Hours, days and dates of the wall's clock (net/netfilter/xt_time.c). */
export interface TimeMatch extends Match {
  readonly kind: "time";
  /** Seconds of the day, both included. */
  readonly dayStart: number;
  readonly dayStop: number;
  /** Bits 1 … 31. */
  readonly monthDays: number;
  /** Bits 1 (Monday) … 7. */
  readonly weekDays: number;
  /** Seconds since 1970. */
  readonly dateStart: number;
  readonly dateStop: number;
  /** A span over midnight belongs to the day it begins on. */
  readonly contiguous: boolean;
  /** In the kernel's time zone instead of UTC. */
  readonly kernelZone: boolean;
}

const DAY_NAMES = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/** Bit 0 stands for all, too (`XT_TIME_ALL_MONTHDAYS`, `XT_TIME_ALL_WEEKDAYS`). */
const ALL_MONTH_DAYS = 0xfffffffe | 0;
const ALL_WEEK_DAYS = 0xfe;
const LAST_SECOND = 86_399;
/** `INT_MAX`: as far as the option goes, printed always. */
const LAST_DATE = 0x7fffffff;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const time: MatchModule<TimeMatch> = {
  kind: "time",
  needsConntrack: false,

  parse(reader) {
    const match: Mutable<TimeMatch> = {
      kind: "time",
      dayStart: 0,
      dayStop: LAST_SECOND,
      monthDays: ALL_MONTH_DAYS,
      weekDays: ALL_WEEK_DAYS,
      dateStart: 0,
      dateStop: LAST_DATE,
      contiguous: false,
      kernelZone: false,
    };
    reader.options({
      "--timestart": () => {
        match.dayStart = readDaytime(reader);
      },
      "--timestop": () => {
        match.dayStop = readDaytime(reader);
      },
      "--monthdays": () => {
        const invert = reader.negated();
        const days = reader.word("days of the month").split(",");
        const bits = days.reduce((sum, day) => sum | (1 << reader.uintOf(day, 31, 1)), 0);
        match.monthDays = invert ? ~bits & ALL_MONTH_DAYS : bits;
      },
      "--weekdays": () => {
        const invert = reader.negated();
        const days = reader.word("days of the week").split(",");
        const bits = days.reduce((sum, day) => sum | (1 << weekDayOf(reader, day)), 0);
        match.weekDays = invert ? ~bits & ALL_WEEK_DAYS : bits;
      },
      "--datestart": () => {
        match.dateStart = readDate(reader);
      },
      "--datestop": () => {
        match.dateStop = readDate(reader);
      },
      "--contiguous": () => {
        match.contiguous = true;
      },
      "--kerneltz": () => {
        match.kernelZone = true;
      },
    });
    if (match.contiguous && match.dayStart < match.dayStop)
      reader.fail("--contiguous is for a --timestart behind the --timestop");
    return match;
  },

  format: (match) =>
    optionText(
      match.dayStart !== 0 && `--timestart ${daytimeText(match.dayStart)}`,
      match.dayStop !== LAST_SECOND && `--timestop ${daytimeText(match.dayStop)}`,
      match.monthDays !== ALL_MONTH_DAYS && `--monthdays ${bitsText(match.monthDays, 31, String)}`,
      match.weekDays !== ALL_WEEK_DAYS &&
        `--weekdays ${bitsText(match.weekDays, 7, (day) => DAY_NAMES[day - 1] as string)}`,
      match.dateStart !== 0 && `--datestart ${dateText(match.dateStart)}`,
      `--datestop ${dateText(match.dateStop)}`,
      match.kernelZone && "--kerneltz",
      match.contiguous && "--contiguous",
    ),

  compile: (match) => new TimeTest(match),
};

/** No packet is sent before this was written: what is over by then is over. A time zone of the kernel's may be a day off. */
const NOT_BEFORE = Date.UTC(2026, 0, 1) / 1000 - 86_400;

/**
 * `time_mt`. A walk's clock begins at nought, and which day it is nobody has said: sure is what holds on any day since this was
 * written, or on none. Runs per packet.
 */
class TimeTest extends UnsureTest implements MatchTest {
  /** null: it depends on the moment. */
  private readonly answer: boolean | null;

  constructor(match: TimeMatch) {
    super(match);
    this.answer = atAnyTime(match);
  }

  test(packet: Packet, context: RuleContext): boolean {
    return this.answer ?? this.ask(packet, context);
  }
}

function atAnyTime({
  dayStart,
  dayStop,
  monthDays,
  weekDays,
  dateStart,
  dateStop,
}: TimeMatch): boolean | null {
  if (dateStop < NOT_BEFORE || dateStop < dateStart || monthDays === 0 || weekDays === 0) return false;
  // A span whose end is its beginning, or a second before that, is a whole day round.
  const isAllDay =
    (dayStart === 0 && dayStop === LAST_SECOND) || dayStart === dayStop || dayStart === dayStop + 1;
  const isAnyDay = monthDays === ALL_MONTH_DAYS && weekDays === ALL_WEEK_DAYS;
  return isAllDay && isAnyDay && dateStart <= NOT_BEFORE && dateStop === LAST_DATE ? true : null;
}

/** `hh:mm` or `hh:mm:ss` in seconds. */
function readDaytime(reader: ArgumentReader): number {
  const text = reader.word("a time of day");
  const found = /^(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?$/.exec(text);
  const [hour, minute, second] = (found ?? []).slice(1).map((part) => Number(part ?? 0));
  if (hour === undefined || minute === undefined || second === undefined) {
    reader.failValue(`${JSON.stringify(text)} is no time of day such as 17:30`);
    return 0;
  }
  if (hour > 23 || minute > 59 || second > 59) reader.failValue(`no day has a time ${text}`);
  return hour * 3600 + minute * 60 + second;
}

function daytimeText(seconds: number): string {
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60]
    .map((part) => String(Math.floor(part)).padStart(2, "0"))
    .join(":");
}

/** A number from 1, or a name, of which two letters are enough. */
function weekDayOf(reader: ArgumentReader, text: string): number {
  if (/^\d/.test(text)) return reader.uintOf(text, 7, 1);
  const at = text.length < 2 ? -1 : DAY_NAMES.findIndex((name) => name.startsWith(text));
  if (at < 0) reader.failValue(`${JSON.stringify(text)} is no day: write ${DAY_NAMES.join(", ")}`);
  return at + 1;
}

/** `YYYY[-MM[-DD[Thh[:mm[:ss]]]]]` of UTC, in seconds since 1970. */
function readDate(reader: ArgumentReader): number {
  const text = reader.word("a date");
  const found = /^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:T(\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?)?)?)?$/.exec(
    text,
  );
  if (found === null) {
    reader.failValue(`${JSON.stringify(text)} is no date such as 2026-01-31T17:30:00`);
    return 0;
  }
  const part = (i: number, absent: number): number => Number(found[i] ?? absent);
  const seconds =
    Date.UTC(part(1, 1970), part(2, 1) - 1, part(3, 1), part(4, 0), part(5, 0), part(6, 0)) / 1000;
  if (seconds < 0 || seconds > LAST_DATE) reader.failValue(`${text} is not from 1970 to 2038`);
  return seconds;
}

function dateText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}

function bitsText(bits: number, last: number, nameOf: (bit: number) => string): string {
  const names: string[] = [];
  for (let bit = 1; bit <= last; bit++) if ((bits & (1 << bit)) !== 0) names.push(nameOf(bit));
  return names.join(",");
}
