/** A value, or what was wrong with what the user gave, one line each. */
export type Result<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "invalid"; readonly messages: readonly string[] };

export function ok<T>(value: T): Result<T> {
  return { kind: "ok", value };
}

export function invalid(...messages: readonly string[]): Extract<Result<never>, { kind: "invalid" }> {
  return { kind: "invalid", messages };
}
