import type { LabelSelector, LabelSelectorRequirement } from "kubernetes-types/meta/v1.js";
import { isLabelKey, isLabelValue, LABEL_VALUE_RULE } from "./label-names.ts";
import type { ObjectReport } from "./object-report.ts";
import type { FieldPath } from "./place.ts";

/**
 * What the API demands of a label selector (`ValidateLabelSelector`). One that no labels can fulfil is taken by it, and
 * told here: whoever wrote it meant another.
 */
export function checkLabelSelector(selector: LabelSelector, path: FieldPath, report: ObjectReport): void {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  for (const [key, value] of Object.entries(matchLabels)) {
    checkKey(key, [...path, "matchLabels", key], report);
    checkValue(value ?? "", [...path, "matchLabels", key], report);
  }
  for (const [i, expression] of matchExpressions.entries())
    checkExpression(expression, [...path, "matchExpressions", i], report);
  const key = impossibleKey(selector);
  if (key !== undefined)
    report.warning(path, `selects nothing: what it demands of the label ${key} contradicts itself`);
}

function checkExpression(
  { key, operator, values = [] }: LabelSelectorRequirement,
  path: FieldPath,
  report: ObjectReport,
): void {
  checkKey(key, [...path, "key"], report);
  for (const [i, value] of values.entries()) checkValue(value, [...path, "values", i], report);
  const takes = operator === "In" || operator === "NotIn";
  if (takes && values.length === 0) report.error([...path, "values"], `is empty: ${operator} needs values`);
  if (!takes && values.length > 0) report.error([...path, "values"], `does not go with ${operator}`);
}

function checkKey(key: string, path: FieldPath, report: ObjectReport): void {
  if (!isLabelKey(key)) report.error(path, `${JSON.stringify(key)} is no name of a label`);
}

function checkValue(value: string, path: FieldPath, report: ObjectReport): void {
  if (isLabelValue(value)) return;
  report.error(path, `${JSON.stringify(value)} is no value of a label: ${LABEL_VALUE_RULE}`);
}

/** The first label that would have to be there and not, or have a value that it may not. */
export function impossibleKey({
  matchLabels = {},
  matchExpressions = [],
}: LabelSelector): string | undefined {
  const pairs = Object.entries(matchLabels).map(([key, value]) => ({
    ...{ key, operator: "In", values: [value ?? ""] },
  }));
  const all: LabelSelectorRequirement[] = [...pairs, ...matchExpressions];
  return [...new Set(all.map(({ key }) => key))].find((key) => {
    const own = all.filter((one) => one.key === key);
    const of = (wanted: string) => own.filter(({ operator }) => operator === wanted);
    const isNeeded = of("In").length + of("Exists").length > 0;
    if (of("DoesNotExist").length > 0) return isNeeded;
    const [first, ...rest] = of("In");
    if (first === undefined) return false;
    return !(first.values ?? []).some(
      (value) =>
        rest.every(({ values = [] }) => values.includes(value)) &&
        !of("NotIn").some(({ values = [] }) => values.includes(value)),
    );
  });
}
