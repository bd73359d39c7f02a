import fc from "fast-check";

/** What pastes and half-written files go through: each turns a text into a damaged one. */
const PIECES = [
  ...[
    "\u0000",
    "\t",
    " ",
    "\n",
    '"',
    "'",
    "-",
    "!",
    "/",
    ",",
    ":",
    "::",
    "{",
    "}",
    "[",
    "]",
    "(",
    "@",
    "<",
    "#",
    "*",
  ],
  ...["é", "\ud800", "0", "-1", "4294967296", "99999999999999999999", "1e9", "0x", "null", "true"],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the characters themselves are meant
  ...["__proto__", "constructor", "../..", "%n", "${x}", "-j", "-p 999", "ff::zz", "256.1.1.1"],
];

/** One to three damages one after the other. */
export function damaged(text: string): fc.Arbitrary<string> {
  const one = (given: string): fc.Arbitrary<string> => {
    const place = fc.nat({ max: given.length });
    return fc.oneof(
      place.map((at) => given.slice(0, at)),
      place.map((at) => given.slice(at)),
      fc
        .tuple(place, fc.nat({ max: 60 }))
        .map(([at, length]) => given.slice(0, at) + given.slice(at + length)),
      fc
        .tuple(place, fc.nat({ max: 80 }))
        .map(([at, length]) => given.slice(0, at + length) + given.slice(at)),
      fc
        .tuple(place, fc.constantFrom(...PIECES), fc.nat({ max: 3 }))
        .map(([at, piece, over]) => given.slice(0, at) + piece + given.slice(at + over)),
      fc.tuple(place, place, fc.nat({ max: 40 })).map(([from, to, length]) => {
        const part = given.slice(from, from + length);
        return given.slice(0, to) + part + given.slice(to);
      }),
      fc.constant(given.replace(/\n/g, "\r\n")),
      fc.constant(given.replace(/ +/g, " ")),
      fc.constant(given.replace(/\d/g, "9")),
    );
  };
  return fc.oneof(one(text), one(text).chain(one), one(text).chain(one).chain(one));
}
