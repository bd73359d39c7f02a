import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readDocuments } from "../../src/object/text-documents.ts";
import { formatInputError } from "../../src/world/input-error.ts";

function read(text: string) {
  const { documents, errors, warnings } = readDocuments("a.yaml", text);
  return {
    values: documents.map(({ value }) => value),
    places: documents.map(({ document, line }) => [document, line]),
    errors: errors.map(formatInputError),
    warnings: warnings.map(formatInputError),
  };
}

describe("documents", () => {
  it("are cut at ---, blank ones and comments not counted", () => {
    const found = read("# head\n---\na: 1\n--- # next\n\n---\n# nothing\n---\nb: 2\n");
    expect(found.values).toEqual([{ a: 1 }, { b: 2 }]);
    expect(found.places).toEqual([
      [1, 3],
      [2, 9],
    ]);
  });

  it("a broken one leaves the others as they are", () => {
    const found = read("a: 1\n---\nb: [1, 2\nc: 3\n---\nd: 4\n");
    expect(found.values).toEqual([{ a: 1 }, { d: 4 }]);
    expect(found.errors).toEqual([
      "a.yaml:4: document 2 is no YAML that can be read: deficient indentation (column 1)",
    ]);
  });

  it.each([
    [
      "a: 1\n\tb: 2\n",
      "a.yaml:2: the document is no YAML that can be read: tab characters must not be used in indentation (column 1)",
    ],
    ["a: *b\n", 'a.yaml:1: the document is no YAML that can be read: unidentified alias "b" (column 5)'],
    ["x:\n  y: .inf\n", "a.yaml:2: .inf has no JSON form, so that kubectl refuses it"],
    ['{"a": 1,\n "b": }\n', "a.yaml:2: "],
  ])("%j is told with its line", (text, message) => {
    expect(read(text).errors[0]).toContain(message);
  });

  it("of a key given twice the last counts, and a warning names both lines", () => {
    const found = read("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n");
    expect(found.values).toEqual([{ a: 1, b: { c: 3, d: 2 } }]);
    expect(found.errors).toEqual([]);
    expect(found.warnings).toEqual([
      'a.yaml:5: the key "c" stands here a second time (first in line 3): the last one counts',
    ]);
  });

  it("merges << and keeps what stands beside it", () => {
    expect(read("first: &x {a: 1, b: 2}\nnext:\n  <<: *x\n  b: 3\n").values).toEqual([
      { first: { a: 1, b: 2 }, next: { a: 1, b: 3 } },
    ]);
  });

  it("refuses aliases that grow without bound", () => {
    const lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 10; i++) {
      const alias = `*${String.fromCharCode(96 + i)}`;
      lines.push(
        `${String.fromCharCode(97 + i)}: &${String.fromCharCode(97 + i)} [${Array(10).fill(alias).join(", ")}]`,
      );
    }
    expect(read(lines.join("\n")).errors[0]).toContain("ten million");
  });

  it("a key __proto__ is a key like any other", () => {
    const [value] = read("__proto__: {polluted: 1}\n").values;
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it("several JSON values may follow one another", () => {
    const found = read('{"a": 1}\n{"b": "}{"}\n[3]\n');
    expect(found.values).toEqual([{ a: 1 }, { b: "}{" }, [3]]);
  });

  it("YAML that begins with a brace is read", () => {
    expect(read("{apiVersion: v1, kind: Pod}\n").values).toEqual([{ apiVersion: "v1", kind: "Pod" }]);
  });

  it("reads CRLF and a byte order mark", () => {
    expect(read("\ufeffa: 1\r\n---\r\nb: 2\r\n").values).toEqual([{ a: 1 }, { b: 2 }]);
  });

  it.each(["", "\n", "# nothing\n", "---\n---\n"])("%j holds nothing", (text) => {
    expect(read(text)).toMatchObject({ values: [], errors: [] });
  });

  it("lines of fields are found, or those of the nearest field around", () => {
    const text = "kind: List\nitems:\n- a: 1\n  b:\n    - x\n    - y: 5\n- {c: 2}\n";
    const [document] = readDocuments("a.yaml", `---\n${text}`).documents;
    expect(document?.lineOf(["items", 0, "b", 1, "y"])).toBe(7);
    expect(document?.lineOf(["items", 1, "c"])).toBe(8);
    expect(document?.lineOf(["items", 0, "missing", 3])).toBe(4);
  });
});

describe("laws", () => {
  it("JSON text is read as JSON.parse reads it, lines included", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (value) => {
        const text = JSON.stringify(value, null, 2);
        const { values, errors } = read(text);
        expect(errors).toEqual([]);
        expect(values).toEqual([JSON.parse(text)]);
      }),
    );
  });

  it("no text makes it throw", () => {
    const piece = fc.constantFrom(
      "a",
      ":",
      " ",
      "\n",
      "-",
      "---\n",
      "{",
      "}",
      "[",
      "]",
      "&a",
      "*a",
      '"',
      "'",
      "|",
      "!",
      "<<",
      "\t",
      "#",
      "?",
      ",",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        readDocuments("a.yaml", pieces.join(""));
      }),
      { numRuns: 2000 },
    );
  });
});
